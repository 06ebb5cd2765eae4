"""A page with some of everything, and what can be asked of it over the API."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.utils import timezone

from incidents import catalogue, metrics, templates, timeline
from incidents.incidents import correct_update, declare_incident, post_update
from incidents.lifecycle import ComponentStatus, IncidentStatus
from incidents.maintenance.plans import schedule_maintenance
from incidents.models import (
    ActionItem,
    Component,
    Incident,
    IncidentUpdate,
    Page,
    User,
)
from incidents.postmortems import action_items
from portal.api.urls import BELOW_A_PAGE
from portal.api.views.elsewhere import NotHere
from portal.api.views.pages import OnePage
from status.models import Delivery, Subscriber
from status.subscriptions import subscribers
from status.subscriptions.choices import Choices
from tests.reports import publish_report

METHODS = ("get", "post", "patch", "put", "delete")


def template_of(address: str, templates: Iterable[str]) -> str:
    """The path of the schema that an address stands for, the plainest if there are several."""
    found = [each for each in templates if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", each), address)]
    return min(found, key=lambda each: each.count("{"))


class World:
    """A page with some of everything; its first incident, component, group and metric have all that such can have."""

    def __init__(self, page: Page, author: User) -> None:
        self.page, self.author = page, author
        self.component = self.components([0])[0]
        self.group = catalogue.create_group(page, name="Core", components=[self.component], author=author)
        self.incident = declare_incident(page, title="Errors", author=author)
        self.update = self.say(self.incident, [self.component])
        self.say(self.incident, [self.component], IncidentStatus.RESOLVED)
        self.report = publish_report(self.incident, body="## Summary\n\nA disk.", author=author)
        self.item: ActionItem = action_items.add_action_item(self.report, text="Watch it", author=author)
        self.recipient = self.subscriber(0)
        self.metric = metrics.create_metric(page, name="Latency", author=author)

    def components(self, numbers: Iterable[int]) -> list[Component]:
        names = [f"Component {number}" for number in numbers]
        return [catalogue.create_component(self.page, name=name, author=self.author) for name in names]

    def say(
        self,
        incident: Incident,
        components: list[Component],
        status: IncidentStatus = IncidentStatus.IDENTIFIED,
    ) -> IncidentUpdate:
        affected = [(component, ComponentStatus.PARTIAL_OUTAGE) for component in components]
        return post_update(incident, status=status, body="A disk.", components=affected, author=self.author)

    def subscriber(self, number: int) -> Subscriber:
        choices = Choices(everything=False, components=[self.component], incidents=[self.incident])
        address = f"reader{number}@example.com"
        return subscribers.add_by_staff(self.page, address=address, choices=choices, author=self.author)

    def grow(self, numbers: range) -> None:
        page, author = self.page, self.author
        components = self.components(numbers)
        catalogue.edit_group(self.group, components=[*self.group.components.all(), *components], author=author)
        self.say(self.incident, components)
        self.say(self.incident, [self.component], IncidentStatus.RESOLVED)
        event = self.update.events.earliest("id")
        for number, component in zip(numbers, components, strict=True):
            catalogue.create_group(page, name=f"Group {number}", author=author)
            catalogue.create_page(name=f"Page {number}", url=f"https://status{number}.acme.example", author=author)
            catalogue.set_component_status(self.component, status=list(ComponentStatus)[number % 2], author=author)
            templates.create_template(
                page=page,
                name=f"Template {number}",
                title="t",
                body="b",
                components=[component, self.component],
                author=author,
            )
            correct_update(self.update, body=f"A disk, {number}.", author=author)
            self.say(declare_incident(page, title=f"Errors {number}", author=author), [component])
            self.plan(component, is_running=number % 2 == 0)
            timeline.note(self.incident, text=f"Seen {number}", occurred_at=timezone.now(), author=author)
            action_items.add_action_item(self.report, text=f"Do {number}", author=author)
            metrics.create_metric(page, name=f"Metric {number}", author=author)
            recipient = self.subscriber(2 * number)
            Delivery.objects.create(recipient=recipient, event=event, due_at=timezone.now())
            subscribers.unsubscribe(self.subscriber(2 * number + 1), author=author)
        points = {timezone.now() - timedelta(minutes=number): 1.0 for number in numbers}
        metrics.add_points({self.metric: points}, author=author)

    def plan(self, component: Component, *, is_running: bool) -> None:
        start = timezone.now() + timedelta(days=1)
        until = start + timedelta(hours=1)
        planned = schedule_maintenance(
            self.page,
            title="Disks",
            body="New.",
            scheduled_for=start,
            scheduled_until=until,
            components=[component],
            author=self.author,
        )
        if is_running:
            post_update(planned, status=IncidentStatus.IN_PROGRESS, body="It begins.", author=self.author)

    def operations(self) -> dict[str, list[str]]:
        """By path what can be done there, from the URLs themselves, so that nothing new is forgotten."""
        ids = {
            "component_id": self.component,
            "group_id": self.group,
            "incident_id": self.incident,
            "update_id": self.update,
            "subscriber_id": self.recipient,
            "metric_id": self.metric,
            "provider_id": self.page,
            "item_id": self.item,
        }
        found = {}
        views: dict[str, Any] = {str(each.pattern): each.callback for each in BELOW_A_PAGE}
        routes = {"": OnePage} | {route: view.cls for route, view in views.items()}
        for route, view in routes.items():
            if not issubclass(view, NotHere):
                path = route
                for name, row in ids.items():
                    path = path.replace(f"<slug:{name}>", row.public_id)
                found[path] = [each for each in METHODS if each in view.http_method_names and hasattr(view, each)]
        return found
