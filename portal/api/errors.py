from __future__ import annotations

from typing import Any

from django.core.exceptions import TooManyFieldsSent
from django.utils.translation import gettext as _
from rest_framework import status
from rest_framework.exceptions import APIException, ValidationError
from rest_framework.response import Response
from rest_framework.views import exception_handler

from incidents.errors import Conflict, DomainError, Forbidden, MissingAuthor

UNPROCESSABLE = status.HTTP_422_UNPROCESSABLE_ENTITY


def answer(error: Exception, context: dict[str, Any]) -> Response | None:
    """`{"error": sentence}` for what the domain or the framework refuses.

    None lets everything else through: a database that is away is answered by the middleware.
    """
    if isinstance(error, DomainError):
        codes: dict[type[DomainError], int] = {
            MissingAuthor: status.HTTP_401_UNAUTHORIZED,
            Forbidden: status.HTTP_403_FORBIDDEN,
            Conflict: status.HTTP_409_CONFLICT,
        }
        return Response({"error": str(error)}, codes.get(type(error), UNPROCESSABLE))
    if isinstance(error, TooManyFieldsSent):
        return Response({"error": _("The form has too many fields.")}, status.HTTP_400_BAD_REQUEST)
    response = exception_handler(error, context)
    if response is None:
        return None
    if isinstance(error, ValidationError):
        response.status_code = UNPROCESSABLE
        response.data = {"error": " ".join(_sentences(error.detail))}
    else:  # a Django 404 or 403 was turned into REST framework's own by its handler
        detail = error.detail if isinstance(error, APIException) else (response.data or {}).get("detail")
        response.data = {"error": str(detail)}
    return response


def _sentences(detail: object, place: str = "") -> list[str]:
    """Each complaint with the place that it is about: "incident.name: This field is required."."""
    if isinstance(detail, dict):
        return [
            sentence
            for key, inner in detail.items()
            for sentence in _sentences(inner, ".".join(filter(None, [place, str(key)])))
        ]
    if isinstance(detail, list):
        return [sentence for inner in detail for sentence in _sentences(inner, place)]
    return [f"{place}: {detail}" if place else str(detail)]
