"""Staff are reminded of what they must not forget, each thing once: found by queries, owed like any other message."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils.translation import gettext as _

from incidents import people
from incidents.duties import FORGOTTEN, Duty, Key, Responsible, Within, due_at, duties
from incidents.isolation import each, loop
from incidents.models import IncidentRole, Page, User
from incidents.record_time import record_time
from status.delivery import places, staff_channels
from status.models import Delivery, Nudge, Recipient, StaffChannel

AT_ONCE = 500  # of one duty, in a tick
TESTED = timedelta(minutes=10)  # for so long a test is tried
PLACES = {Within.INCIDENT: places.INCIDENT, Within.POSTMORTEM: places.POSTMORTEM}

Role = IncidentRole.Role
# Who stands in for whom, in this order
IN_PLACE = {Responsible.COMMS_LEAD: (Role.COMMS_LEAD, Role.COMMANDER), Responsible.COMMANDER: (Role.COMMANDER,)}


@loop("nudge")
def nudge() -> int:
    """Note what is due, and owe it to whom it is for; for the clock. Returns how many nudges were made.

    A fixed number of statements for each duty, however much is due. Two clocks at once make each nudge once, for the
    rows are unique.
    """
    now = record_time()
    due = [(duty, row) for duty in duties() for row in _due(duty, now)]
    return each("nudge", due, lambda one: _make_all([one]), key=_name, at_once=_make_all)


def _name(due: tuple[Duty, dict[str, Any]]) -> str:
    duty, row = due
    return f"{duty.key} {row['public_id']}"


def _make_all(due: Sequence[tuple[Duty, dict[str, Any]]]) -> int:
    """Those of each duty together."""
    rows: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for duty, row in due:
        rows[duty.key].append(row)
    return sum(_make(duty, rows[key]) for key, duty in {duty.key: duty for duty, _row in due}.items())


def sentence(nudge: Nudge) -> str:
    """What it says, in one sentence."""
    words = dict(Key.choices).get(nudge.key, "%(title)s")
    return str(words) % {"title": nudge.title}


def nudge_of(delivery_pk: int) -> Nudge:
    return Nudge.objects.select_related("page").get(deliveries=delivery_pk)


def is_still_true(nudge: Nudge) -> bool:
    """Whether what a nudge says is still true; if not, it is pointless."""
    if nudge.key == Nudge.TEST:
        return record_time() < nudge.due_at + TESTED
    for duty in duties():
        if duty.key == nudge.key:
            bases = duty.rows.filter(public_id=nudge.subject).values_list("base_at", flat=True)
            if any(due_at(duty, base_at) == nudge.due_at for base_at in bases):
                return True
    return False


def _due(duty: Duty, now: datetime) -> list[dict[str, Any]]:
    made = Nudge.objects.filter(key=duty.key, subject=OuterRef("public_id"), due_at__gte=OuterRef("base_at"))
    rows = duty.rows.filter(~Exists(made), base_at__lte=now - duty.after, base_at__gt=now - duty.after - FORGOTTEN)
    wanted = ("pk", "public_id", "title", "on_page", "person", "within", "base_at")
    return list(rows.order_by("base_at", "pk").values(*wanted)[:AT_ONCE])


@transaction.atomic
def _make(duty: Duty, rows: Sequence[dict[str, Any]]) -> int:
    now = record_time()
    recipients = _recipients(duty, rows)
    notes = {row["pk"]: _why_not(duty, row, recipients[row["pk"]], now) for row in rows}
    found = [
        Nudge(
            page_id=row["on_page"],
            key=duty.key,
            subject=row["public_id"],
            title=row["title"][:500],
            path=PLACES[duty.within].format(row["within"]),
            due_at=due_at(duty, row["base_at"]),
            created_at=now,
            note=notes[row["pk"]],
            owed=0 if notes[row["pk"]] else len(recipients[row["pk"]]),
        )
        for row in rows
    ]
    Nudge.objects.bulk_create(found, ignore_conflicts=True)
    key_of = {row["public_id"]: row["pk"] for row in rows}
    made = Nudge.objects.filter(key=duty.key, subject__in=key_of, created_at=now)
    owed = [
        Delivery(
            recipient_id=recipient, nudge=nudge, purpose=Delivery.Purpose.NUDGE, priority=Delivery.Priority.STAFF,
            due_at=now, created_at=now,
        )
        for nudge in made
        if not nudge.note
        for recipient in recipients[key_of[nudge.subject]]
    ]  # fmt: skip
    Delivery.objects.bulk_create(owed, ignore_conflicts=True)
    return len(made)


def _why_not(duty: Duty, row: dict[str, Any], recipients: Sequence[int], now: datetime) -> str:
    """Why nobody is nudged; "" when somebody is."""
    if duty.pointless is not None and row["base_at"] + duty.pointless <= now:
        return _("The clock was late, and it was not ahead any more.")
    return "" if recipients else _("There was nobody to notify: add a staff channel to the page.")


def _recipients(duty: Duty, rows: Sequence[dict[str, Any]]) -> dict[int, list[int]]:
    """The keys of the recipients for each row, by its key."""
    persons = _persons(duty, rows)
    users = User.objects.filter(is_active=True, is_service=False).exclude(email="").in_bulk(set(persons.values()))
    mailboxes, shared = _addresses({row["on_page"] for row in rows})
    found: dict[int, list[int]] = {}
    for row in rows:
        user = users.get(persons.get(row["pk"], 0))
        if user is None:
            found[row["pk"]] = shared[row["on_page"]]
            continue
        key = row["on_page"], user.pk
        mailbox = mailboxes.get(key)
        if mailbox is None or mailbox.address != user.email:  # once for each member of staff
            mailbox = staff_channels.mailbox_for(user, Page.objects.get(pk=row["on_page"]), author=people.clock_user())
            mailboxes[key] = mailbox
        # What cannot reach them goes to whoever is on call.
        found[row["pk"]] = [mailbox.pk] if mailbox.state == Recipient.State.ACTIVE else shared[row["on_page"]]
    return found


def _persons(duty: Duty, rows: Sequence[dict[str, Any]]) -> dict[int, int]:
    """The user for each row that is somebody's, by its key."""
    if duty.to is Responsible.PERSON:
        return {row["pk"]: row["person"] for row in rows if row["person"]}
    roles = IN_PLACE.get(duty.to, ())
    holders: dict[int, dict[str, int]] = defaultdict(dict)
    if roles:
        active = IncidentRole.objects.active().filter(incident__in=[row["pk"] for row in rows], role__in=roles)
        for incident, role, user in active.values_list("incident", "role", "user"):
            holders[incident][role] = user
    found = {key: next((have[role] for role in roles if role in have), None) for key, have in holders.items()}
    return {key: user for key, user in found.items() if user is not None}


def _addresses(pages: Iterable[int]) -> tuple[dict[tuple[int, int], Recipient], dict[int, list[int]]]:
    """The mailboxes of people, by page and user, and what is for whoever is on call, by page."""
    mailboxes: dict[tuple[int, int], Recipient] = {}
    shared: dict[int, list[int]] = defaultdict(list)
    for recipient in StaffChannel.objects.filter(page__in=pages):
        if recipient.user_id:
            mailboxes[recipient.page_id, recipient.user_id] = recipient
        elif recipient.state == Recipient.State.ACTIVE:
            shared[recipient.page_id].append(recipient.pk)
    return mailboxes, shared
