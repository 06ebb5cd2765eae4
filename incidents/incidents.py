"""What staff and programs do with incidents: one verb, one function, one transaction."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, TypedDict, Unpack

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from incidents import outbox, windows
from incidents.affected import Affected, change_components, impact_at, lock_components, newest_change, peak_impact
from incidents.authorship import service
from incidents.checking import check_words, names_given_away
from incidents.deletion import taken_along
from incidents.errors import Conflict, InvalidInput, InvalidTransition
from incidents.lifecycle import (
    STATUSES,
    ComponentStatus,
    Impact,
    IncidentStatus,
    Kind,
    Severity,
    Visibility,
    check_promise,
    check_transition,
    worst_impact,
)
from incidents.models import Component, Incident, IncidentUpdate, Page, User
from incidents.models.base import save_checked
from incidents.permissions import Verb, require
from incidents.record_time import record_time, written_at
from incidents.texts import check_body, check_metadata, check_title, one_line


class IncidentFacts(TypedDict, total=False):
    """What staff may set on an incident at any time."""

    title: str
    public_title: str
    severity: Severity
    impact_override: Impact | None
    impact_began_at: datetime | None
    impact_ended_at: datetime | None
    detected_at: datetime | None
    acknowledged_at: datetime | None
    caused_by: Incident | None
    metadata: dict[str, Any]


MOVED_BY_UPDATES = ("status", "impact", "next_update_due_at", "first_posted_at", "updated_at")
WORDS = ("public_title",)  # that the public reads of an incident
PUBLIC_FACTS = (*WORDS, "impact_override", "impact_began_at", "caused_by")


@service(Verb.DECLARE_INCIDENT, locks=(Page, Incident), public=["title", *WORDS])
def declare_incident(
    page: Page,
    *,
    title: str,
    author: User,
    public_title: str | None = None,
    kind: Kind = Kind.REALTIME,
    visibility: Visibility = Visibility.PUBLIC,
    severity: Severity = Severity.SEV3,
    impact_override: Impact | None = None,
    caused_by: Incident | None = None,
) -> Incident:
    """Open an incident. The public sees it from its first update on, with the same title unless another one is given.

    An internal one has no public title before it is published.
    """
    page.lock_live()
    if caused_by:
        caused_by.lock_live()
    status = IncidentStatus.SCHEDULED if kind is Kind.MAINTENANCE else IncidentStatus.INVESTIGATING
    shown = ""
    if visibility == Visibility.PUBLIC:
        shown = check_title(page, public_title or title, field="public_title" if public_title else "title")
    incident = Incident(
        page=page,
        title=one_line(title),
        public_title=shown,
        kind=kind,
        status=status,
        visibility=visibility,
        severity=severity,
        impact_override=impact_override,
        caused_by=caused_by,
    )
    save_checked(incident)
    return incident


@service(Verb.POST_UPDATE, locks=(Incident, Component), public=["body"])
def post_update(
    incident: Incident,
    *,
    status: IncidentStatus,
    body: str,
    author: User,
    components: Affected = (),
    display_at: datetime | None = None,
    next_update_due_at: datetime | None = None,
    seen: str | None = None,
    notify: bool = True,
) -> IncidentUpdate:
    """Say where an incident stands, moving it to `status`, and its components with it.

    `next_update_due_at` promises the public when it will hear more (`promises.due_at` knows the usual time).
    `display_at` back-dates what is shown, never before the newest update and never into the future.
    `seen` is the public id of the newest update that the author had read ("" for none): `Conflict` when
    somebody has posted since; None leaves that unchecked. Of an end, `left_down` of the answer are the components that
    are not operational.
    """
    incident.lock_live()
    latest = incident.latest_update()
    check_seen(seen, latest)
    lock_components(incident, components)
    now = record_time()
    before = [latest.display_at if latest else None, newest_change(component for component, _status in components)]
    shown_at = display_at or max([now, *filter(None, before)])  # in order, whatever clock those before had
    check_transition(Kind(incident.kind), IncidentStatus(incident.status) if latest else None, status)
    if display_at:
        check_display_at(display_at, now, latest)
    check_promise(next_update_due_at, now, incident.first_posted_at if incident.kind == Kind.REALTIME else None)
    body = check_body(body)
    if incident.visibility == Visibility.PUBLIC:
        check_words(incident.page, body=body)
    update = IncidentUpdate(
        incident=incident,
        status=status,
        body=body,
        author=author,
        display_at=shown_at,
        published_at=now if incident.visibility == Visibility.PUBLIC else None,
        next_update_due_at=next_update_due_at,
        deliver_notifications=notify,
    )
    save_checked(update)
    change_components(update, components)

    incident.status = status
    incident.next_update_due_at = next_update_due_at
    incident.impact = worst_impact([Impact(incident.impact), impact_at(incident, shown_at)])
    if update.published_at and incident.first_posted_at is None:
        incident.first_posted_at = shown_at
    incident.save(update_fields=MOVED_BY_UPDATES)
    outbox.record_incident(outbox.Kind.UPDATE_POSTED, incident, update, notify=notify)
    update.left_down = list(incident.components().live().not_operational()) if incident.is_ended else []
    return update


@service(Verb.POST_UPDATE, locks=(Incident, Component), public=[*WORDS, "body"])
def publish_incident(
    incident: Incident,
    *,
    public_title: str,
    status: IncidentStatus,
    body: str,
    author: User,
    components: Affected = (),
    next_update_due_at: datetime | None = None,
) -> IncidentUpdate:
    """Make an internal incident public, under a title for customers, with its first public update.

    What was written before stays internal, its own title too.
    """
    incident.lock_live()
    if incident.visibility == Visibility.PUBLIC:
        raise InvalidTransition(_("This incident is public already. Post an update instead."))
    save_checked(incident, visibility=Visibility.PUBLIC, public_title=check_title(incident.page, public_title))
    return post_update(
        incident,
        status=status,
        body=body,
        author=author,
        components=components,
        next_update_due_at=next_update_due_at,
    )


@service(Verb.POST_UPDATE, locks=Page, public=["title", "body"])
def backfill_incident(page: Page, *, title: str, body: str, at: datetime, author: User) -> Incident:
    """Write down an incident that was over before it got here. Nobody is notified, and no component changes."""
    incident = declare_incident(page, title=title, author=author)
    post_update(incident, status=IncidentStatus.RESOLVED, body=body, display_at=at, notify=False, author=author)
    return incident


@service(Verb.POST_UPDATE, locks=(Incident, IncidentUpdate))
def withdraw_update(update: IncidentUpdate, *, author: User) -> None:
    """Take back the newest update while its messages are held: the incident and its components are as before it.

    Refused once the hold (`settings.NOTIFY_HOLD`) is over, because people may have been notified. A maintenance that
    was moved or extended has its window of before; what started or ended it is not done again by the clock.
    """
    incident = update.incident
    incident.lock_live()
    update.lock()
    if update != incident.latest_update() or not update.published_at:
        raise InvalidTransition(_("Only the newest public update can be taken back."))
    if not is_held(update):
        raise InvalidTransition(_("It is too late to take this back: people are being notified. Post another update."))
    outbox.record_incident(outbox.Kind.INCIDENT_EDITED, incident, update)
    left = list(incident.updates.standing().newest_first().exclude(pk=update.pk))
    if (plan := getattr(incident, "plan", None)) and left:
        windows.take_back(plan, update, left[0])
    update.change(withdrawn_at=written_at())
    incident.status = left[0].status if left else STATUSES[Kind(incident.kind)][0]
    incident.next_update_due_at = left[0].next_update_due_at if left else None
    incident.impact = peak_impact(incident, left)
    if not any(row.published_at for row in left):
        incident.first_posted_at = None
    incident.save(update_fields=MOVED_BY_UPDATES)


@service(Verb.CORRECT_UPDATE, locks=(Incident, IncidentUpdate), public=["body"])
def correct_update(
    update: IncidentUpdate,
    *,
    author: User,
    body: str | None = None,
    display_at: datetime | None = None,
    reason: str = "",
    notify: bool = False,
) -> IncidentUpdate:
    """Replace a text or a time shown that was wrong. What was there stays in the history; the public reads of the edit.

    Updates keep their order. Components keep the times at which they changed. Recipients are notified only if `notify`
    asks for it.
    """
    incident = update.incident
    incident.lock_live()
    update.lock()
    if update.withdrawn_at:
        raise InvalidTransition(_("This update was taken back: nobody reads it. Post another one."))
    body = update.body if body is None else check_body(body)
    shown_at = display_at or update.display_at
    if (body, shown_at) == (update.body, update.display_at):
        return update
    if shown_at != update.display_at:
        _check_between(update, shown_at)
    if body != update.body and update.published_at:
        check_words(incident.page, besides=names_given_away(incident.page, update.body), body=body)
    update._change_reason = reason
    update.change(body=body, display_at=shown_at, edited_at=written_at())
    if update == incident.updates.published().newest_first().last() and incident.first_posted_at not in (
        None,
        shown_at,
    ):
        incident.change(first_posted_at=shown_at)
    if update.published_at:
        outbox.record_incident(outbox.Kind.UPDATE_CORRECTED, incident, update, notify=notify)
    return update


@service(Verb.DECLARE_INCIDENT, locks=Incident, public=["title", *WORDS])
def edit_incident(incident: Incident, *, author: User, **facts: Unpack[IncidentFacts]) -> Incident:
    """Change facts of an incident; those not named keep their values.

    While both titles of a public incident are the same, `title` alone changes both. What the public reads at once is
    changed by those who may post an update.
    """
    if cause := facts.get("caused_by"):
        _lock_causes(incident, cause)
    incident.lock_live()
    now = record_time()
    if later := [name for name, fact in facts.items() if isinstance(fact, datetime) and fact > now]:
        raise InvalidInput(_("This time lies in the future. Say when it was, once it has been."), field=later[0])
    if "title" in facts:
        facts["title"] = one_line(facts["title"])
        if incident.title == incident.public_title:
            facts.setdefault("public_title", facts["title"])
    is_read = incident.is_public and any(
        name in PUBLIC_FACTS and value != getattr(incident, name) for name, value in facts.items()
    )
    if is_read:
        require(author, Verb.POST_UPDATE)
    if facts.get("public_title", incident.public_title) != incident.public_title:
        if incident.visibility == Visibility.INTERNAL:
            raise InvalidInput(
                _("This incident is internal. It gets its public title when it is published."), field="public_title"
            )
        facts["public_title"] = check_title(incident.page, facts["public_title"])
    if "metadata" in facts:
        check_metadata(facts["metadata"])
    save_checked(incident, **facts)
    if is_read:  # the page must not show that something internal changed
        outbox.record_incident(outbox.Kind.INCIDENT_EDITED, incident)
    return incident


@service(Verb.POST_UPDATE, locks=(Incident, Component))
def delete_incident(incident: Incident, *, author: User, reason: str) -> dict[str, int]:
    """Take an incident off every page. It stays in the record, with who did it and why.

    Its components are again what they would be without it, now and in the past (decision 0012).
    """
    incident.lock_live()
    outbox.record_incident(outbox.Kind.INCIDENT_EDITED, incident)
    outbox.record_statuses(incident)
    along = taken_along(incident)
    incident.mark_deleted(reason)
    return along


def warning_of(update: IncidentUpdate) -> str:
    """What to say to whoever has just posted an end that leaves components down; "" when it leaves none."""
    if not update.left_down:
        return ""
    names = [f"{each} ({ComponentStatus(each.current).label})" for each in update.left_down]
    sentence = ngettext(
        "It is over, but this component is not operational: %(names)s.",
        "It is over, but these components are not operational: %(names)s.",
        len(names),
    )
    return sentence % {"names": ", ".join(names)}


def is_held(update: IncidentUpdate) -> bool:
    """Whether the messages of a public update are still held back, so that it can be taken back."""
    hold = timedelta(seconds=settings.NOTIFY_HOLD)
    return update.published_at is not None and record_time() < update.published_at + hold


def check_seen(seen: str | None, latest: IncidentUpdate | None) -> None:
    """Raises when `latest` is not the update that an author had read, by its public id; None asks for nothing."""
    if seen is None or seen == (latest.public_id if latest else ""):
        return
    if latest is None:
        raise InvalidTransition(_("The update that you had read was taken back. Look again, then post yours."))
    raise Conflict(
        _("Someone posted while you typed: %(who)s wrote “%(body)s”. Read it, then post yours if it still holds.")
        % {"who": latest.author, "body": latest.body},
        theirs=latest,
    )


def check_display_at(shown_at: datetime, now: datetime, latest: IncidentUpdate | None) -> None:
    if shown_at > max(now, latest.display_at if latest else now):
        raise InvalidInput(_("The time shown lies in the future. Leave it empty to post now."), field="display_at")
    if latest and shown_at < latest.display_at:
        raise InvalidInput(
            _("The time shown lies before the newest update (%(time)s). Updates are posted in order.")
            % {"time": f"{latest.display_at.astimezone(latest.incident.page.zone):%Y-%m-%d %H:%M %Z}"},
            field="display_at",
        )


def _check_between(update: IncidentUpdate, shown_at: datetime) -> None:
    """Raises when an update that shows `shown_at` would not stand between those before and after it."""
    neighbours = [None, *update.incident.updates.standing().newest_first(), None]
    place = neighbours.index(update)
    check_display_at(shown_at, record_time(), neighbours[place + 1])
    if (after := neighbours[place - 1]) and shown_at > after.display_at:
        raise InvalidInput(
            _("The time shown lies after the next update (%(time)s). Updates keep their order.")
            % {"time": f"{after.display_at.astimezone(update.incident.page.zone):%Y-%m-%d %H:%M %Z}"},
            field="display_at",
        )


def _lock_causes(incident: Incident, cause: Incident) -> None:
    """Lock an incident and all that would cause it, in the order of their keys; raises if it would be its own cause."""
    held = {incident.pk, *_chain(cause.pk)}
    list(Incident.objects.filter(pk__in=held).locked())
    cause.lock_live()
    chain = _chain(cause.pk)  # read anew under the locks
    if incident.pk in chain:
        raise InvalidInput(_("An incident cannot be its own cause."), field="caused_by")
    if not held.issuperset(chain):
        raise InvalidTransition(_("Somebody else has just changed what caused what. Look again, then choose."))


def _chain(key: int | None) -> set[int]:
    """The keys of an incident, of its cause, of that one's cause, and so on."""
    chain = set[int]()
    while key is not None and key not in chain:
        chain.add(key)
        key = Incident.objects.values_list("caused_by", flat=True).get(pk=key)
    return chain
