"""Components and their groups."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db import transaction
from django.http import Http404
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer

from incidents import catalogue
from incidents.errors import InvalidInput
from incidents.lifecycle import ComponentStatus
from incidents.models import Component, ComponentGroup
from incidents.models.component import ComponentQuerySet
from incidents.permissions import Scope
from portal.api.serializers.base import Slice
from portal.api.serializers.components import (
    ComponentAnswer,
    ComponentRequest,
    GroupAnswer,
    GroupRequest,
    NewComponentRequest,
    NewGroupRequest,
)
from portal.api.views.base import REFUSALS, WRITE_REFUSALS, One, PageView, documented
from status import projection

MOST = 1_100  # components of a page, in Statuspage


class ComponentView(PageView):
    writes = Scope.COMPONENTS

    def shown(self, public_id: str) -> Any:
        """A component as the page shows it, which may list it from another page."""
        found = projection.components(self.page, [public_id])
        if not found:
            raise Http404
        return ComponentAnswer(found[0]).data

    def group(self, public_id: str) -> ComponentGroup:
        found = self.page.groups.filter(deleted_at=None, public_id=public_id).first()
        if found is None:
            raise InvalidInput(
                _("This page has no group “%(id)s”. Ask for its component groups to see their ids.")
                % {"id": public_id[:40]},
                field="group_id",
            )
        return found

    def facts(self, given: dict[str, Any]) -> Any:
        """What was sent, but for the status, as `ComponentFacts`."""
        facts = {name: value for name, value in given.items() if name not in ("status", "group_id")}
        if "group_id" in given:
            facts["group"] = self.group(given["group_id"]) if given["group_id"] else None
        if "description" in facts:
            facts["description"] = facts["description"] or ""
        return facts

    def set_status(self, component: Component, given: dict[str, Any]) -> None:
        if given.get("status"):
            catalogue.set_component_status(component, status=ComponentStatus(given["status"]), author=self.author)


def at_home(component: Component, page: int) -> None:
    if component.page_id != page:
        raise InvalidInput(_("This component is at home on another page: only its status can be set from here."))


class Components(ComponentView):
    @extend_schema(
        summary="List components",
        tags=["components"],
        parameters=[Slice],
        responses={200: ComponentAnswer(many=True)} | REFUSALS,
    )
    def get(self, request: Request, page_id: str) -> Response:
        rows = self.slice(projection.components(self.page), most=MOST)
        return Response(ComponentAnswer(rows, many=True).data)

    @extend_schema(
        summary="Add a component",
        tags=["components"],
        request=NewComponentRequest,
        responses={201: ComponentAnswer} | WRITE_REFUSALS,
    )
    @transaction.atomic
    def post(self, request: Request, page_id: str) -> Response:
        given = self.read(NewComponentRequest)["component"]
        component = catalogue.create_component(self.page, author=self.author, **self.facts(given))
        self.set_status(component, given)
        return Response(self.shown(component.public_id), status.HTTP_201_CREATED)


@documented(
    read="Read a component",
    change="Change a component, or set its status",
    description="A status without an incident: nobody is mailed, the page and its webhooks show it.",
    tags=["components"],
    request=ComponentRequest,
    answer=ComponentAnswer,
)
class OneComponent(ComponentView, One):
    def target(self) -> Component:
        rows = Component.objects.public().on(self.page)
        return get_object_or_404(rows, public_id=self.kwargs["component_id"])

    def parents(self, row: Component) -> list[ComponentGroup]:
        given = {} if self.request.method == "DELETE" else self.read(ComponentRequest)["component"]
        return [self.group(given["group_id"])] if given.get("group_id") else []

    def show(self) -> Any:
        return self.shown(self.kwargs["component_id"])

    @transaction.atomic
    def patch(self, request: Request, **kwargs: Any) -> Response:
        component, given = self.target(), self.read(ComponentRequest)["component"]
        facts = self.facts(given)
        if any(getattr(component, name) != value for name, value in facts.items()):  # many send all that they read
            at_home(component, self.page.pk)
            catalogue.edit_component(component, author=self.author, **facts)
        self.set_status(component, given)
        return Response(self.show())

    @extend_schema(
        summary="Take a component off the page",
        description="It stays in the record.",
        tags=["components"],
        responses={204: None} | WRITE_REFUSALS,
    )
    def delete(self, request: Request, **kwargs: Any) -> Response:
        component = self.target()
        at_home(component, self.page.pk)
        catalogue.delete_component(component, author=self.author)
        return Response(status=status.HTTP_204_NO_CONTENT)


class Groups(ComponentView):
    @extend_schema(
        summary="List component groups",
        tags=["component groups"],
        parameters=[Slice],
        responses={200: GroupAnswer(many=True)} | REFUSALS,
    )
    def get(self, request: Request, page_id: str) -> Response:
        rows = self.slice(projection.groups(self.page))
        return Response(GroupAnswer(rows, many=True).data)

    @extend_schema(
        summary="Add a component group",
        tags=["component groups"],
        request=NewGroupRequest,
        responses={201: GroupAnswer} | WRITE_REFUSALS,
    )
    def post(self, request: Request, page_id: str) -> Response:
        group = catalogue.create_group(self.page, author=self.author, **group_facts(self, NewGroupRequest))
        return Response(show_group(self, group.public_id), status.HTTP_201_CREATED)


@documented(
    read="Read a component group",
    change="Change a component group",
    tags=["component groups"],
    request=GroupRequest,
    answer=GroupAnswer,
)
class OneGroup(ComponentView, One):
    def target(self) -> ComponentGroup:
        return get_object_or_404(self.page.groups.filter(deleted_at=None), public_id=self.kwargs["group_id"])

    def show(self) -> Any:
        return show_group(self, self.kwargs["group_id"])

    def patch(self, request: Request, **kwargs: Any) -> Response:
        catalogue.edit_group(self.target(), author=self.author, **group_facts(self, GroupRequest))
        return Response(self.show())

    @extend_schema(
        summary="Remove a component group",
        description="Its components stay, without a group.",
        tags=["component groups"],
        responses={200: GroupAnswer} | WRITE_REFUSALS,
    )
    def delete(self, request: Request, **kwargs: Any) -> Response:
        group, shown = self.target(), self.show()
        catalogue.delete_group(group, author=self.author)
        return Response(shown)


def show_group(view: PageView, public_id: str) -> Any:
    shown = projection.group(view.page, public_id)
    if shown is None:
        raise Http404
    return GroupAnswer(shown).data


def group_facts(view: PageView, form: type[Serializer[Any]]) -> Any:
    """What was sent, as `GroupFacts`."""
    sent = view.read(form)
    facts = {**sent["component_group"]}
    for place in (sent, facts):
        if "description" in place:
            facts["description"] = place["description"] or ""
    if "components" in facts:
        facts["components"] = named(Component.objects.public().filter(page=view.page), facts["components"])
    return facts


def named(components: ComponentQuerySet, public_ids: Iterable[str]) -> list[Component]:
    """Those of `components` that a request names, each once; refuses an id that is none of theirs."""
    wanted = list(dict.fromkeys(public_ids))
    # PostgreSQL refuses to look for a NUL
    rows = {row.public_id: row for row in components.filter(public_id__in=filter(str.isalnum, wanted))}
    if unknown := [public_id for public_id in wanted if public_id not in rows]:
        raise InvalidInput(
            _("This page has no component “%(id)s”. Ask for its components to see their ids.")
            % {"id": unknown[0][:40]},
            field="components",
        )
    return [rows[public_id] for public_id in wanted]
