"""Components and their groups."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.http import Http404
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from incidents import catalogue
from incidents.errors import InvalidInput
from incidents.lifecycle import ComponentStatus
from incidents.models import Component, ComponentGroup
from incidents.permissions import Scope
from portal.api.serializers import components as words
from portal.api.serializers.base import Slice
from portal.api.views.base import REFUSALS, WRITE_REFUSALS, One, PageView
from status.projection import Reader, today

MOST = 1_100  # components of a page, in Statuspage


class ComponentView(PageView):
    writes = Scope.COMPONENTS

    def components(self) -> list[Any]:
        """As the page shows them: those that it lists from other pages, too."""
        return list(Reader(self.page, today(self.page)).components())

    def group(self, public_id: str) -> ComponentGroup:
        found = self.page.groups.filter(deleted_at=None, public_id=public_id).first()
        if found is None:
            raise InvalidInput(
                _("This page has no group “%(id)s”. Ask for its component groups to see their ids.")
                % {"id": public_id[:40]},
                field="group_id",
            )
        return found

    @transaction.atomic
    def save(self, component: Component, given: dict[str, Any]) -> None:
        facts = {name: value for name, value in given.items() if name not in ("status", "group_id")}
        if "group_id" in given:
            facts["group"] = self.group(given["group_id"]) if given["group_id"] else None
        if "description" in facts:
            facts["description"] = facts["description"] or ""
        changed = {name: value for name, value in facts.items() if getattr(component, name) != value}
        if changed or not component.pk:
            at_home(component, self.page.pk)
            for name, value in changed.items():
                setattr(component, name, value)
            catalogue.save(component, author=self.author)
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
        responses={200: words.ComponentAnswer(many=True)} | REFUSALS,
    )
    def get(self, request: Request, page_id: str) -> Response:
        rows = self.slice(self.components(), most=MOST)
        return Response(words.ComponentAnswer(rows, many=True).data)

    @extend_schema(
        summary="Add a component",
        tags=["components"],
        request=words.NewComponentRequest,
        responses={201: words.ComponentAnswer} | WRITE_REFUSALS,
    )
    def post(self, request: Request, page_id: str) -> Response:
        given = self.read(words.NewComponentRequest)["component"]
        last = Component.objects.live().filter(page=self.page).order_by("-position").first()
        component = Component(page=self.page, position=last.position + 1 if last else 1)
        self.save(component, given)
        shown = next(row for row in self.components() if row.id == component.public_id)
        return Response(words.ComponentAnswer(shown).data, status.HTTP_201_CREATED)


class OneComponent(ComponentView, One):
    def target(self) -> Component:
        rows = Component.objects.public().on(self.page)
        return get_object_or_404(rows, public_id=self.kwargs["component_id"])

    def show(self) -> Any:
        public_id = self.kwargs["component_id"]
        shown = next((row for row in self.components() if row.id == public_id), None)
        if shown is None:
            raise Http404
        return words.ComponentAnswer(shown).data

    @extend_schema(summary="Read a component", tags=["components"], responses={200: words.ComponentAnswer} | REFUSALS)
    def get(self, request: Request, **kwargs: Any) -> Response:
        return Response(self.show())

    @extend_schema(
        summary="Change a component, or set its status",
        description="A status without an incident: nobody is mailed, the page and its webhooks show it.",
        tags=["components"],
        request=words.ComponentRequest,
        responses={200: words.ComponentAnswer} | WRITE_REFUSALS,
    )
    def patch(self, request: Request, **kwargs: Any) -> Response:
        self.save(self.target(), self.read(words.ComponentRequest)["component"])
        return Response(self.show())

    @extend_schema(
        summary="The same as PATCH",
        tags=["components"],
        request=words.ComponentRequest,
        responses={200: words.ComponentAnswer} | WRITE_REFUSALS,
    )
    def put(self, request: Request, **kwargs: Any) -> Response:
        return super().put(request, **kwargs)

    @extend_schema(
        summary="Take a component off the page",
        description="It stays in the record.",
        tags=["components"],
        responses={204: None} | WRITE_REFUSALS,
    )
    def delete(self, request: Request, **kwargs: Any) -> Response:
        component = self.target()
        at_home(component, self.page.pk)
        catalogue.delete(component, author=self.author)
        return Response(status=status.HTTP_204_NO_CONTENT)


class Groups(ComponentView):
    @extend_schema(
        summary="List component groups",
        tags=["component groups"],
        parameters=[Slice],
        responses={200: words.GroupAnswer(many=True)} | REFUSALS,
    )
    def get(self, request: Request, page_id: str) -> Response:
        rows = self.slice(Reader(self.page, today(self.page)).groups())
        return Response(words.GroupAnswer(rows, many=True).data)

    @extend_schema(
        summary="Add a component group",
        tags=["component groups"],
        request=words.NewGroupRequest,
        responses={201: words.GroupAnswer} | WRITE_REFUSALS,
    )
    def post(self, request: Request, page_id: str) -> Response:
        last = self.page.groups.filter(deleted_at=None).order_by("-position").first()
        group = ComponentGroup(page=self.page, position=last.position + 1 if last else 1)
        save_group(self, group, self.read(words.NewGroupRequest))
        return Response(show_group(self, group.public_id), status.HTTP_201_CREATED)


class OneGroup(ComponentView, One):
    def target(self) -> ComponentGroup:
        return get_object_or_404(self.page.groups.filter(deleted_at=None), public_id=self.kwargs["group_id"])

    def show(self) -> Any:
        return show_group(self, self.kwargs["group_id"])

    @extend_schema(
        summary="Read a component group", tags=["component groups"], responses={200: words.GroupAnswer} | REFUSALS
    )
    def get(self, request: Request, **kwargs: Any) -> Response:
        return Response(self.show())

    @extend_schema(
        summary="Change a component group",
        tags=["component groups"],
        request=words.GroupRequest,
        responses={200: words.GroupAnswer} | WRITE_REFUSALS,
    )
    def patch(self, request: Request, **kwargs: Any) -> Response:
        save_group(self, self.target(), self.read(words.GroupRequest))
        return Response(self.show())

    @extend_schema(
        summary="The same as PATCH",
        tags=["component groups"],
        request=words.GroupRequest,
        responses={200: words.GroupAnswer} | WRITE_REFUSALS,
    )
    def put(self, request: Request, **kwargs: Any) -> Response:
        return super().put(request, **kwargs)

    @extend_schema(
        summary="Remove a component group",
        description="Its components stay, without a group.",
        tags=["component groups"],
        responses={200: words.GroupAnswer} | WRITE_REFUSALS,
    )
    def delete(self, request: Request, **kwargs: Any) -> Response:
        group, shown = self.target(), self.show()
        catalogue.delete(group, author=self.author)
        return Response(shown)


def show_group(view: PageView, public_id: str) -> Any:
    groups = Reader(view.page, today(view.page)).groups()
    shown = next((row for row in groups if row.id == public_id), None)
    if shown is None:
        raise Http404
    return words.GroupAnswer(shown).data


def save_group(view: PageView, group: ComponentGroup, sent: dict[str, Any]) -> None:
    given = sent["component_group"]
    group.name = given.get("name", group.name)
    for place in (sent, given):
        if "description" in place:
            group.description = place["description"] or ""
    if "components" not in given:
        catalogue.save(group, author=view.author)
        return
    known = {row.public_id: row for row in Component.objects.public().filter(page=view.page)}
    if unknown := [public_id for public_id in given["components"] if public_id not in known]:
        raise unknown_component(unknown[0])
    members = [known[public_id] for public_id in dict.fromkeys(given["components"])]
    catalogue.save_group(group, components=members, author=view.author)


def unknown_component(public_id: str) -> InvalidInput:
    return InvalidInput(
        _("This page has no component “%(id)s”. Ask for its components to see their ids.") % {"id": public_id[:40]},
        field="components",
    )
