"""Postmortems, for tests that are about something else: written, approved by a second person, and published."""

from __future__ import annotations

from datetime import datetime

from django.contrib.auth.models import Group

from incidents.models import Incident, Postmortem, User
from incidents.postmortems import publishing, reviewing, writing


def reader() -> User:
    """Somebody who approves what others wrote."""
    user, is_new = User.objects.get_or_create(username="hedy", defaults={"is_staff": True})
    if is_new:
        user.groups.add(Group.objects.get(name="approver"))
        user.save()  # its history has a code of its roles
    return user


def approved(incident: Incident, body: str, author: User) -> Postmortem:
    postmortem = incident.postmortem or writing.start_postmortem(incident, author=author)
    writing.write_report(postmortem, body=body, author=author)
    if postmortem.state == Postmortem.State.DRAFT:
        reviewing.submit_postmortem(postmortem, author=author)
    reviewing.approve_postmortem(postmortem, fingerprint=postmortem.fingerprint(), author=reader())
    return postmortem


def publish_report(
    incident: Incident, *, body: str, author: User, display_at: datetime | None = None, notify: bool = True
) -> Postmortem:
    postmortem = approved(incident, body, author)
    publishing.publish_postmortem(postmortem, author=author, display_at=display_at, notify=notify)
    return postmortem
