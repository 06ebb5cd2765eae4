"""The real site in processes of its own: gunicorn as it ships, on a database that a test may take away."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

from portal.embedded.supervisor import WEB
from tests import migrated
from tests.front import ask
from tests.servers import free_port
from tests.services import ROOT
from tests.waiting import stretched, until

PASSWORD = "correct horse battery"  # of ada, an administrator


@dataclass(frozen=True, slots=True)
class Site:
    port: int
    page: str  # public ids
    incidents: list[str]
    note: str  # where a form adds to an incident's timeline
    key: str  # of a program that may post updates
    session: str  # the cookie of a signed-in administrator
    known_browser: str  # and that of their browser
    folder: Path
    environment: dict[str, str]  # for further processes of it

    @property
    def cookies(self) -> str:
        return f"sessionid={self.session}; known-browser={self.known_browser}"


@contextmanager
def serve(folder: Path, *, database: str, through: str = "") -> Iterator[Site]:
    """A site with a page and three incidents, kept in `folder` and in `database`; "" is an embedded one.

    The web process reaches the database by the address `through`, where given.
    """
    port = free_port()
    if not database:
        migrated.begin(folder / "portal.sqlite3")
    environment = os.environ | {
        "DATA_DIR": str(folder),
        "PUBLICATION_ROOT": str(folder / "public"),
        "DATABASE_URL": database,
        "SITE_URL": f"http://127.0.0.1:{port}",
        "DJANGO_SETTINGS_MODULE": "portal.settings",
        "LOG_LEVEL": "WARNING",
    }
    prepared = subprocess.run(
        [sys.executable, "-m", "tests.faults.site"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    facts = json.loads(prepared.stdout)
    with (folder / "web.log").open("wb") as log:
        web = subprocess.Popen(
            [sys.executable, "-m", *WEB, "--log-level=warning", f"--bind=127.0.0.1:{port}", "tests.faults.wsgi"],
            cwd=ROOT,
            env=environment | {"DATABASE_URL": through or database},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        try:
            until(lambda: web.poll() is not None or _is_well(port), 30)
            assert web.poll() is None, (folder / "web.log").read_text()
            yield Site(port=port, folder=folder, environment=environment, **facts)
        finally:
            web.terminate()
            web.wait(stretched(10))


def _is_well(port: int) -> bool:
    with suppress(OSError, HTTPException):
        return ask(f"http://127.0.0.1:{port}", "/healthz").status == 200
    return False


def _prepare() -> dict[str, object]:
    """Fill an empty database as staff would; runs in a process of its own, whose settings are the site's."""
    import django

    django.setup()

    from django.conf import settings
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
    from django.contrib.auth.models import Group
    from django.core.management import call_command
    from django.http import HttpResponse
    from django.urls import reverse

    from incidents import catalogue, people
    from incidents.incidents import declare_incident, post_update
    from incidents.lifecycle import IncidentStatus
    from incidents.models import User
    from incidents.permissions import Scope
    from portal.accounts import known_browsers
    from portal.accounts.sessions import SessionStore
    from status.subscriptions import subscribers

    call_command("migrate", verbosity=0)
    ada = User.objects.create_user("ada", password=PASSWORD, is_staff=True, is_superuser=True)
    ada.groups.add(Group.objects.get(name="administrator"))
    ada.save()  # its history says which groups
    page = catalogue.create_page(name="Acme", url="https://status.acme.example", time_zone="Europe/Rome", author=ada)
    catalogue.create_component(page, name="API", author=ada)
    incidents = [declare_incident(page, title=f"Errors {number}", author=ada) for number in range(3)]
    for incident in incidents:
        post_update(incident, status=IncidentStatus.INVESTIGATING, body="We are looking into it.", author=ada)
    subscribers.add_by_staff(page, address="reader@example.com", author=ada)
    key, _row = people.create_key("load", scopes=[Scope.INCIDENTS, Scope.COMPONENTS], author=ada)
    session = SessionStore()
    session[SESSION_KEY] = str(ada.pk)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = ada.get_session_auth_hash()
    session.save()
    known_browsers.remember(known := HttpResponse())
    return {
        "page": page.public_id,
        "incidents": [incident.public_id for incident in incidents],
        "note": reverse("admin:incidents_incident_note", args=[incidents[0].pk]),
        "key": key,
        "session": session.session_key,
        "known_browser": known.cookies[known_browsers.COOKIE].value,
    }


if __name__ == "__main__":
    print(json.dumps(_prepare()))
