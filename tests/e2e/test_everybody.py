"""No page of staff keeps anybody out: axe-core finds nothing, in light and dark, and each fits a small phone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from typing import Any, Literal

import pytest
from allauth.mfa.models import Authenticator
from axe_playwright_python.sync_playwright import Axe
from django.contrib import admin
from django.urls import NoReverseMatch, URLResolver, get_resolver, reverse
from django.utils import timezone
from playwright.sync_api import BrowserContext, ViewportSize
from playwright.sync_api import Page as Tab
from pytest_django.live_server_helper import LiveServer

from incidents import catalogue, metrics, people, planned, timeline
from incidents.incidents import declare_incident, post_update
from incidents.lifecycle import ComponentStatus, IncidentStatus, Kind
from incidents.models import (
    Failure,
    Incident,
    Page,
    Postmortem,
    TimelineEntry,
    User,
)
from incidents.permissions import Scope
from incidents.postmortems import checks
from incidents.postmortems.action_items import add_action_item
from incidents.postmortems.writing import start_postmortem, write_report
from incidents.templates import create_template
from portal.embedded.demo_data import load_demo
from portal.embedded.replay import replay_seed
from status.models import Delivery, Nudge
from status.subscriptions import subscribers
from tests.e2e.conftest import NewContext

pytestmark = [pytest.mark.slow, pytest.mark.browser, pytest.mark.timeout(600)]

WIDE, PHONE = ViewportSize(width=1280, height=800), ViewportSize(width=375, height=667)
# A colour that is just changing is neither of the two.
STILL = """
const still = new CSSStyleSheet();
still.replaceSync("* { transition: none !important; }");
document.adoptedStyleSheets = [still];
"""
OF_MAINTENANCE = {"start", "complete", "extend", "move", "cancel", "automation"}

# Addresses of staff that answer with no page of their own, and why.
NO_PAGE = {
    # A form of another page is sent there, or a button.
    *("room_update", "room_publish", "room_withdraw", "room_note", "room_outcome"),
    *("incidents_postmortem_section", "incidents_postmortem_add_section", "incidents_postmortem_arrange"),
    *("incidents_postmortem_comment", "incidents_postmortem_settle", "incidents_postmortem_move_measure"),
    *("incidents_postmortem_uncover", "incidents_postmortem_fix"),
    *("incidents_postmortem_restore_section", "incidents_postmortem_restore_measure"),
    *(
        "status_nudge_channel_test",
        "status_subscriber_secret",
        "status_nudge_channel_remove",
        "status_nudge_channel_release",
        "logout",
    ),
    # The identity provider's page comes next, of which there is none here; the codes are a page of allauth's.
    *("openid_connect_login", "openid_connect_callback", "mfa_view_recovery_codes"),
    # A file, a fragment of a page, or an answer for a script.
    *("audit_file", "incident_file", "page_preview", "room_live", "jsi18n", "autocomplete", "status_subscriber_export"),
    *("mfa_download_recovery_codes", "view_on_site"),
}


@pytest.fixture
def superuser(make_user: Callable[[str, str], User]) -> User:
    user = make_user("root", "administrator")
    user.is_superuser = True
    user.save()
    return user


@pytest.fixture
def demonstration(other_page: Page, superuser: User) -> Page:
    """What the demonstration has, and a row of what it lacks."""
    page = replay_seed("https://status.example.com")
    load_demo(page)
    component = page.components.order_by("position")[0]
    catalogue.list_component(component, page=other_page, author=superuser)
    metrics.create_metric(page, name="Response time", author=superuser)
    people.create_key("robot", scopes=[Scope.READ], author=superuser)
    incident = declare_incident(page, title="Checkout fails", author=superuser)
    down = [(component, ComponentStatus.PARTIAL_OUTAGE)]
    said: Any = {"status": IncidentStatus.INVESTIGATING, "body": "Looking.", "components": down}
    post_update(incident, author=superuser, **said)
    planned.plan_update(
        incident, author=superuser, due_at=timezone.now() + timedelta(hours=1), next_update=None, notify=True, **said
    )
    attempt = TimelineEntry.Kind.MITIGATION
    timeline.note(incident, text="Restarting.", occurred_at=incident.created_at, kind=attempt, author=superuser)
    over = Incident.objects.filter(status=IncidentStatus.RESOLVED, postmortem=None)[0]
    report = start_postmortem(over, author=superuser)
    write_report(report, body="## Summary\n\nA mistake on 10.0.0.1 caused it.", author=superuser)
    add_action_item(report, author=superuser, text="Watch the disk.")
    catalogue.edit_embed(page, author=superuser)
    create_template(name="Disk", body="A disk is full.", author=superuser)
    recipient = subscribers.add_by_staff(page, address="reader@example.com", author=superuser)
    subscribers.add_webhook(page, url="https://hooks.example.com", contact="reader@example.com", author=superuser)
    Delivery.objects.create(recipient=recipient, event=incident.events.all()[0], due_at=timezone.now())
    reminded = {"key": "promise", "subject": incident.public_id, "title": "Checkout fails", "path": "/"}
    Nudge.objects.create(page=page, due_at=timezone.now(), **reminded)
    Failure.objects.create(kind="owe", key="7", reason="No.", parked_at=timezone.now())
    Authenticator.objects.create(user=superuser, type=Authenticator.Type.TOTP, data={"secret": "not one"})
    return page


def names(resolver: URLResolver, route: str = "", space: str = "") -> Iterator[str]:
    """Of all addresses of staff."""
    for each in resolver.url_patterns:
        here = f"{route}{each.pattern}"
        if isinstance(each, URLResolver):
            yield from names(each, here, f"{space}{each.namespace}:" if each.namespace else space)
        elif here.startswith("admin/") and each.name:  # without a name they lead to one with
            yield f"{space}{each.name}"


def addresses() -> Iterator[str]:
    """One for each name, with rows that there are. A new page that needs other ones is given its place here."""
    running = Incident.objects.get(title="Checkout fails")
    coming = Incident.objects.filter(kind=Kind.MAINTENANCE).latest("pk")
    report, older = Postmortem.objects.latest("pk"), Postmortem.objects.earliest("pk")
    newest = {model: model._base_manager.latest("pk").pk for model in admin.site._registry} | {Incident: running.pk}
    row_of = {f"{model._meta.app_label}_{model._meta.model_name}": row for model, row in newest.items()}
    places: dict[str, tuple[Any, ...]] = {
        "room": (running.public_id,),
        "admin:app_list": ("incidents",),
        "admin:incidents_incident_planned": (running.pk, running.planned.all()[0].pk),
        "admin:incidents_incident_unplan": (running.pk, running.planned.all()[0].pk),
        "admin:incidents_incident_correct": (running.pk, running.updates.all()[0].pk),
        "admin:incidents_postmortem_edit_measure": (report.pk, report.action_items.all()[0].pk),
        "admin:incidents_postmortem_remove_measure": (report.pk, report.action_items.all()[0].pk),
        "admin:incidents_postmortem_remove_section": (report.pk, report.live_sections()[0].pk),
        "admin:incidents_postmortem_dismiss": (report.pk, checks.open_findings(report)[0].digest),
        "account_confirm_email": ("x",),
        "account_reset_password_from_key": ("x", "set-password"),
    }
    places |= {f"admin:incidents_incident_{verb}": (coming.pk,) for verb in OF_MAINTENANCE}
    for name in sorted({*names(get_resolver())}):
        if name.removeprefix("admin:") in NO_PAGE:
            continue
        words = name.removeprefix("admin:").split("_")
        row = row_of.get("_".join(words[:2]))
        for place in (places[name],) if name in places else ((), (row,)):
            with suppress(NoReverseMatch):
                yield reverse(name, args=place)
                break
        else:
            raise AssertionError(f"{name} needs its place in this test")
    yield reverse("room", args=[coming.public_id])
    yield reverse("admin:incidents_postmortem_change", args=[older.pk])
    yield f"{reverse('search')}?q=Checkout"


def complaints(tab: Tab, path: str, no_page: set[str]) -> Iterator[str]:
    """What is wrong with a page. In dark only its colours differ."""
    answer = tab.goto(path)
    assert answer, path
    if answer.status in (403, 404, 405):
        no_page.add(path)
        return
    if answer.status >= 500:
        yield f"{path}: {answer.status}"
    colours = {"runOnly": {"type": "rule", "values": ["color-contrast"]}}
    schemes: list[tuple[Literal["light", "dark"], Any]] = [
        ("light", {"resultTypes": ["violations"]}),
        ("dark", colours),
    ]
    for scheme, options in schemes:
        tab.emulate_media(color_scheme=scheme)
        for violation in Axe().run(tab, options=options).response["violations"]:
            for node in violation["nodes"]:
                yield f"{path}, {scheme}: {violation['id']} {node['html'][:200]}"
    tab.set_viewport_size(PHONE)
    width = tab.evaluate("document.documentElement.scrollWidth")
    if width > PHONE["width"]:
        yield f"{path}: {width} pixels wide"
    tab.set_viewport_size(WIDE)


def steady(context: BrowserContext) -> Tab:
    context.add_init_script(STILL)
    return context.new_page()


def test_every_page_of_staff_with_rows(signed_in: NewContext, demonstration: Page, superuser: User) -> None:
    tab = steady(signed_in(superuser, viewport=WIDE))
    no_page: set[str] = set()
    found = [problem for path in list(addresses()) for problem in complaints(tab, path, no_page)]
    assert not found, "\n".join(found)
    assert {path.rstrip("/").rpartition("/")[2] for path in no_page} <= {"add", "change", "delete", "history"}, no_page


def test_every_page_of_staff_without_a_row(signed_in: NewContext, superuser: User) -> None:
    tab = steady(signed_in(superuser, viewport=WIDE))
    lists = [f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist" for model in admin.site._registry]
    others = ["admin:index", "audit", "numbers", "search", "admin:incidents_incident_add"]
    found = [problem for name in (*lists, *others) for problem in complaints(tab, reverse(name), set())]
    assert not found, "\n".join(found)


def test_every_page_for_who_is_signed_out(new_context: NewContext, live_server: LiveServer) -> None:
    tab = steady(new_context(viewport=WIDE, base_url=live_server.url))
    names = ["account_login", "account_reset_password", "account_reset_password_done", "account_inactive"]
    found = [problem for name in names for problem in complaints(tab, reverse(name), set())]
    assert not found, "\n".join(found)
