"""Incident templates, and how the status embed looks."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from incidents import catalogue, templates
from incidents.errors import InvalidInput
from incidents.models import Component, EmbedConfig, IncidentTemplate, Page, TemplateComponent
from portal.api.serializers.base import Slice
from portal.api.serializers.templates import (
    COLOURS,
    EmbedConfigAnswer,
    EmbedConfigRequest,
    TemplateAnswer,
    TemplateRequest,
)
from portal.api.views.base import REFUSALS, WRITE_REFUSALS, One, PageView, documented
from portal.api.views.components import named
from status import projection


class Templates(PageView):
    def shown(self, rows: list[IncidentTemplate]) -> Any:
        kept = TemplateComponent.objects.filter(template__in=rows, deleted_at=None).order_by("pk")
        pairs = list(kept.values_list("template", "component__public_id"))
        shown = {row.id: row for row in projection.components(self.page, {public_id for _template, public_id in pairs})}
        by_template: dict[int, list[Any]] = defaultdict(list)
        for template, public_id in pairs:
            if public_id in shown:
                by_template[template].append(shown[public_id])
        return TemplateAnswer(rows, many=True, context={"components": by_template}).data

    @extend_schema(
        summary="List incident templates",
        description="The page's own, and those for every page.",
        tags=["incident templates"],
        parameters=[Slice],
        responses={200: TemplateAnswer(many=True)} | REFUSALS,
    )
    def get(self, request: Request, page_id: str) -> Response:
        return Response(self.shown(self.slice(IncidentTemplate.objects.live().for_page(self.page))))

    @extend_schema(
        summary="Add an incident template",
        tags=["incident templates"],
        request=TemplateRequest,
        responses={201: TemplateAnswer} | WRITE_REFUSALS,
    )
    def post(self, request: Request, page_id: str) -> Response:
        given = self.read(TemplateRequest)["template"]
        components = named(Component.objects.public().on(self.page), given.get("component_ids", []))
        template = templates.create_template(
            page=self.page,
            name=given["name"],
            title=given["title"],
            body=given["body"],
            update_status=given.get("update_status", ""),
            deliver_notifications=given.get("should_send_notifications", True),
            components=components,
            author=self.author,
        )
        return Response(self.shown([template])[0], status.HTTP_201_CREATED)


@documented(
    read="How the status embed looks",
    change="Change how the status embed looks",
    tags=["status embed"],
    request=EmbedConfigRequest,
    answer=EmbedConfigAnswer,
)
class StatusEmbedConfig(One):
    def target(self) -> EmbedConfig:
        """An unsaved one before anybody chose anything: with what it looks like then."""
        return EmbedConfig.objects.filter(page=self.page).first() or EmbedConfig(page=self.page)

    def parents(self, row: EmbedConfig) -> list[Page]:
        return [self.page]

    def show(self) -> Any:
        return EmbedConfigAnswer(self.target()).data

    def patch(self, request: Request, **kwargs: Any) -> Response:
        given = self.read(EmbedConfigRequest)["status_embed_config"]
        facts: Any = {COLOURS.get(name, name): value for name, value in given.items()}
        try:
            catalogue.edit_embed(self.page, author=self.author, **facts)
        except InvalidInput as refusal:
            sent = {ours: theirs for theirs, ours in COLOURS.items()}
            raise InvalidInput(
                _("%(name)s: %(refusal)s") % {"name": sent.get(refusal.field or "", refusal.field), "refusal": refusal},
                field=refusal.field,
            ) from refusal
        return Response(self.show())
