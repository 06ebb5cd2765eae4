"""Staff who do one thing after the other by chance."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import time_machine
from django.db import transaction

from incidents import catalogue
from incidents.errors import DomainError
from incidents.incidents import (
    correct_update,
    declare_incident,
    delete_incident,
    edit_incident,
    post_update,
    publish_incident,
    withdraw_update,
)
from incidents.lifecycle import STATUSES, ComponentStatus, Impact, Kind, Severity, Visibility
from incidents.maintenance import clockwork
from incidents.maintenance.plans import (
    cancel_maintenance,
    extend_maintenance,
    move_maintenance,
    plan_maintenance,
    schedule_maintenance,
)
from incidents.maintenance.series import cancel_following, move_following, repeat_maintenance
from incidents.models import Component, ComponentGroup, ComponentListing, Incident, IncidentUpdate, Page, User
from incidents.models.base import Tracked
from incidents.restoration import RESTORES
from tests.reports import publish_report

T = TypeVar("T", bound=Tracked)
HOUR = timedelta(hours=1)


class Staff:
    """Does one thing after the other with rows taken by chance, on pages that share components."""

    def __init__(self, seed: int, pages: list[Page], author: User, clock: time_machine.Traveller) -> None:
        self.chance, self.pages, self.author, self.clock = random.Random(seed), pages, author, clock
        for home, other in (pages, pages[::-1]):
            for number in range(2):
                component = catalogue.create_component(home, name=f"Component {number}", author=author)
            catalogue.list_component(component, page=other, author=author)

    def any(self, model: type[T], **facts: Any) -> T:
        """A live row; IndexError when there is none."""
        return self.chance.choice(list(model._base_manager.filter(deleted_at=None, **facts).order_by("pk")))

    def page(self) -> Page:
        return self.chance.choice(self.pages)

    def cause(self) -> Incident | None:
        causes: list[Incident | None] = [None, *Incident.objects.live().order_by("pk")]
        return self.chance.choice(causes)

    def earlier(self) -> datetime | None:
        return self.chance.choice([None, datetime.now(UTC) - self.chance.randint(0, 60 * 24) * HOUR])

    def words(self) -> str:
        return f"Words {self.chance.random()}"

    def update(self, incident: Incident) -> dict[str, Any]:
        here = list(Component.objects.live().on(incident.page).order_by("pk"))
        named = self.chance.sample(here, min(len(here), self.chance.randint(0, 2)))
        return {
            "status": self.chance.choice(STATUSES[Kind(incident.kind)]),
            "body": self.words(),
            "author": self.author,
            "components": [(component, self.chance.choice([None, *ComponentStatus])) for component in named],
        }

    def declare(self) -> None:
        declare_incident(
            self.page(),
            title=self.words(),
            author=self.author,
            visibility=self.chance.choice(list(Visibility)),
            caused_by=self.cause(),
            impact_override=self.chance.choice([None, *Impact]),
        )

    def post(self) -> None:
        incident = self.any(Incident)
        post_update(incident, display_at=self.earlier(), **self.update(incident))

    def publish(self) -> None:
        incident = self.any(Incident, visibility=Visibility.INTERNAL)
        publish_incident(incident, public_title=incident.title, **self.update(incident))

    def correct(self) -> None:
        update = self.any(IncidentUpdate)
        correct_update(
            update, body=self.words(), display_at=self.chance.choice([None, self.earlier()]), author=self.author
        )

    def edit(self) -> None:
        facts: dict[str, Any] = {
            "title": self.words(),
            "caused_by": self.cause(),
            "severity": Severity.SEV1,
            "impact_override": self.chance.choice([None, *Impact]),
            "impact_began_at": self.earlier(),
        }
        name = self.chance.choice(list(facts))
        edit_incident(self.any(Incident), author=self.author, **{name: facts[name]})

    def delete_incident(self) -> None:
        delete_incident(self.any(Incident), author=self.author, reason=self.words())

    def conclude(self) -> None:
        publish_report(self.any(Incident), body=self.words(), author=self.author)

    def plan(self) -> None:
        page, start = self.page(), datetime.now(UTC) + self.chance.randint(-5, 50) * HOUR
        here = tuple(Component.objects.live().on(page).order_by("pk")[:1])
        window: dict[str, Any] = {"scheduled_for": start, "scheduled_until": start + HOUR}
        by_itself: dict[str, Any] = {
            name: self.chance.choice([True, False])
            for name in ("starts_by_itself", "ends_by_itself", "shows_components")
        }
        made = schedule_maintenance(
            page,
            title=self.words(),
            body=self.words(),
            components=here,
            author=self.author,
            **window,
            **by_itself,
        )
        if self.chance.random() < 0.3:
            repeat_maintenance(made, rule="FREQ=DAILY", author=self.author)

    def planned(self) -> Incident:
        return self.any(Incident, kind=Kind.MAINTENANCE)

    def move(self) -> None:
        start = datetime.now(UTC) + self.chance.randint(0, 50) * HOUR
        window: dict[str, Any] = {"scheduled_for": start, "scheduled_until": start + HOUR}
        verb = self.chance.choice([move_maintenance, move_following])
        verb(self.planned(), body=self.words(), author=self.author, **window)

    def call_off(self) -> None:
        verb = self.chance.choice([cancel_maintenance, cancel_following])
        verb(self.planned(), body=self.words(), author=self.author)

    def extend(self) -> None:
        until = datetime.now(UTC) + self.chance.randint(1, 9) * HOUR
        extend_maintenance(self.planned(), expected_until=until, body=self.words(), author=self.author)

    def automate(self) -> None:
        plan_maintenance(self.planned(), shows_components=self.chance.random() < 0.5, author=self.author)

    def take_back(self) -> None:
        withdraw_update(self.any(IncidentUpdate), author=self.author)

    def tick(self) -> None:
        clockwork.advance()

    def set_status(self) -> None:
        status = self.chance.choice(list(ComponentStatus))
        catalogue.set_component_status(
            self.any(Component), status=status, author=self.author, effective_at=self.earlier()
        )

    def save(self) -> None:
        component = self.any(Component)
        facts = {
            "name": self.words(),
            "page": self.page(),
            "visibility": self.chance.choice(list(Visibility)),
            "position": self.chance.randint(1, 9),
            "group": self.chance.choice([None, *ComponentGroup.objects.filter(deleted_at=None).order_by("pk")]),
            "showcase": not component.showcase,
        }
        name = self.chance.choice(list(facts))
        chosen: Any = {name: facts[name]}
        catalogue.edit_component(component, author=self.author, **chosen)

    def add(self) -> None:
        page, author, position = self.page(), self.author, self.chance.randint(1, 9)
        match self.chance.randint(1, 3):
            case 1:
                catalogue.list_component(self.any(Component), page=page, position=position, author=author)
            case 2:
                catalogue.create_component(page, name=self.words(), position=1, author=author)
            case 3:
                catalogue.create_group(page, name=self.words(), position=1, author=author)

    def delete(self) -> None:
        deletions: list[tuple[type[Any], Callable[..., object]]] = [
            (Page, catalogue.delete_page),
            (Component, catalogue.delete_component),
            (ComponentListing, catalogue.delete_listing),
            (ComponentGroup, catalogue.delete_group),
        ]
        model, delete = self.chance.choice(deletions)
        delete(self.any(model), author=self.author)

    def restore(self) -> None:
        """One of the rows that are deleted."""
        deleted: list[Tracked] = [
            row
            for model in (Page, Component, ComponentListing, ComponentGroup, Incident)
            for row in model._base_manager.exclude(deleted_at=None).order_by("pk")
        ]
        row = self.chance.choice(deleted)
        RESTORES[type(row)](row, author=self.author)

    def move_clocks(self) -> None:
        page = self.page()
        page.refresh_from_db()
        catalogue.edit_page(
            page,
            time_zone=self.chance.choice(["Europe/Rome", "Etc/UTC", "Pacific/Auckland", "America/New_York"]),
            author=self.author,
        )

    def wait(self) -> None:
        self.clock.shift(self.chance.choice([1, 5, 24, 20 * 24]) * HOUR)

    def act(self) -> str:
        """Do something; what staff are refused leaves no trace."""
        verbs: list[Callable[[], None]] = [
            *[self.declare] * 3, *[self.post] * 8, self.publish, self.correct, *[self.edit] * 2, self.delete_incident,
            self.conclude, *[self.plan] * 3, self.move, self.call_off, self.extend, self.automate, self.take_back,
            *[self.tick] * 4, *[self.set_status] * 3, *[self.save] * 3, *[self.add] * 2, self.delete,
            *[self.restore] * 3, self.move_clocks, *[self.wait] * 2,
        ]  # fmt: skip
        verb = self.chance.choice(verbs)
        try:
            with transaction.atomic():
                verb()
        except (DomainError, IndexError) as refusal:
            return f"{verb.__name__} ({refusal})"
        return verb.__name__
