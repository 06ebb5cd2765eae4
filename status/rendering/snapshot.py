"""Everything the public may see, and nothing else.

Frozen values, made by `projection` (days and percentages of uptime by `rendering.uptime`). Whatever shows or sends
something reads them: the renderers, messages, the manage API and the console's previews. Adding a field here is a
privacy decision. Instants are aware UTC; ids are 12-character public ids; statuses and impacts are the plain words of
Statuspage's API.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta


@dataclass(frozen=True, slots=True)
class Page:
    id: str
    name: str
    url: str  # "https://status.example.com", without a slash at the end
    time_zone: str  # IANA name
    language: str  # "en"
    support_url: str  # "" when the company gave none
    support_email: str  # "" when it gave none
    intro: str  # "" when there is none
    brand_colour: str  # "#1f56d0", "" for none
    logo: str  # an image as a data URL, "" for none
    updated_at: datetime  # the newest public fact on this page


@dataclass(frozen=True, slots=True)
class Component:
    id: str
    page_id: str
    group_id: str | None
    group_name: str  # "" for none
    name: str
    description: str | None
    status: str  # operational | degraded_performance | partial_outage | major_outage | under_maintenance
    position: int
    showcase: bool  # whether its uptime is shown
    only_show_if_degraded: bool
    start_date: date | None
    created_at: datetime
    updated_at: datetime

    @property
    def full_name(self) -> str:
        """ "Group - Component" for a grouped one."""
        return f"{self.group_name} - {self.name}" if self.group_name else self.name


@dataclass(frozen=True, slots=True)
class Group:
    id: str
    page_id: str
    name: str
    description: str | None
    status: str  # the worst of its components
    position: int
    component_ids: tuple[str, ...]
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Day:
    """One component's day in the page's zone; seconds spent in each status that is not operational."""

    date: date
    major_outage: float
    partial_outage: float
    degraded_performance: float
    under_maintenance: float
    uptime: float | None  # 0.0 to 1.0; None before the component existed


@dataclass(frozen=True, slots=True)
class Uptime:
    component_id: str
    days: tuple[Day, ...]  # 90, oldest first, the last one is today
    ratio: float | None  # over all days with data


@dataclass(frozen=True, slots=True)
class AffectedComponent:
    code: str  # the component's id
    name: str  # "Group - Component" for a grouped one
    old_status: str
    new_status: str


@dataclass(frozen=True, slots=True)
class Reach:
    """How many people an update has reached by mail, and how soon, on a page that shows it."""

    people: int
    took: timedelta


@dataclass(frozen=True, slots=True)
class IncidentUpdate:
    id: str
    incident_id: str
    status: str  # investigating ... resolved, scheduled ... completed
    body: str  # Markdown, as staff wrote it
    display_at: datetime  # the time shown
    published_at: datetime  # the server's clock when it became public, here or where it was said first
    created_at: datetime
    updated_at: datetime
    edited_at: datetime | None  # the text was corrected then
    next_update_due_at: datetime | None  # when the public was promised to hear more
    deliver_notifications: bool
    affected_components: tuple[AffectedComponent, ...]
    reach: Reach | None = None


@dataclass(frozen=True, slots=True)
class Covered:
    """An incident that a report is about."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Section:
    key: str  # "root_cause", whatever the heading; "other" for one that is about nothing usual
    heading: str  # "" of what had none where it was recorded from
    text: str  # Markdown, with instants like {{t 2023-01-17T16:02Z}}

    @property
    def markdown(self) -> str:
        return f"## {self.heading}\n\n{self.text}" if self.heading else self.text


@dataclass(frozen=True, slots=True)
class Commitment:
    """A measure that was promised in public."""

    id: str
    text: str
    state: str  # open | done | verified | dropped
    done_on: date | None
    verified_on: date | None


@dataclass(frozen=True, slots=True)
class Amendment:
    at: datetime  # the server's clock
    text: str  # what changed


@dataclass(frozen=True, slots=True)
class Postmortem:
    """The newest revision of a report; it may be about several incidents."""

    id: str
    title: str
    time_zone: str  # IANA name; the zone in which it tells times
    about: tuple[Covered, ...]  # those that are public on this page, oldest first
    sections: tuple[Section, ...]
    commitments: tuple[Commitment, ...]
    amendments: tuple[Amendment, ...]  # oldest first
    display_at: datetime
    published_at: datetime  # of the first revision
    created_at: datetime
    updated_at: datetime  # of the newest revision
    deliver_notifications: bool

    @property
    def body(self) -> str:
        """The whole of it in Markdown."""
        return "\n\n".join(section.markdown for section in self.sections)


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """A report that was public and was taken back."""

    id: str
    title: str
    about: tuple[Covered, ...]
    at: datetime


@dataclass(frozen=True, slots=True)
class Cause:
    """What brought an incident about: another incident or maintenance.

    It is named only when it is public. A maintenance that was never announced has neither id nor name.
    """

    id: str
    name: str
    is_maintenance: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """What a maintenance does by itself."""

    starts_by_itself: bool
    ends_by_itself: bool
    shows_components: bool  # as under maintenance while it runs
    tells_at_start: bool
    tells_at_end: bool
    reminders: tuple[int, ...]  # minutes before the start, in order
    reminded_at: datetime | None  # when the newest reminder was sent


