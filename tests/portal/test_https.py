"""One decision about https for all that is served: published pages, subscribers' pages and staff's, by each front."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from incidents.models import Page
from portal import environment
from status.publication.publishing import publish
from tests.front import ask, front, settle
from tests.servers import Server, free_port

HOST = "status.acme.example"
YEAR = "max-age=31536000"
EVERYWHERE = ["/", "/history", "/nothing", "/api/v2/status.json", "/subscribe", "/admin/", "/api/v1/pages", "/healthz"]

pytestmark = pytest.mark.nginx
Front = Callable[..., str]


@pytest.fixture
def https(settings: Settings) -> Settings:
    """As SITE_URL=https://... settles it; before the server of the test is made, which reads it once."""
    settings.SECURE_SSL_REDIRECT = True
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    settings.ALLOWED_HOSTS = ["*"]
    return settings


@pytest.fixture
def start_nginx(tmp_path: Path, publication_root: Path) -> Iterator[Front]:
    """Starts nginx the way the compose file does: what the owner decided is written down before."""
    started: list[Server] = []

    def start(web_port: int, hsts: str = "") -> str:
        folder = tmp_path / f"nginx-{len(started)}"
        folder.mkdir()
        settle(folder, HSTS=hsts)
        started.append(front(folder, publication_root, web_port=web_port))
        started[-1].start()
        return started[-1].url

    yield start
    for server in started:
        server.stop()


@pytest.mark.parametrize("decided", ["", YEAR, f"{YEAR}; includeSubDomains; preload"])
def test_what_the_owner_decided_is_sent_with_everything_by_https(
    https: Settings, live_server: LiveServer, start_nginx: Front, page: Page, decided: str
) -> None:
    publish(page)
    https.HSTS = decided
    fronts = [start_nginx(int(live_server.url.rpartition(":")[2]), decided), live_server.url]
    for url in fronts:
        for path in EVERYWHERE:
            answer = ask(url, path, host=HOST, x_forwarded_proto="https")
            assert answer.headers.get("strict-transport-security", "") == decided, f"{url}{path}"
            answer = ask(url, path, host=HOST, x_forwarded_proto="http")
            assert "strict-transport-security" not in answer.headers, f"{url}{path} by http"


def test_it_holds_while_the_web_process_is_away(page: Page, start_nginx: Front) -> None:
    publish(page)
    url = start_nginx(free_port(), YEAR)
    for path in ("/", "/admin/", "/subscribe", "/api/v1/pages"):
        answer = ask(url, path, host=HOST, x_forwarded_proto="https")
        assert answer.headers["strict-transport-security"] == YEAR, path
        assert (answer.status == 503) is (path != "/")


@pytest.mark.parametrize("path", ["/subscribe", "/subscribe/webhook?a=1", "/subscriptions/abc.def/confirm"])
def test_a_subscriber_who_comes_by_http_is_led_to_the_same_host(
    https: Settings, live_server: LiveServer, start_nginx: Front, page: Page, path: str
) -> None:
    publish(page)
    for url in (start_nginx(int(live_server.url.rpartition(":")[2])), live_server.url):
        answer = ask(url, path, host=f"{HOST}:8080", x_forwarded_proto="http")
        assert (answer.status, answer.headers["location"]) == (301, f"https://{HOST}{path}")
        assert ask(url, path, host=HOST, x_forwarded_proto="https").status != 301


@pytest.mark.parametrize("wrong", ["1", "max-age=a year", "max-age=1; preload; includeSubDomains"])
def test_another_value_stops_the_start_with_a_sentence(monkeypatch: pytest.MonkeyPatch, wrong: str) -> None:
    monkeypatch.setenv("HSTS", wrong)
    with pytest.raises(ImproperlyConfigured, match="Write max-age=SECONDS"):
        environment.hsts("HSTS")
