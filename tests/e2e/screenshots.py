"""Makes the pictures of the room in docs/screenshots. Run it by its name, and look at each before you commit it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from incidents import roles, timeline
from incidents.incidents import declare_incident, edit_incident, post_update
from incidents.lifecycle import ComponentStatus, IncidentStatus, Severity
from incidents.models import Component, IncidentRole, Page, TimelineEntry, User
from portal.embedded import replay
from tests.e2e.conftest import NewContext
from tests.services import ROOT

pytestmark = pytest.mark.browser

WIDE, PHONE = {"width": 1280, "height": 1100}, {"width": 375, "height": 812}
PICTURES: dict[str, dict[str, Any]] = {
    "room-light": {"viewport": WIDE, "color_scheme": "light"},
    "room-dark": {"viewport": WIDE, "color_scheme": "dark"},
    "room-phone": {"viewport": PHONE, "color_scheme": "light", "is_mobile": True, "has_touch": True},
}


def test_the_room_during_the_hold(
    signed_in: NewContext, page: Page, make_component: Callable[..., Component], author: User, admin: User
) -> None:
    began = timezone.now() - timedelta(minutes=18)
    down = [(make_component(name), ComponentStatus.PARTIAL_OUTAGE) for name, _aliases in replay.COMPONENTS]
    incident = declare_incident(page, title=replay.TITLE, severity=Severity.SEV2, author=author)
    edit_incident(incident, detected_at=began, impact_began_at=began, author=author)
    roles.take_role(incident, role=IncidentRole.Role.COMMANDER, author=author)
    roles.take_role(incident, role=IncidentRole.Role.COMMS_LEAD, author=admin)
    said = {status: words for _at, status, _components, words in replay.UPDATES}
    investigating, identified = IncidentStatus.INVESTIGATING, IncidentStatus.IDENTIFIED
    first = said[investigating]
    post_update(incident, status=investigating, body=first, components=down, display_at=began, author=admin)
    noted: Any = {"text": "A few restarts of the affected runtime.", "kind": TimelineEntry.Kind.MITIGATION}
    timeline.note(incident, occurred_at=began + timedelta(minutes=3), author=author, **noted)
    due_at = timezone.now() + timedelta(minutes=30)
    post_update(incident, status=identified, body=said[identified], next_update_due_at=due_at, author=admin)
    for name, options in PICTURES.items():
        tab = signed_in(author, **options).new_page()
        tab.goto(f"/admin/incident/{incident.public_id}/")
        tab.screenshot(path=ROOT / "docs" / "screenshots" / f"{name}.png")
