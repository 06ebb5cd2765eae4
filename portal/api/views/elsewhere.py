"""What Statuspage has and this product does not: said so, never answered as if it were done."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _
from rest_framework.request import Request
from rest_framework.response import Response

from incidents.permissions import Scope
from portal.api.errors import NotOffered
from portal.api.views.base import KeyView, PageView


class NotHere(KeyView):
    """The documentation leaves these out."""

    schema = None
    writes = Scope.READ  # the same answer for every key

    def get(self, request: Request, **kwargs: Any) -> Response:
        raise NotOffered(self.sentence())

    post = put = patch = delete = get

    def sentence(self) -> str:
        return _("Members of staff and their rights are managed in the admin, not through this API.")


class AudienceSpecific(NotHere, PageView):
    def sentence(self) -> str:
        return _("Pages are public here: there are no page access users or groups.")
