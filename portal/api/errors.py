"""Refusals: `{"error": a sentence}`, with the code that Statuspage's clients expect."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import RequestDataTooBig, TooManyFieldsSent
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.utils.translation import gettext as _
from django.views import defaults
from rest_framework import status
from rest_framework.exceptions import APIException, ValidationError
from rest_framework.response import Response
from rest_framework.views import exception_handler

from incidents.errors import Conflict, DomainError, Forbidden, LeakFound, MissingAuthor

UNPROCESSABLE = status.HTTP_422_UNPROCESSABLE_ENTITY


class NotOffered(APIException):
    """A part of Statuspage's interface that this product does not have."""

    status_code = status.HTTP_501_NOT_IMPLEMENTED


class Changed(APIException):
    """The object is not as the client last read it; `current` is how it is now."""

    status_code = status.HTTP_412_PRECONDITION_FAILED

    def __init__(self, current: object) -> None:
        super().__init__(_("Somebody has changed this since you read it. Look at “current”, and decide anew."))
        self.current = current


class Reused(APIException):
    """An Idempotency-Key that came with another request before."""

    status_code = UNPROCESSABLE


def answer(error: Exception, context: dict[str, Any]) -> Response | None:
    """None lets everything else through: a database that is away is answered by the middleware."""
    if isinstance(error, DomainError):
        codes: dict[type[DomainError], int] = {
            MissingAuthor: status.HTTP_401_UNAUTHORIZED,
            Forbidden: status.HTTP_403_FORBIDDEN,
            Conflict: status.HTTP_409_CONFLICT,
        }
        said: dict[str, object] = {"error": str(error)}
        if isinstance(error, LeakFound):
            said["findings"] = [
                {"field": found.section, "rule": found.rule.value, "line": found.line, "reason": found.reason}
                for found in error.findings
            ]
        return Response(said, codes.get(type(error), UNPROCESSABLE))
    if isinstance(error, TooManyFieldsSent):
        return Response({"error": _("The form has too many fields.")}, status.HTTP_400_BAD_REQUEST)
    if isinstance(error, RequestDataTooBig):
        return Response({"error": _("The form is too large.")}, status.HTTP_413_REQUEST_ENTITY_TOO_LARGE)
    response = exception_handler(error, context)
    if response is None:
        return None
    if isinstance(error, ValidationError):
        response.status_code = UNPROCESSABLE
        response.data = {"error": " ".join(_sentences(error.detail))}
    elif isinstance(error, Http404) and (not error.args or str(error).endswith("given query.")):  # Django's own words
        response.data = {"error": _("There is no such thing here. Ask for the list of them to see their ids.")}
    else:  # a Django 404 or 403 was turned into REST framework's own by its handler
        detail = error.detail if isinstance(error, APIException) else (response.data or {}).get("detail")
        response.data = {"error": str(detail)}
    if isinstance(error, NotOffered):
        # Else Django logs it as a failure of ours.
        response._has_been_logged = True  # type: ignore[attr-defined]  # the stubs lack it
    if isinstance(error, Changed):
        response.data["current"] = error.current
    return response


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """What Django answers before any view does, such as to a wrong Host; a program is told in its own language."""
    if not _is_programs(request):
        return defaults.bad_request(request, exception)
    return JsonResponse({"error": _("The request is malformed.")}, status=status.HTTP_400_BAD_REQUEST)


def server_error(request: HttpRequest) -> HttpResponse:
    """What failed and was foreseen by nobody."""
    if not _is_programs(request):
        return defaults.server_error(request)
    sentence = _("Something failed here, and the log says what. Look whether it was done before you send it again.")
    return JsonResponse({"error": sentence}, status=status.HTTP_500_INTERNAL_SERVER_ERROR)


def _is_programs(request: HttpRequest) -> bool:
    return request.path_info.startswith("/api/")


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
    sentence = str(detail) if str(detail).endswith((".", "”")) else f"{detail}."
    return [f"{place}: {sentence}" if place else sentence]
