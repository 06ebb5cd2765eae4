"""Programs that others made for Statuspage, unmodified, against a live server."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from playwright.sync_api import expect
from pytest_django.live_server_helper import LiveServer

from incidents.incidents import declare_incident, post_update
from incidents.lifecycle import ComponentStatus, IncidentStatus
from incidents.models import Component, Incident, MaintenancePlan, Page, User
from status.publication import publishing
from tests import browser
from tests.services import CLIENTS
from tests.waiting import stretched

SCRIPTS = Path(__file__).parents[1] / "clients"
pytestmark = [pytest.mark.slow, pytest.mark.clients, pytest.mark.django_db(transaction=True)]


def run(*command: str, folder: Path, **environment: str) -> str:
    python = CLIENTS / "bin" / "python"
    clean = {"PATH": os.environ["PATH"], "HOME": str(folder), **environment}
    done = subprocess.run(
        [python, *command], capture_output=True, check=False, text=True, env=clean, cwd=folder, timeout=stretched(90)
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def spoken(script: str, live_server: LiveServer, page: Page, key: str, folder: Path) -> Any:
    base = f"{live_server.url}/api/v1"
    return json.loads(run(str(SCRIPTS / script), folder=folder, BASE=base, KEY=key, PAGE=page.public_id))


@pytest.fixture
def trouble(page: Page, component: Component, author: User) -> Incident:
    """An open incident on a published page."""
    incident = declare_incident(page, title="Errors at checkout", author=author)
    post_update(
        incident,
        status=IncidentStatus.IDENTIFIED,
        body="A disk is full.",
        components=[(component, ComponentStatus.PARTIAL_OUTAGE)],
        author=author,
    )
    publishing.publish(page)
    return incident


def test_atlassian_statuspage_manages_a_page(
    live_server: LiveServer, page: Page, root_key: str, tmp_path: Path
) -> None:
    assert spoken("typed.py", live_server, page, root_key, tmp_path) == {
        "page": "Acme",
        "components": ["Search"],
        "group": True,
        "impact": "critical",
        "unresolved": True,
        "updates": ["resolved", "investigating"],
        "uptime": True,
        "mode": "email",
        "missing": 404,
        "left": 0,
    }


def test_notifiers_opens_incidents_of_every_kind(
    live_server: LiveServer, page: Page, component: Component, key: str, tmp_path: Path
) -> None:
    said = spoken("notify.py", live_server, page, key, tmp_path)
    assert said["sent"] == ["Success"] * 3, said
    assert said["errors"][:3] == [None] * 3
    assert "unknown or was revoked" in str(said["errors"][3])
    titles = list(Incident.objects.order_by("id").values_list("title", "status"))
    assert titles == [("Slow answers", "identified"), ("Old trouble", "resolved"), ("New disks", "scheduled")]
    assert MaintenancePlan.objects.get().starts_by_itself


def test_statuspage_prometheus_exporter_reads_the_page(
    live_server: LiveServer, trouble: Incident, tmp_path: Path
) -> None:
    services = {"acme": {"name": "Acme", "url": f"{live_server.url}/api/v2/summary.json"}}
    (tmp_path / "services.json").write_text(json.dumps(services))
    run("-m", "statuspage_prometheus_exporter.status_monitoring", folder=tmp_path, RUN_MODE="once")
    metrics = (tmp_path / "metrics/statuspage.prom").read_text()
    assert "Errors at checkout" in metrics
    assert 'component_name="API"' in metrics


@pytest.fixture
def elsewhere() -> Iterator[str]:
    """Another origin, which serves the widget as it came from npm."""
    folder = CLIENTS / "node_modules/@statuspage/status-widget/dist"

    class Handler(SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path != "/shop":
                super().do_GET()
                return
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            # Version 1.0.5 assigns to this name in strict mode without declaring it, so its page has to.
            self.wfile.write(b"<script>var parcelRequire</script>")

        def log_message(self, *_args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder))) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.browser
def test_atlassian_s_status_widget_shows_the_page_on_another_site(
    live_server: LiveServer, trouble: Incident, elsewhere: str
) -> None:
    with browser.chromium() as chromium:
        window = browser.new_context(chromium).new_page()
        window.goto(f"{elsewhere}/shop")
        window.add_script_tag(url=f"{elsewhere}/index.js")
        window.evaluate(
            "url => { const shown = document.createElement('statuspage-widget'); shown.src = url;"
            " document.body.append(shown) }",
            live_server.url,
        )
        expect(window.locator("statuspage-widget")).to_contain_text("Partial System Outage")
