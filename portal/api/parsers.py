"""How a request may be written: JSON, or Statuspage's forms, which a query string may hold, too."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import IO, Any, NoReturn

from django.http import QueryDict
from django.utils.translation import gettext as _
from rest_framework import parsers
from rest_framework.exceptions import ParseError, ValidationError

DEEPEST = 8  # steps into a form's names


class JSONParser(parsers.BaseParser):
    media_type = "application/json"

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Empty for no body at all, which some clients call JSON; raises `ParseError` for what is none."""
        content = stream.read()
        try:
            text = content.decode("utf-8-sig")
            data = json.loads(text, parse_constant=_refuse_constant) if text.strip() else None
            if "\\ud" in text.lower():  # half a character has no UTF-8, and no database keeps it
                json.dumps(data, ensure_ascii=False).encode()
        except UnicodeDecodeError as error:
            raise ParseError(_("The body is not UTF-8. Send JSON in UTF-8, and not compressed.")) from error
        except UnicodeEncodeError as error:
            raise ParseError(_("The JSON has half a character (a lone surrogate) in it.")) from error
        except json.JSONDecodeError as error:
            raise ParseError(
                _("The body is not JSON: it goes wrong in line %(line)d at character %(column)d.")
                % {"line": error.lineno, "column": error.colno}
            ) from error
        except RecursionError as error:
            raise ParseError(_("The JSON is nested too deeply.")) from error
        except ValueError as error:  # Python reads no integer of thousands of digits
            raise ParseError(_("The JSON has a number in it that is none, or is too long.")) from error
        if not isinstance(data, dict | None):
            raise ValidationError(_('The body is one JSON object, like {"incident": {"name": "..."}}.'))
        return data or {}


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
        try:
            return tree(parsers.MultiPartParser().parse(stream, media_type, parser_context).data)
        except ParseError as error:
            raise ParseError(_("The parts of the form cannot be read. Say their boundary in Content-Type.")) from error


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


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)
