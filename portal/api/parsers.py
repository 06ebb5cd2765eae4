from __future__ import annotations

from collections.abc import Mapping
from typing import IO, Any

from django.http import QueryDict
from django.utils.translation import gettext as _
from rest_framework import parsers
from rest_framework.exceptions import ParseError


class JSONParser(parsers.JSONParser):
    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        try:
            return super().parse(stream, media_type, parser_context)
        except RecursionError as error:  # REST framework lets it become a 500
            raise ParseError(_("The JSON is nested too deeply.")) from error


class FormParser(parsers.BaseParser):
    """Forms as Statuspage's examples send them: `incident[components][id]=status` and `incident[component_ids][]=id`
    make the same nested values as JSON does."""

    media_type = "application/x-www-form-urlencoded"

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        tree: dict[str, Any] = {}
        for name, values in QueryDict(stream.read()).lists():
            *path, last = [step.rstrip("]") for step in name.split("[")]
            value: Any = values[-1]
            if path and not last:
                *path, last = path
                value = values
            node = tree
            for step in path:
                node = node.setdefault(step, {})
                if not isinstance(node, dict):
                    raise ParseError(_("“%(name)s” is given both as one value and as several.") % {"name": step})
            node[last] = value
        return tree