@dataclass(frozen=True, slots=True)
class Incident:
    """An incident or (when `scheduled_for` is set) a scheduled maintenance."""

    id: str
    page_id: str
    name: str
    status: str  # also "postmortem" once one is published
    impact: str  # none | minor | major | critical | maintenance
    created_at: datetime
    updated_at: datetime
    started_at: datetime
    monitoring_at: datetime | None
    resolved_at: datetime | None
    updates: tuple[IncidentUpdate, ...]  # newest first, at least one
    components: tuple[Component, ...]  # this page's, with their status now, in page order
    postmortem: Postmortem | None
    withdrawn: Withdrawal | None  # of its postmortem
    caused_by: Cause | None
    scheduled_for: datetime | None
    scheduled_until: datetime | None
    impact_override: str | None = None  # the impact that staff chose instead of the computed one
    plan: Plan | None = None  # of a maintenance
    expected_until: datetime | None = None  # the new expected end of a maintenance that takes longer
    began_at: datetime | None = None  # when a maintenance really began
    is_overrunning: bool = False
    is_cancelled: bool = False  # its status reads "completed", as in Statuspage's API
    sequence: int = 0  # iCalendar's: raised when its window was changed or called off
    recorded_at: datetime | None = None  # it was published elsewhere first, and recorded here then

    @property
    def ends_at(self) -> datetime | None:
        """When a maintenance is to end, as last announced."""
        return self.expected_until or self.scheduled_until

    @property
    def is_maintenance(self) -> bool:
        return self.scheduled_for is not None

    @property
    def is_ahead(self) -> bool:
        """A maintenance that has not begun."""
        return self.status == "scheduled"

    @property
    def is_open(self) -> bool:
        return self.resolved_at is None

    @property
    def next_update_due_at(self) -> datetime | None:
        """What the newest update promised."""
        return self.updates[0].next_update_due_at

    @property
    def posted_at(self) -> datetime:
        """When the public first read of it: history is ordered and filed by this."""
        return self.updates[-1].display_at


@dataclass(frozen=True, slots=True)
class Metric:
    """A number that a program pushes; its points are of the 24 hours before the newest one, in order."""

    id: str
    name: str
    description: str
    suffix: str
    decimal_places: int
    y_min: float | None
    y_max: float | None
    is_axis_hidden: bool
    points: tuple[tuple[datetime, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Embed:
    """How the banner on other sites looks; as here where nobody chose anything."""

    position: str = "bottom-left"  # an edge and a side
    incident_background: str = "#8f1d1d"
    incident_text: str = "#ffffff"
    maintenance_background: str = "#1f56d0"
    maintenance_text: str = "#ffffff"


@dataclass(frozen=True, slots=True)
class Site:
    """The bounded part of a page: its size does not grow with history."""

    page: Page
    today: date  # in the page's zone
    indicator: str  # none | minor | major | critical | maintenance
    description: str  # "All Systems Operational" and its siblings
    groups: tuple[Group, ...]
    components: tuple[Component, ...]  # in page order, groups' components too
    uptimes: tuple[Uptime, ...]  # of the components with showcase
    open_incidents: tuple[Incident, ...]  # realtime and unresolved, newest first
    active_maintenances: tuple[Incident, ...]
    upcoming_maintenances: tuple[Incident, ...]  # soonest first
    recent_incidents: tuple[Incident, ...]  # the 50 newest, also open ones, newest first
    recent_maintenances: tuple[Incident, ...]  # the 50 newest
    past_days: tuple[PastDay, ...]  # today and the 14 days before it, newest first
    last_month: str | None  # "2026-11", the newest month that has a history page
    named_incidents: tuple[
        str, ...
    ] = ()  # the open incidents, by id, that make the indicator worse than the components do
    metrics: tuple[Metric, ...] = ()  # without their points, which only their charts have
    embed: Embed = Embed()


@dataclass(frozen=True, slots=True)
class PastDay:
    date: date
    incidents: tuple[Incident, ...]  # resolved ones, incidents and maintenances, newest first


@dataclass(frozen=True, slots=True)
class Month:
    """One page of history: what was first posted in that month of the page's zone."""

    page: Page
    month: str  # "2023-01"
    incidents: tuple[Incident, ...]  # newest first, incidents and maintenances
    previous: str | None  # the nearest earlier month that has incidents
    next: str | None


@dataclass(frozen=True, slots=True)
class Interval:
    """While a component had a status that is not operational, cut where a month begins and ends."""

    component_id: str
    component_name: str
    status: str
    begin: datetime
    end: datetime | None  # None: it still is so


@dataclass(frozen=True, slots=True)
class MonthRecord:
    """A month as open data; components are those that show their uptime."""

    month: Month
    components: tuple[Component, ...]
    intervals: tuple[Interval, ...]
    uptimes: tuple[Uptime, ...]
