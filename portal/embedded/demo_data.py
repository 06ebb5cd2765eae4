"""More history for the demonstration's page, made by the same services as everything else."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction

from incidents import catalogue
from incidents.incidents import declare_incident, post_update
from incidents.lifecycle import ComponentStatus, IncidentStatus
from incidents.maintenance.plans import schedule_maintenance
from incidents.models import Component, Page, User
from incidents.people import service_user
from incidents.record_time import record_time
from portal.accounts.backends import DEMO_PASSWORD, DEMO_USERNAME

GROUP = "Integrations"
COMPONENTS = ["Authentication", "Search", "Documentation"]
GROUPED = ["Webhooks", "Imports", "Exports"]

INVESTIGATING, IDENTIFIED = IncidentStatus.INVESTIGATING, IncidentStatus.IDENTIFIED
MONITORING, RESOLVED = IncidentStatus.MONITORING, IncidentStatus.RESOLVED
DEGRADED, PARTIAL = ComponentStatus.DEGRADED_PERFORMANCE, ComponentStatus.PARTIAL_OUTAGE
MAJOR, OPERATIONAL = ComponentStatus.MAJOR_OUTAGE, ComponentStatus.OPERATIONAL


@dataclass(frozen=True, slots=True)
class DemoIncident:
    days_ago: int
    title: str
    component: str
    updates: list[tuple[int, IncidentStatus, ComponentStatus, str]]  # each so many minutes after the first


STORIES = [
    DemoIncident(
        212,
        "Delayed exports",
        "Exports",
        [
            (0, INVESTIGATING, DEGRADED, "Exports take longer than usual to start. We are looking into it."),
            (55, RESOLVED, OPERATIONAL, "The backlog is worked off and exports start at once again."),
        ],
    ),
    DemoIncident(
        81,
        "Webhooks delivered late",
        "Webhooks",
        [
            (0, INVESTIGATING, DEGRADED, "Some webhooks arrive several minutes late. None are lost."),
            (35, IDENTIFIED, DEGRADED, "A queue grew faster than it was read. We are adding capacity."),
            (70, MONITORING, OPERATIONAL, "Webhooks are on time again. We keep watching."),
            (115, RESOLVED, OPERATIONAL, "Webhooks have been delivered on time for 45 minutes."),
        ],
    ),
    DemoIncident(
        58,
        "Elevated error rates on the Commerce API",
        "Commerce API",
        [
            (0, INVESTIGATING, PARTIAL, "About 4 % of API calls answer with HTTP 502. Retrying helps in most cases."),
            (12, IDENTIFIED, PARTIAL, "One of three network paths drops connections. We are routing around it."),
            (26, MONITORING, OPERATIONAL, "Errors stopped at the last minute's measurement. We keep watching."),
            (56, RESOLVED, OPERATIONAL, "No errors for 30 minutes. No data was lost."),
        ],
    ),
    DemoIncident(
        33,
        "Search results out of date",
        "Search",
        [
            (0, INVESTIGATING, DEGRADED, "New products do not appear in search results. Existing results are correct."),
            (48, MONITORING, OPERATIONAL, "The index catches up; results are current again."),
            (75, RESOLVED, OPERATIONAL, "Search results have been current for half an hour."),
        ],
    ),
    DemoIncident(
        19,
        "Sign-in unavailable",
        "Authentication",
        [
            (0, INVESTIGATING, MAJOR, "Nobody can sign in at present. Sessions that exist keep working."),
            (
                9,
                IDENTIFIED,
                MAJOR,
                "An expired certificate between two of our services. A new one is being rolled out.",
            ),
            (21, MONITORING, OPERATIONAL, "Sign-in works again. We keep watching."),
            (50, RESOLVED, OPERATIONAL, "Sign-in has worked for half an hour. We now check certificates every day."),
        ],
    ),
    DemoIncident(
        6,
        "Imports slower than usual",
        "Imports",
        [
            (0, INVESTIGATING, DEGRADED, "Imports of more than 10,000 rows are slow. Smaller ones are not affected."),
            (40, RESOLVED, OPERATIONAL, "Imports run at their usual speed again."),
        ],
    ),
]


@transaction.atomic
def load_demo(page: Page) -> None:
    """Components, incidents of the last months and a coming maintenance on `page`; running it again changes nothing."""
    if page.groups.filter(name=GROUP).exists():
        return
    author = service_user("replay", role="administrator")
    now = record_time()
    first_day = (now - timedelta(days=400)).date()
    group = catalogue.create_group(page, name=GROUP, position=10, author=author)
    for name in COMPONENTS + GROUPED:
        in_group = group if name in GROUPED else None
        catalogue.create_component(page, name=name, group=in_group, start_date=first_day, author=author)
    components = {component.name: component for component in page.components.all()}
    for story in STORIES:
        begun = (now - timedelta(days=story.days_ago)).replace(hour=9, minute=story.days_ago % 60, second=0)
        _post(page, story, components[story.component], begun, author)
    start = (now + timedelta(days=3)).replace(hour=22, minute=0, second=0, microsecond=0)
    schedule_maintenance(
        page,
        title="Database upgrade",
        body="We upgrade the database behind imports and exports. Both pause for up to 30 minutes; nothing is lost.",
        scheduled_for=start,
        scheduled_until=start + timedelta(hours=1),
        components=(components["Imports"], components["Exports"]),
        author=author,
        notify=False,
        starts_by_itself=True,
        ends_by_itself=True,
    )


def _post(page: Page, story: DemoIncident, component: Component, begun: datetime, author: User) -> None:
    incident = declare_incident(page, title=story.title, author=author)
    for minutes, status, component_status, body in story.updates:
        post_update(
            incident,
            status=status,
            body=body,
            author=author,
            components=[(component, component_status)],
            display_at=begun.replace(microsecond=0) + timedelta(minutes=minutes),
            notify=False,
        )


def ensure_demo_login() -> None:
    """The login that the demonstration prints. Refused at sign-in outside of it (`portal.accounts.backends`)."""
    if not settings.DEMO:
        raise RuntimeError("The demonstration's login is made with DEMO=1 only.")
    user, created = User.objects.get_or_create(
        username=DEMO_USERNAME, defaults={"is_staff": True, "is_superuser": True}
    )
    if created:
        user.set_password(DEMO_PASSWORD)
        user.save()
