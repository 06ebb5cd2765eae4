"""No page of staff keeps anybody out: axe-core finds nothing, in light and dark, and all fit a small phone."""

from __future__ import annotations

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe

from incidents import models, timeline
from incidents.lifecycle import ComponentStatus, IncidentStatus
from incidents.models import Component, Incident, User
from incidents.postmortems.writing import start_postmortem
from incidents.services import declare_incident, post_update
from status import subscriptions
from tests.e2e.conftest import NewContext

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_of_staff_keeps_anybody_out(
    signed_in: NewContext, incident: Incident, component: Component, admin: User, scheme: Any
) -> None:
    """axe-core finds nothing, and no page is wider than a small phone."""
    affected = [(component, ComponentStatus.PARTIAL_OUTAGE)]
    post_update(incident, status=IncidentStatus.INVESTIGATING, body="Looking.", author=admin, components=affected)
    mitigation = models.TimelineEntry.Kind.MITIGATION
    timeline.note(incident, text="Restarting.", occurred_at=incident.created_at, kind=mitigation, author=admin)
    over = declare_incident(incident.page, title="Over", author=admin)
    post_update(over, status=IncidentStatus.RESOLVED, body="Done.", author=admin)
    report = start_postmortem(over, author=admin)
    reader = subscriptions.add_by_staff(incident.page, address="reader@example.com", author=admin)
    admin.is_superuser = True
    admin.save()
    wide, phone = ({"width": width, "height": 800} for width in (1280, 375))
    page = signed_in(admin, color_scheme=scheme, viewport=wide).new_page()
    page.goto("/admin/")
    lists = page.locator("th a[href*='/admin/']").evaluate_all("links => links.map(link => link.pathname)")
    room = f"/admin/incident/{incident.public_id}/"
    verbs = [f"/admin/incidents/incident/{incident.pk}/{verb}/" for verb in ("change", "update", "history", "note")]
    more = ["/admin/audit/", "/admin/numbers/", "/admin/search/?q=API"]
    more += [f"/admin/incidents/component/{component.pk}/{verb}/" for verb in ("status", "change", "history")]
    rows = {"incidents/postmortem": report, "status/recipient": reader, "incidents/page": incident.page}
    more += [f"/admin/{name}/{row.pk}/change/" for name, row in {**rows, "incidents/user": admin}.items()]
    more += [f"/admin/account/{name}/" for name in ("2fa", "sessions", "password/change", "reauthenticate")]
    found = []
    for path in ["/admin/", room, "/admin/incidents/incident/add/", *verbs, *more, *sorted({*lists})]:
        answer = page.goto(path)
        if answer is None or answer.status == 404:
            continue
        assert answer.ok, path
        for violation in Axe().run(page).response["violations"]:
            found += [f"{path}: {violation['id']} {node['html'][:160]}" for node in violation["nodes"]]
        if scheme == "light":
            page.set_viewport_size(phone)  # type: ignore[arg-type]  # a size's dictionary
            width = page.evaluate("document.documentElement.scrollWidth")
            found += [f"{path}: {width} wide"] if width > 375 else []
            page.set_viewport_size(wide)  # type: ignore[arg-type]  # as above
    assert not found, "\n".join(found)
