"""How fast is the page read, and how much is a first look at it?

Requests per second of the index and of summary.json, through nginx with the shipped configuration and through the
embedded web server, as ratios to the same nginx sending the same `.gz` file as a plain one, right before and after.
Limit: 0.9 through nginx. The first view of the index in a browser, all that it loads, compressed: at most 14.6 KB with
12 components.
"""

from __future__ import annotations

import os
import re
import secrets
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from statistics import median

from playwright.sync_api import sync_playwright

from tests.front import ask, front
from tests.servers import free_port, program, temporary_folder

ROUNDS = 7
LIMIT = 0.9
FIRST_VIEW = 14_600  # bytes
HOST = "status.bench.example"
FILES = {"/": "index.html.gz", "/api/v2/summary.json": "api/v2/summary.json.gz"}


def publish(data: Path) -> None:
    """Make a page with 12 components and a lively recent history, and publish it."""
    os.environ.pop("DATABASE_URL", None)
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "portal.settings",
        "SECRET_KEY": secrets.token_urlsafe(50),
        "DATA_DIR": str(data),
        "PUBLICATION_ROOT": str(data / "public"),
        "LOG_LEVEL": "ERROR",
    }
    import django

    django.setup()
    from django.core.management import call_command
    from django.utils import timezone

    from incidents import catalogue
    from incidents.people import service_user
    from status.publication import publishing
    from tests.old_incidents import make_history

    call_command("migrate", verbosity=0)
    author = service_user("bench", role="administrator")
    page = catalogue.create_page(name="Bench", url=f"https://{HOST}", author=author)
    names = [f"Component {number}" for number in range(1, 13)]
    components = [catalogue.create_component(page, name=name, author=author) for name in names]
    make_history(page, components, author, count=25, before=timezone.now(), apart=timedelta(days=3))
    publishing.publish(page, rebuild=True)


def requests_per_second(url: str) -> float:
    headers = [f"--header=Host: {HOST}", "--header=Accept-Encoding: gzip"]
    command = ["wrk", "--threads=1", "--connections=32", "--duration=1s", *headers, url]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "Non-2xx" not in output, output
    found = re.search(r"Requests/sec:\s+([\d.]+)", output)
    assert found, output
    return float(found[1])


def first_view(url: str) -> dict[str, int]:
    """The compressed bytes of each file that a browser loads to show the index."""
    loaded: list[str] = []
    with sync_playwright() as playwright:
        chromium = program("chromium", "chromium-browser", "google-chrome")
        arguments = ["--disable-gpu", "--disable-dev-shm-usage", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
        browser = playwright.chromium.launch(executable_path=chromium, args=arguments)
        page = browser.new_page()
        page.on("request", lambda request: loaded.append(request.url))
        page.goto(url, wait_until="networkidle")
        browser.close()
    paths = [address.removeprefix(url) for address in dict.fromkeys(loaded) if address.startswith(url)]
    return {path: len(ask(url, path, accept_encoding="gzip").body) for path in paths}


def main() -> int:
    data = temporary_folder("portal-bench-")
    publish(data)
    from portal.embedded.supervisor import WEB

    plain_port, web_port = free_port(), free_port()
    root = next((data / "public" / "pages").iterdir())
    plain = f"server {{ listen 127.0.0.1:{plain_port}; root {root}; gzip_static off; }}"
    nginx = front(data, data / "public", web_port=web_port, changes={"    server {\n": f"    {plain}\n    server {{\n"})
    nginx.start()
    web = subprocess.Popen(
        [sys.executable, "-m", *WEB, "--log-level=warning", f"--bind=127.0.0.1:{web_port}", "portal.wsgi"]
    )
    servers = {"nginx": nginx.url, "embedded": f"http://127.0.0.1:{web_port}"}
    ratios: dict[tuple[str, str], list[float]] = {(server, path): [] for path in FILES for server in servers}
    try:
        while not _answers(web_port):
            time.sleep(0.2)
        for _ in range(ROUNDS):
            for (server, path), taken in ratios.items():
                plain_url, url = f"http://127.0.0.1:{plain_port}/{FILES[path]}", servers[server] + path
                before, one, two, after = map(requests_per_second, (plain_url, url, url, plain_url))
                taken.append((one + two) / (before + after))
        loaded = first_view(nginx.url)
    finally:
        web.terminate()
        web.wait()
        nginx.stop()

    medians = {key: median(values) for key, values in ratios.items()}
    for (server, path), ratio in medians.items():
        limit = f" (limit {LIMIT})" if server == "nginx" else ""
        size = (root / FILES[path]).stat().st_size
        print(f"{server:<9} {path:<21}{ratio:6.3f} of the same {size:,} bytes as a plain file{limit}")
    for path, size in loaded.items():
        print(f"{size:>7,} bytes  {path}")
    print(f"{sum(loaded.values()):>7,} bytes for the first view of the index (limit {FIRST_VIEW:,})")
    is_fast = all(ratio >= LIMIT for (server, _path), ratio in medians.items() if server == "nginx")
    return int(not is_fast or sum(loaded.values()) > FIRST_VIEW)


def _answers(port: int) -> bool:
    try:
        return ask(f"http://127.0.0.1:{port}", "/").status == 200
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(main())
