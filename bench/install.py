"""How long does it take from nothing to a page read under its own name over TLS, and to a subscriber who has confirmed?

Each way of installing, in a clean Debian of its own: the wheel, the service of systemd, which is booted, and the steps
of the image. They are those of `docs/installing.md` and of `Dockerfile`; in front is nginx with the shipped site, and a
certificate made for it. Limit: each way gets there.

Wants root, and the programs of the packages debootstrap, systemd-container and nginx.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from tests.fronts import site
from tests.servers import free_port, temporary_folder
from tests.services import ROOT
from tests.sink import Sink, mail_server
from tests.waiting import until

PAGE, SITE = "status.example.com", "portal.example.com"
PATHS = "/packages/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"


@dataclass(frozen=True, slots=True)
class Way:
    install: str  # what root types in the folder of the unpacked release
    user: str
    home: str  # where that user is
    public: str
    start: tuple[str, ...]  # how its root becomes a machine, and what runs there


def documented(title: str) -> list[str]:
    """The blocks of commands and settings below a heading."""
    section = (ROOT / "docs" / "installing.md").read_text().partition(f"## {title}\n")[2].partition("\n## ")[0]
    return [re.sub(r"\n    ", "\n", block).strip() for block in re.findall(r"(?:\n    .+)+", section)]


def wheel(port: int) -> Way:
    install = """
        useradd --create-home newcomer
        python3 -m venv /venv
        /venv/bin/pip install --require-hashes --requirement requirements/run.txt
        /venv/bin/pip install --no-deps *.whl
        ln -s /venv/bin/incident-portal /usr/local/bin/
    """
    home = "/home/newcomer"
    start = ("--as-pid2", "--user=newcomer", f"--chdir={home}", "incident-portal", "up", f"--port={port}")
    return Way(install, "newcomer", home, f"{home}/.local/share/incident-portal/public", start)


def service(port: int) -> Way:
    commands, settings, unit = documented("A service of systemd")
    home = "/var/lib/incident-portal"
    install = [
        *(commands, f"cat > {home}/.env <<END\n{settings}\nEND"),
        *(f"chown incident-portal {home}/.env", f"chmod 600 {home}/.env"),
        *(line.replace("--now ", "") for line in unit.splitlines() if "sudo" not in line),
        f"sed -i 's/^ExecStart=.*/& --port={port}/' /etc/systemd/system/incident-portal@.service",
    ]
    return Way("\n".join(install), "incident-portal", home, "/srv/incident-portal", ("--boot",))


def image(port: int) -> Way:
    lines = (ROOT / "Dockerfile").read_text().replace("\\\n", "").splitlines()
    install = ["ln -s /usr/bin/python3 /usr/local/bin/python", "mkdir /app"]
    for word, rest in (line.split(maxsplit=1) for line in lines if line):
        if word == "RUN":
            install.append(rest.replace("--requirement run.txt", "--requirement requirements/run.txt"))
        elif word == "COPY" and "run.txt" not in rest and "--from" not in rest:
            install.append(f"cp -r {rest}")
    start = ("--as-pid2", "--user=portal", "--chdir=/app", "incident-portal", "up", f"--port={port}")
    return Way("\n".join(install), "portal", "/app", "/data/public", start)


def main() -> bool:
    """Whether each way ended at a subscriber who has confirmed."""
    clean, release = temporary_folder("install-clean-") / "root", temporary_folder("install-release-")
    packages = "python3,python3-venv,systemd,systemd-sysv,ca-certificates"
    subprocess.run(
        ["debootstrap", "--variant=minbase", f"--include={packages}", "bookworm", clean],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    shutil.copy(AUTHORITIES, clean / AUTHORITIES.lstrip("/"))
    hatchling = Path(sys.executable).with_name("hatchling")
    subprocess.run([hatchling, "build", f"--directory={release}"], cwd=ROOT, check=True, capture_output=True)
    for way in (wheel, service, image):
        root = temporary_folder(f"install-{way.__name__}-") / "root"
        subprocess.run(["cp", "--archive", clean, root], check=True)
        unpack(release, root / "release")
        began = time.monotonic()
        with mail_server() as sink:
            port = free_port()
            walk(root, way(port), port, sink)
        print(f"{way.__name__}: {time.monotonic() - began:.0f} s", flush=True)
    return True


def unpack(release: Path, folder: Path) -> None:
    folder.mkdir()
    (archive,) = release.glob("*.tar.gz")
    subprocess.run(
        ["tar", "--extract", "--strip-components=1", f"--file={archive}", f"--directory={folder}"], check=True
    )
    (built,) = release.glob("*.whl")
    shutil.copy(built, folder)


def walk(root: Path, way: Way, port: int, sink: Sink) -> None:
    settings = {
        "SITE_URL": f"https://{SITE}",
        "MAIL_FROM": f"status@{PAGE}",
        "SMTP_HOST": "127.0.0.1",
        "SMTP_PORT": str(sink.port),
    }
    machine = ["systemd-nspawn", f"--directory={root}", "--register=no", "--keep-unit", "--quiet"]
    machine += [f"--setenv=PATH={PATHS}", f"--setenv=PIP_CERT={AUTHORITIES}", "--setenv=PIP_QUIET=1"]
    check(*machine, "--chdir=/release", "sh", "-exc", way.install)
    if (file := root / way.home.lstrip("/") / ".env").exists():
        documented = re.sub(r"^(SITE_URL|MAIL_FROM|SMTP_\w+)=.*\n?", "", file.read_text(), flags=re.MULTILINE)
        file.write_text(documented + "\n".join(f"{name}={value}" for name, value in settings.items()))
    else:
        machine += [f"--setenv={name}={value}" for name, value in settings.items()]
        if way.user == "portal":
            machine += ["--setenv=DATA_DIR=/data"]
    as_user = [f"--user={way.user}", f"--chdir={way.home}", "sh", "-exc"]
    check(*machine, *as_user, f"incident-portal migrate; incident-portal replay_seed --url https://{PAGE}")
    folder, tls = temporary_folder("install-front-"), free_port()
    front = site(folder, root / way.public.lstrip("/"), (PAGE, SITE), web_port=port, tls_port=tls)
    with (root / "log").open("wb") as log:
        running = subprocess.Popen(
            [*machine, *way.start],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        front.start()
        see = ["--cacert", f"{folder}/tls.pem", "--connect-to", f"::127.0.0.1:{tls}"]
        subscribe(["curl", "--silent", "--fail", *see], sink)
    finally:
        front.stop()
        running.terminate()
        running.wait()


def subscribe(curl: list[str], sink: Sink) -> None:
    """As a customer does, by the names and the certificate that they see."""
    until(lambda: "Commerce Layer" in said(*curl, f"https://{PAGE}/"))
    until(lambda: "ok" in said(*curl, f"https://{SITE}/healthz"), 60)
    check(*curl, "--data", "address=ann@example.com", f"https://{PAGE}/subscribe")
    until(lambda: sink.received, 60)
    body = sink.received[0].message.get_body()
    assert body
    (link,) = set(re.findall(r"https://\S+/subscriptions/[^/\s]+/confirm", body.get_content()))
    assert "Unsubscribe" in said(*curl, "--data", "", "--location", link), "they are shown their subscription"


def said(*words: str) -> str:
    return subprocess.run(words, capture_output=True, text=True, check=False).stdout


def check(*words: str) -> None:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{words}\n{done.stdout}{done.stderr}"


if __name__ == "__main__":
    sys.exit(not main())
