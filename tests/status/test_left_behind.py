"""Whoever follows only what is gone is notified of that, once."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from incidents.authorship import authored_by
from incidents.incidents import declare_incident, post_update
from incidents.lifecycle import IncidentStatus, Visibility
from incidents.models import Component, Page, User
from status.delivery.channels import CHANNELS
from status.models import Delivery, Subscriber
from status.subscriptions.choices import Choices, choose
from status.subscriptions.left_behind import tell_left_behind, would_leave_behind
from status.subscriptions.subscribers import add_by_staff, unfollow

MakeComponent = Callable[..., Component]


@pytest.fixture
def gone(make_component: MakeComponent) -> Component:
    return make_component("API")


@pytest.fixture
def follower(page: Page, gone: Component, admin: User) -> Subscriber:
    return add_by_staff(
        page, address="kim@example.com", choices=Choices(everything=False, components=[gone]), author=admin
    )


def hide(component: Component, admin: User, visibility: Visibility = Visibility.INTERNAL) -> None:
    with authored_by(admin):
        component.change(visibility=visibility)


def messages(subscriber: Subscriber) -> int:
    tell_left_behind()
    return Delivery.objects.filter(recipient=subscriber, purpose=Delivery.Purpose.LEFT_BEHIND, state="due").count()


def test_who_follows_only_what_was_deleted_is_notified_once(follower: Subscriber, gone: Component, admin: User) -> None:
    assert (would_leave_behind(gone), messages(follower)) == (1, 0)
    with authored_by(admin):
        gone.mark_deleted()
    assert [messages(follower), messages(follower)] == [1, 1]
    mail = CHANNELS["email"].writes[Delivery.Purpose.LEFT_BEHIND](follower)
    assert "It is no longer there:\nAPI" in mail.content.text
    assert f"{follower.page.url}/subscriptions/" in mail.content.text


def test_what_was_hidden_and_comes_back_is_followed_again(follower: Subscriber, gone: Component, admin: User) -> None:
    hide(gone, admin)
    assert messages(follower) == 1
    hide(gone, admin, Visibility.PUBLIC)
    assert messages(follower) == 0  # it was not sent yet, and is not true any more
    hide(gone, admin)
    assert messages(follower) == 1


def test_who_follows_something_else_or_everything_is_not_notified(
    page: Page, follower: Subscriber, gone: Component, make_component: MakeComponent, admin: User
) -> None:
    other = make_component("Search")
    everything = add_by_staff(page, address="all@example.com", author=admin)
    choose(follower, Choices(everything=False, components=[gone, other]), author=admin)
    assert would_leave_behind(gone) == 0
    hide(gone, admin)
    assert messages(follower) == messages(everything) == 0
    hide(other, admin)
    assert messages(follower) == 1
    choose(follower, Choices(), author=admin)
    assert messages(follower) == 0


def test_who_follows_an_open_incident_too_may_leave_it_after_the_component_is_gone(
    page: Page, follower: Subscriber, gone: Component, admin: User, author: User
) -> None:
    incident = declare_incident(page, title="Errors", author=author)
    post_update(incident, status=IncidentStatus.INVESTIGATING, body="We look.", author=author)
    choose(follower, Choices(everything=False, components=[gone], incidents=[incident]), author=admin)
    hide(gone, admin)
    assert messages(follower) == 0
    unfollow(follower, incident, author=admin)
    assert messages(follower) == 1
