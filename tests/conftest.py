"""What tests stand on: a page with components, people with roles, and a publication folder of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from pytest_django import Settings

from incidents import catalogue, isolation
from incidents.incidents import declare_incident, post_update
from incidents.lifecycle import ComponentStatus, IncidentStatus, Visibility
from incidents.models import Component, Incident, Page, User
from portal import middleware
from status.publication import files
from tests.sink import Sink, mail_server
from tests.waiting import stretched

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytest_plugins = ["tests.migrated"]


@pytest.fixture(autouse=True)
def publication_root(tmp_path: Path, settings: Settings) -> Path:
    settings.PUBLICATION_ROOT = tmp_path / "public"
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # argon2 is slow on purpose
    settings.WHITENOISE_AUTOREFRESH = True  # else each client of a test reads what all the static files are
    return tmp_path / "public"


@pytest.fixture(autouse=True)
def slow_guard(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy test machine is no outage, but for the tests that are about outages."""
    if "faults" not in request.path.parts and request.path.name not in ("test_middleware.py", "test_health.py"):
        monkeypatch.setattr(middleware, "ANSWER", stretched(20))
        monkeypatch.setattr(middleware, "REQUEST", stretched(60))
        monkeypatch.setattr(isolation, "TICK", stretched(isolation.TICK))


@pytest.fixture
def make_user(db: None) -> Callable[[str, str], User]:
    def make(username: str, role: str) -> User:
        user = User.objects.create_user(username, password="correct horse battery", is_staff=True)
        user.groups.add(Group.objects.get(name=role))
        user.save()  # its history has a code of its roles
        return user

    return make


@pytest.fixture
def admin(make_user: Callable[[str, str], User]) -> User:
    return make_user("ada", "administrator")


@pytest.fixture
def author(make_user: Callable[[str, str], User]) -> User:
    return make_user("grace", "communicator")


@pytest.fixture
def page(admin: User) -> Page:
    return catalogue.create_page(name="Acme", url="https://status.acme.example", time_zone="Europe/Rome", author=admin)


@pytest.fixture
def other_page(admin: User) -> Page:
    return catalogue.create_page(name="Beta", url="https://status.beta.example", author=admin)


@pytest.fixture
def make_component(page: Page, admin: User) -> Callable[..., Component]:
    def make(name: str, **facts: Any) -> Component:
        return catalogue.create_component(facts.pop("page", page), name=name, author=admin, **facts)

    return make


@pytest.fixture
def vault(make_component: Callable[..., Component]) -> Component:
    """A component whose name must not become public."""
    return make_component("Vault Keeper", visibility=Visibility.INTERNAL)


@pytest.fixture
def component(make_component: Callable[..., Component]) -> Component:
    return make_component("API")


@pytest.fixture
def incident(page: Page, author: User) -> Incident:
    return declare_incident(page, title="Errors", author=author)


@pytest.fixture
def published(publication_root: Path) -> Callable[[Page, str], str]:
    """Reads a published document as text."""

    def read(page: Page, path: str) -> str:
        return (files.folder(page.public_id) / path).read_text()

    return read


@pytest.fixture
def staff(client: Client, author: User) -> Client:
    client.force_login(author)
    return client


@pytest.fixture
def resolved(page: Page, incident: Incident, component: Component, author: User) -> Incident:
    affected = [(component, ComponentStatus.OPERATIONAL)]
    post_update(incident, status=IncidentStatus.RESOLVED, body="Done.", author=author, components=affected)
    return incident


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    from tests import browser

    with browser.chromium() as chromium:
        yield chromium


@pytest.fixture
def sink(settings: Settings) -> Iterator[Sink]:
    """The mail server to which all mail goes."""
    with mail_server() as server:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", server.port
        settings.EMAIL_TIMEOUT = stretched(2)
        settings.DEFAULT_FROM_EMAIL = "status@acme.example"
        yield server


@pytest.fixture
def without_hold(settings: Settings) -> None:
    """What was posted is sent at once."""
    settings.NOTIFY_HOLD = 0


@pytest.fixture
def administrator(client: Client, admin: User) -> Client:
    client.force_login(admin)
    return client
