"""Who is owed which message: of an event in one statement, of anything else one by one; owed anew, or cancelled."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet, Value

from incidents.authorship import service
from incidents.lifecycle import IMPACT_ORDER, ComponentStatus, Impact, Kind, component_impact, worst_impact
from incidents.models import Component, ComponentStatusChange, Incident, IncidentUpdate, OutboxEvent, User
from incidents.permissions import Verb
from incidents.record_time import record_time
from status.models import Delivery, DeliveryQuerySet, Follow, Recipient, Subscriber

RESTORED = "restored"  # a reason: it was due when a backup was made, and may have been sent since
LAST_WORD = timedelta(seconds=3)  # longer than a request that takes an update back at the last moment (decision 1)


def recipients_of(event: OutboxEvent) -> QuerySet[Subscriber]:
    """The recipients of an event: whoever chose to hear of it, or has heard of the incident before.

    Whoever was notified of an incident is notified of its end, whatever they chose since.
    """
    if event.component_change:
        return _programs_following(event.component_change, event.page_id)
    incident = event.incident
    assert incident is not None, "any other fact is about an incident"
    follows = Follow.objects.filter(recipient=OuterRef("pk"))
    about = Incident.objects.filter(postmortem=incident.postmortem_id) if event.is_report else [incident]
    asked = Exists(follows.filter(incident__in=about))
    if event.kind == OutboxEvent.Kind.COMMITMENT_FULFILLED:  # for whoever asked to hear of this incident
        return Subscriber.objects.active().filter(asked, page=event.page_id)
    standing = IncidentUpdate.objects.standing().filter(incident__in=about)
    affected = Component.objects.public().filter(status_changes__update__in=standing).values("pk")
    wants = Q(everything=True) | Q(Exists(follows.filter(component__in=affected)))
    if incident.kind == Kind.REALTIME:
        impact = Impact(incident.impact_override or incident.impact)
        wants &= Q(minimum_impact__in=IMPACT_ORDER[: IMPACT_ORDER.index(impact) + 1])
    if not event.is_report:
        wants &= Q(postmortems_only=False)
    notified = Delivery.objects.filter(recipient=OuterRef("pk"), event__incident__in=about, state__in=["due", "sent"])
    return Subscriber.objects.active().filter(wants | asked | Exists(notified), page=event.page_id)


def _programs_following(change: ComponentStatusChange, page_id: int) -> QuerySet[Subscriber]:
    """Who is notified of a component without an incident: programs, and no person (Statuspage's rule)."""
    follows = Follow.objects.filter(recipient=OuterRef("pk"), component=change.component_id)
    impact = worst_impact(component_impact([ComponentStatus(each)]) for each in (change.old_status, change.status))
    return Subscriber.objects.active().filter(
        Q(everything=True) | Exists(follows),
        page=page_id,
        channel=Recipient.Channel.WEBHOOK,
        postmortems_only=False,
        minimum_impact__in=IMPACT_ORDER[: IMPACT_ORDER.index(impact) + 1],
    )


@transaction.atomic
def owe(event: OutboxEvent) -> int:
    """Write down a delivery for each recipient of `event`, once; returns how many were added.

    Earlier messages about the same incident that no worker has yet are cancelled: nobody is sent a step that is past.
    """
    event.owed_at = now = record_time()
    is_withdrawn = event.update is not None and event.update.withdrawn_at is not None
    if event.page.is_published and not is_withdrawn:
        added = _insert(recipients_of(event), event)
        is_past = event.kind != OutboxEvent.Kind.COMMITMENT_FULFILLED  # a promise kept makes nothing older
        is_held = Q(claimed_at__isnull=False, due_at__gt=now)  # by a worker, at this moment
        about = Q(event__incident=event.incident)
        if event.component_change:
            about = Q(event__component_change__component=event.component_change.component_id)
        if is_past:
            about &= Q(event__page=event.page, event__lt=event.pk)
            cancel_due(about & ~is_held, "coalesced")
    else:
        added = 0
    note_owed(event)
    return added


def note_owed(event: OutboxEvent) -> None:
    """Owe no more of `event` than is written down."""
    event.owed_at = event.owed_at or record_time()
    event.mark = event.mark_owed(event.deliveries.count())
    event.save(update_fields=["owed_at", "mark"])


def about_the_same() -> Q:
    """In a subquery: those about the incident, or the component, of the delivery outside."""
    component = "event__component_change__component"
    return Q(event__incident=OuterRef("event__incident")) | Q(**{component: OuterRef(component)})


def cancel_past(keys: Collection[int]) -> int:
    """Cancel those that failed for now while a newer message about the same was owed; returns how many.

    When that was owed they were under way, so they were not cancelled then. It would wait for them for days.
    """
    newer = Delivery.objects.due().filter(about_the_same(), recipient=OuterRef("recipient"), pk__gt=OuterRef("pk"))
    is_past = Exists(newer.exclude(event__kind=OutboxEvent.Kind.COMMITMENT_FULFILLED))
    return cancel_due(Q(is_past, pk__in=keys), "coalesced")


def cancel_withdrawn() -> int:
    """Cancel what is still owed of updates that were taken back; returns how many."""
    withdrawn = Delivery.objects.due().exclude(event__update__withdrawn_at=None).exclude(event__update=None)
    keys = list(withdrawn.values_list("pk", flat=True)[:10_000])
    return cancel_due(Q(pk__in=keys), "undone")


def owe_mail(recipient: Recipient, purpose: Delivery.Purpose, *, due_at: datetime, **facts: datetime) -> None:
    """Owe the owner of a locked recipient a mail that is about no event; it has these facts with it."""
    recipient.change(mails=recipient.mails + 1, **facts)
    Delivery.objects.create(recipient=recipient, purpose=purpose, priority=Delivery.Priority.PERSONAL, due_at=due_at)


@service(Verb.MANAGE_SUBSCRIBERS)
def retry(deliveries: DeliveryQuerySet, *, author: User) -> int:
    """Owe anew what failed, or was cancelled by staff, in quarantine or by a restore; returns how many.

    Only to those who are subscribed. What was cancelled because it is past or was taken back stays cancelled.
    """
    keys = deliveries.filter(recipient__state=Recipient.State.ACTIVE).order_by().values("pk")
    unsent = Q(state=Delivery.State.FAILED) | Q(
        state=Delivery.State.CANCELLED, reason__in=["staff", "quarantined", RESTORED]
    )
    return Delivery.objects.filter(unsent, pk__in=keys).update(
        state=Delivery.State.DUE, due_at=record_time(), claimed_at=None, finished_at=None, attempts=0, reason=""
    )


@service(Verb.MANAGE_SUBSCRIBERS)
def cancel(deliveries: DeliveryQuerySet, *, author: User) -> int:
    """Do not send what is still due; returns how many."""
    return cancel_due(Q(pk__in=deliveries.order_by().values("pk")), "staff")


def cancel_due(which: Q, reason: str) -> int:
    """Cancel those of the deliveries that are still due; returns how many."""
    return (
        Delivery.objects.due()
        .filter(which)
        .update(state=Delivery.State.CANCELLED, reason=reason, finished_at=record_time())
    )


def _insert(recipients: QuerySet[Subscriber], event: OutboxEvent) -> int:
    hold = timedelta(seconds=settings.NOTIFY_HOLD)
    due_at = event.created_at + (hold and hold + LAST_WORD)
    values = {
        "event_id": event.pk,
        "purpose": Delivery.Purpose.EVENT.value,
        "priority": (Delivery.Priority.REST if event.is_report else Delivery.Priority.INCIDENT).value,
        "state": Delivery.State.DUE.value,
        "reason": "",
        "answer": "",
        "attempts": 0,
        "due_at": due_at,
        "created_at": event.owed_at,
    }
    rows = recipients.order_by().values_list("pk", *(Value(value) for value in values.values()))
    select, parameters = rows.query.sql_with_params()
    columns = ", ".join(connection.ops.quote_name(name) for name in ("recipient_id", *values))
    table = connection.ops.quote_name(Delivery._meta.db_table)
    with connection.cursor() as cursor:
        # "ON CONFLICT" makes a second run harmless.
        cursor.execute(f"INSERT INTO {table} ({columns}) {select} ON CONFLICT DO NOTHING", parameters)
        added: int = cursor.rowcount
        return added
