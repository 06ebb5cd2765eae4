"""How a request may be written: JSON, or Statuspage's forms, which a query string may hold, too."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import IO, Any

from django.http import QueryDict
from django.utils.translation import gettext as _
from rest_framework import parsers
from rest_framework.exceptions import ParseError

DEEPEST = 8  # steps into a form's names


class JSONParser(parsers.JSONParser):
    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        """None for no body at all, which some clients call JSON."""
        text = stream.read()
        if not text.strip():
            return {}
        try:
            data = super().parse(_Again(text), media_type, parser_context)  # type: ignore[arg-type]  # it is only read
            if b"\\ud" in text.lower():  # half a character has no UTF-8, and no database keeps it
                json.dumps(data, ensure_ascii=False).encode()
        except RecursionError as error:  # REST framework lets it become a 500
            raise ParseError(_("The JSON is nested too deeply.")) from error
        except UnicodeError as error:
            raise ParseError(_("The JSON has half a character (a lone surrogate) in it.")) from error
        return data


class FormParser(parsers.BaseParser):
    media_type = "application/x-www-form-urlencoded"

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        return tree(QueryDict(stream.read()))


class MultiPartParser(parsers.BaseParser):
    """Files are of no use here."""

    media_type = "multipart/form-data"

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        return tree(parsers.MultiPartParser().parse(stream, media_type, parser_context).data)


def tree(fields: QueryDict) -> dict[str, Any]:
    """`incident[components][id]=status` and `incident[component_ids][]=id` as the nested values that JSON would have.

    Raises `ParseError` when they contradict each other.
    """
    found: dict[str, Any] = {}
    for name, values in fields.lists():
        *path, last = [step.rstrip("]") for step in name.split("[")]
        value: Any = values[-1]
        if path and not last:
            *path, last = path
            value = values
        if len(path) > DEEPEST:
            raise ParseError(_("“%(name)s” is nested too deeply.") % {"name": name[:40]})
        node = found
        for step in path:
            node = node.setdefault(step, {})
            if not isinstance(node, dict):
                raise ParseError(_("“%(name)s” is given both as one value and as several.") % {"name": step[:40]})
        node[last] = value
    return found


class _Again:
    """A stream of what was read already."""

    def __init__(self, text: bytes) -> None:
        self._text = text

    def read(self, _size: int = -1) -> bytes:
        text, self._text = self._text, b""
        return text
