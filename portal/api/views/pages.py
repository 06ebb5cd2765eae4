"""The pages that a key opens."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django.db import models
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from incidents import catalogue
from incidents.errors import InvalidInput
from incidents.models import Page
from portal.api.serializers.base import Slice
from portal.api.serializers.pages import PageAnswer, PageInput, PageRequest
from portal.api.views.base import REFUSALS, KeyView, One, documented


class Pages(KeyView):
    @extend_schema(
        summary="List the pages that the key opens",
        tags=["pages"],
        parameters=[Slice],
        responses={200: PageAnswer(many=True)} | REFUSALS,
    )
    def get(self, request: Request) -> Response:
        mine = models.Q(pk=self.key.page_id) if self.key.page_id else models.Q()
        return Response(PageAnswer(self.slice(Page.objects.live().filter(mine)), many=True).data)


@documented(
    read="Read a page",
    change="Change a page",
    description="Its name, address, support address and time zone; what else Statuspage has is refused.",
    tags=["pages"],
    request=PageRequest,
    answer=PageAnswer,
)
class OnePage(One):
    def target(self) -> Page:
        return self.page

    def show(self) -> Any:
        return PageAnswer(self.page).data

    def patch(self, request: Request, **kwargs: Any) -> Response:
        given = self.read(PageRequest)["page"]
        sent = request.data.get("page", {}) if isinstance(request.data, dict) else {}
        shown = self.show()
        if refused := [name for name, value in sent.items() if name in shown and name not in PageInput().fields
                       and value not in (None, "", shown[name])]:  # fmt: skip
            raise InvalidInput(
                _("“%(name)s” cannot be set: pages have no such thing here. Leave it out.") % {"name": refused[0]},
                field=refused[0],
            )
        if domain := given.pop("domain", None):
            given.setdefault("url", f"{urlsplit(self.page.url).scheme}://{domain}")
        if "support_url" in given:
            given["support_url"] = given["support_url"] or ""
        catalogue.edit_page(self.page, author=self.author, **given)
        return Response(self.show())
