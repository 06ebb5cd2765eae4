"""Subscribers who chose only what is on the page no more: notified of it once, so that nobody waits for news in vain.

What they chose is kept: should it come back, they hear of it again.
"""

from __future__ import annotations

from functools import partial

from django.db.models import Exists, F, OuterRef, Q, QuerySet

from incidents.authorship import service
from incidents.isolation import each, loop
from incidents.lifecycle import OPEN, Visibility
from incidents.models import Component, Page, User
from incidents.people import clock_user
from incidents.permissions import Verb
from incidents.record_time import record_time
from status.delivery import owing
from status.models import Delivery, Follow, Subscriber

AT_ONCE = 500


def left_behind(without: QuerySet[Component] | None = None) -> QuerySet[Subscriber]:
    """Who is subscribed, and follows components none of which shows; as it would be `without` some of them."""
    follows = Follow.objects.filter(recipient=OuterRef("pk"))
    home = Q(component__page=F("recipient__page"))
    listed = Q(
        component__listings__page=F("recipient__page"),
        component__listings__deleted_at=None,
        component__page__deleted_at=None,
    )
    shown = follows.filter(home | listed, component__visibility=Visibility.PUBLIC, component__deleted_at=None)
    if without is not None:
        shown = shown.exclude(component__in=without)
    here = Q(incident__page=F("recipient__page")) | Q(incident__page__deleted_at=None)
    going_on = follows.filter(here, incident__status__in=OPEN, incident__deleted_at=None)
    active = Subscriber.objects.active().filter(everything=False)
    return active.filter(Exists(follows.filter(component__isnull=False)), ~Exists(shown), ~Exists(going_on))


def would_leave_behind(row: Component | Page) -> int:
    """How many subscribers follow nothing else that shows: to be asked before it is deleted or hidden.

    Of a page these are subscribers of other pages, on which its components are listed.
    """
    gone = row.components.all() if isinstance(row, Page) else Component.objects.filter(pk=row.pk)
    followers = Follow.objects.filter(component__in=gone).values("recipient")
    found = left_behind(without=gone).filter(pk__in=followers, left_behind_at=None)
    return found.exclude(page=row).count() if isinstance(row, Page) else found.count()


@loop("left_behind")
def tell_left_behind() -> None:
    """For the clock, as often as it likes."""
    new = left_behind().filter(left_behind_at=None).order_by("pk")
    each("left_behind", new, partial(say_left_behind, author=clock_user()), most=AT_ONCE)
    notice_here_again()


@loop("here_again")
def notice_here_again() -> None:
    here_again = Subscriber.objects.filter(left_behind_at__isnull=False).exclude(pk__in=left_behind().values("pk"))
    each("here_again", here_again.order_by("pk"), partial(forget_left_behind, author=clock_user()), most=AT_ONCE)


@service(Verb.MANAGE_SUBSCRIBERS, locks=Subscriber)
def say_left_behind(subscriber: Subscriber, *, author: User) -> None:
    """Owe the mail that what a subscriber chose is gone, once."""
    subscriber.lock()
    if subscriber.left_behind_at is None and left_behind().filter(pk=subscriber.pk).exists():
        now = record_time()
        owing.owe_mail(subscriber, Delivery.Purpose.LEFT_BEHIND, due_at=now, left_behind_at=now)


@service(Verb.MANAGE_SUBSCRIBERS, locks=Subscriber)
def forget_left_behind(subscriber: Subscriber, *, author: User) -> None:
    """It follows something that shows again, or has chosen anew: if that goes, too, it is notified again."""
    subscriber.lock()
    if not left_behind().filter(pk=subscriber.pk).exists():
        subscriber.left_behind_at = None
        subscriber.save(update_fields=["left_behind_at", "updated_at"])
        owing.cancel_due(Q(recipient=subscriber, purpose=Delivery.Purpose.LEFT_BEHIND), "recovered")
