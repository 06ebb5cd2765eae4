"""Pages, components, groups and their uptime over the API."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
import time_machine
from django.db.models.signals import post_init

from incidents.catalogue import create_group, list_component, set_component_status
from incidents.lifecycle import ComponentStatus
from incidents.models import Component, ComponentGroup, Page, User

Call = Callable[..., Any]
NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)


def test_a_component_is_added_changed_and_taken_off(call: Call, page: Page) -> None:
    new = {"name": "Web", "description": None, "status": "partial_outage", "showcase": "f", "start_date": "2026-01-02"}
    response = call("POST", "components", {"component": new})
    assert response.status_code == 201, response.content
    shown = response.json()
    assert (shown["name"], shown["status"], shown["showcase"]) == ("Web", "partial_outage", False)
    assert (shown["description"], shown["start_date"], shown["page_id"]) == (None, "2026-01-02", page.public_id)
    path = f"components/{shown['id']}"
    changed = call("PATCH", path, {"component": {"name": "Site", "description": "What people see"}}).json()
    assert (changed["name"], changed["description"], changed["status"]) == ("Site", "What people see", "partial_outage")
    component = Component.objects.get()
    assert {row.history_user.username for row in component.history.all()} == {"key:deploys"}
    gone = call("DELETE", path)
    assert (gone.status_code, gone.content, gone.has_header("Content-Type")) == (204, b"", False)
    assert call("GET", path).status_code == 404
    component.refresh_from_db()
    assert component.deleted_at is not None


def test_reading_one_component_or_group_reads_no_other_component(
    call: Call, page: Page, make_component: Callable[..., Component], admin: User
) -> None:
    group = create_group(page, name="Core", author=admin)
    api = make_component("API", group=group)
    make_component("Web")
    read = list[str]()

    def note(instance: Component, **_signal: object) -> None:
        read.append(instance.name)

    post_init.connect(note, sender=Component)
    try:
        for path in (f"components/{api.public_id}", f"component-groups/{group.public_id}"):
            assert call("GET", path).status_code == 200
    finally:
        post_init.disconnect(note, sender=Component)
    assert set(read) == {"API"}


def test_components_are_in_the_group_that_was_sent_last(call: Call, make_component: Callable[..., Component]) -> None:
    api, web, mail = (make_component(name).public_id for name in ("API", "Web", "Mail"))
    sent = {"description": "What matters", "component_group": {"name": "Core", "components": [web, api]}}
    response = call("POST", "component-groups", sent)
    assert response.status_code == 201, response.content
    group = response.json()
    assert (group["name"], group["description"], group["components"]) == ("Core", "What matters", [web, api])
    path = f"component-groups/{group['id']}"
    assert call("PUT", path, {"component_group": {"components": [mail, web]}}).json()["components"] == [mail, web]
    assert call("GET", f"components/{api}").json()["group_id"] is None
    assert call("GET", "component-groups").json() == [call("GET", path).json()]
    assert (
        call("PATCH", f"components/{api}", {"component": {"group_id": group["id"]}}).json()["group_id"] == group["id"]
    )
    gone = call("DELETE", path)
    assert (gone.status_code, gone.json()["id"]) == (200, group["id"])
    assert {row["group_id"] for row in call("GET", "components").json()} == {None}
    assert ComponentGroup.objects.get().deleted_at is not None


def test_a_component_of_another_page_has_only_its_status_set_from_here(
    call: Call, page: Page, other_page: Page, make_component: Callable[..., Component], admin: User
) -> None:
    shared = make_component("Shared", page=other_page)
    list_component(shared, page=page, author=admin)
    path = f"components/{shared.public_id}"
    assert call("PATCH", path, {"component": {"status": "major_outage"}}).json()["status"] == "major_outage"
    assert call("PATCH", path, {"component": {"name": "Ours"}}).status_code == 422
    assert call("DELETE", path).status_code == 422
    group = {"component_group": {"name": "Core", "components": [shared.public_id]}}
    assert call("POST", "component-groups", group).status_code == 422
    assert not ComponentGroup.objects.exists()


def test_uptime_is_of_the_days_that_were_asked_for(
    call: Call, page: Page, make_component: Callable[..., Component], admin: User
) -> None:
    with time_machine.travel(datetime(2026, 1, 1, tzinfo=UTC)):
        api, web = make_component("API"), make_component("Web")
        group = call(
            "POST", "component-groups", {"component_group": {"name": "G", "components": [api.public_id, web.public_id]}}
        ).json()
    with time_machine.travel(NOON):
        set_component_status(api, status=ComponentStatus.MAJOR_OUTAGE, author=admin)
    with time_machine.travel(NOON.replace(hour=18)):
        set_component_status(api, status=ComponentStatus.OPERATIONAL, author=admin)
    with time_machine.travel(datetime(2026, 3, 20, 12, tzinfo=UTC)):
        path = f"components/{api.public_id}/uptime"
        day = call("GET", f"{path}?start=2026-03-10&end=2026-03-10").json()
        assert (day["uptime_percentage"], day["major_outage"], day["partial_outage"]) == (75.0, 6 * 3600, 0)
        assert (day["range_start"], day["name"], day["warnings"]) == ("2026-03-09T23:00:00.000Z", "API", None)
        assert day["related_events"] == {"id": None, "ids": []}
        month = call("GET", f"{path}?start=2026-03&end=2026-12&skip_related_events=true").json()
        assert "adjusted to today" in month["warnings"]
        assert month["range_end"] == "2026-03-19T23:00:00.000Z"
        assert month["related_events"] is None
        both = call("GET", f"component-groups/{group['id']}/uptime?start=2026-03-10&end=2026-03-10").json()
        assert (both["uptime_percentage"], both["major_outage"]) == (87.5, 6 * 3600)
        for wrong in ("start=yesterday", "start=2026-02-30", "start=2026-03-12&end=2026-03-10"):
            assert call("GET", f"{path}?{wrong}").status_code == 422
        assert call("GET", f"{path}?start=1970").json()["range_start"].startswith("2025-09-")


def test_a_page_is_read_and_changed(root: Call, send: Call, page: Page, root_key: str) -> None:
    shown = root("GET", "").json()
    assert send("GET", "pages", key=root_key).json() == [shown]
    assert (shown["id"], shown["name"], shown["domain"]) == (page.public_id, "Acme", "status.acme.example")
    facts = {"name": "Acme Cloud", "time_zone": "Europe/Berlin", "domain": "status.acme.test", "css_greens": None}
    changed = root("PATCH", "", {"page": facts}).json()
    assert (changed["name"], changed["time_zone"]) == ("Acme Cloud", "Europe/Berlin")
    assert (changed["url"], changed["domain"]) == ("https://status.acme.test", "status.acme.test")
    page.refresh_from_db()
    assert page.host == "status.acme.test"


@pytest.mark.parametrize("wrong", [{"css_greens": "00ff00"}, {"time_zone": "Mars/Olympus"}, {"name": "x" * 101}])
def test_what_a_page_cannot_be_is_refused(root: Call, page: Page, wrong: dict[str, str]) -> None:
    response = root("PUT", "", {"page": {"support_url": "https://help.acme.example"} | wrong})
    assert response.status_code == 422
    page.refresh_from_db()
    assert (page.name, page.support_url) == ("Acme", "")
