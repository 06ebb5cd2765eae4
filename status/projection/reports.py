"""A postmortem's rows as what the public may see of them; for `projection`, which has read them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from status.rendering import snapshot

if TYPE_CHECKING:
    from incidents.models import ActionItem, Postmortem


def published(row: Postmortem | None, about: tuple[snapshot.Covered, ...]) -> snapshot.Postmortem | None:
    """Its newest revision, as it was published; needs `revisions` and `action_items` read."""
    revisions = sorted(row.revisions.all(), key=lambda each: each.number) if row and not row.withdrawn_at else []
    if not row or not revisions:
        return None
    first, newest = revisions[0], revisions[-1]
    items = {item.public_id: item for item in row.action_items.all()}
    return snapshot.Postmortem(
        id=row.public_id,
        title=newest.content["title"],
        time_zone=newest.content["time_zone"],
        about=about,
        sections=tuple(
            snapshot.Section(each["key"], each["heading"], each["text"]) for each in newest.content["sections"]
        ),
        commitments=tuple(
            _commitment(each["id"], each["text"], items.get(each["id"])) for each in newest.content["commitments"]
        ),
        amendments=tuple(snapshot.Amendment(each.published_at, each.what_changed) for each in revisions[1:]),
        display_at=first.display_at,
        published_at=first.published_at,
        created_at=row.created_at,
        updated_at=newest.published_at,
        deliver_notifications=newest.deliver_notifications,
    )


def withdrawn(row: Postmortem | None, about: tuple[snapshot.Covered, ...]) -> snapshot.Withdrawal | None:
    """That a report was published and is not any more."""
    if row is None or row.withdrawn_at is None or not (revisions := list(row.revisions.all())):
        return None
    newest = max(revisions, key=lambda each: each.number)
    return snapshot.Withdrawal(row.public_id, newest.content["title"], about, row.withdrawn_at)


def _commitment(public_id: str, text: str, item: ActionItem | None) -> snapshot.Commitment:
    state = {"in_progress": "open"}.get(item.state, item.state) if item else "open"
    return snapshot.Commitment(
        public_id, text, state, item.done_on if item else None, item.verified_on if item else None
    )
