"""What the views share: keys and their scopes, reading a request, slices of lists, and `ETag`s."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, cast

from django.conf import settings
from django.db import models, transaction
from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import status
from rest_framework.exceptions import PermissionDenied, Throttled
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.permissions import SAFE_METHODS
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer
from rest_framework.views import APIView

from incidents.catalogue import lock_parents
from incidents.models import ApiKey, Page, User
from incidents.models.base import Tracked
from incidents.people import count_request
from incidents.permissions import Scope
from incidents.record_time import record_time
from portal.api import idempotency
from portal.api.errors import Changed
from portal.api.parsers import FormParser, JSONParser, MultiPartParser, tree
from portal.api.serializers.base import ErrorAnswer, Slice

if TYPE_CHECKING:
    T = TypeVar("T")
    V = TypeVar("V", bound="One")

REFUSALS = dict.fromkeys((401, 403, 404, 429), ErrorAnswer)
WRITE_REFUSALS = REFUSALS | dict.fromkeys((400, 409, 412, 413, 422, 503, 504), ErrorAnswer)
COUNTED = "portal.counted"  # in request.META, which all attempts of the guard share
MOST = 100  # rows of a list at once, as Statuspage has it


class OnlyJSON(BaseContentNegotiation):
    """JSON whatever a client says that it accepts, and what it sends without saying what: many say nothing of use."""

    def select_parser(self, request: Request, parsers: Iterable[Any]) -> Any:
        kind = request.content_type or JSONParser.media_type
        return next((each for each in parsers if kind.startswith(each.media_type)), None)

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        renderer = next(iter(renderers))
        return renderer, renderer.media_type


class KeyView(APIView):
    """A view for programs. `reads` and `writes` are the scopes that a key must have."""

    reads: ClassVar[Scope] = Scope.READ
    writes: ClassVar[Scope] = Scope.ADMIN
    parser_classes = [JSONParser, FormParser, MultiPartParser]
    content_negotiation_class = OnlyJSON

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Response:
        """REST framework's, with the one difference that `respond` calls the handler."""
        self.args, self.kwargs = args, kwargs
        self.request = self.initialize_request(request, *args, **kwargs)
        self.headers = self.default_response_headers
        try:
            self.initial(self.request, *args, **kwargs)
            response = self.respond(self.request, *args, **kwargs)
        except Exception as error:  # noqa: BLE001  (as there: it raises anew what `errors.answer` does not know)
            response = self.handle_exception(error)
        self.response = self.finalize_response(self.request, response, *args, **kwargs)
        return self.response

    def respond(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        method = (request.method or "").lower()
        if method not in self.http_method_names or not hasattr(self, method):
            return self.http_method_not_allowed(request)
        handler = partial(getattr(self, method), request, *args, **kwargs)
        return handler() if request.method in SAFE_METHODS else self.write(handler)

    def write(self, handler: Callable[[], Response]) -> Response:
        """What `handler` answers to this request, once for each Idempotency-Key."""
        if idempotency.HEADER in self.request.headers:
            return idempotency.once(self.key, self.request, handler)
        return handler()

    def check_permissions(self, request: Request) -> None:
        super().check_permissions(request)
        scope = self.reads if request.method in SAFE_METHODS else self.writes
        if not self.key.permits(scope):
            raise PermissionDenied(
                _("This key does not open this: it lacks the scope “%(scope)s”. Ask an administrator for another key.")
                % {"scope": scope.value}
            )

    def check_throttles(self, request: Request) -> None:
        if COUNTED in request.META:  # an attempt before this one was
            return
        if not count_request(self.key, most=settings.API_RATE):
            raise Throttled(60 - record_time().second)
        request.META[COUNTED] = True

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        response = super().finalize_response(request, response, *args, **kwargs)
        if isinstance(request.auth, ApiKey):
            use, now = request.auth.use, timezone.now()  # noqa: TID251  (also where no database answers)
            is_this_minute = use.minute == now.replace(second=0, microsecond=0)
            left = settings.API_RATE - 1 - (use.count if is_this_minute else 0)
            response["RateLimit-Limit"] = settings.API_RATE
            response["RateLimit-Remaining"] = max(left, 0)
            response["RateLimit-Reset"] = 60 - now.second
        if response.status_code == status.HTTP_204_NO_CONTENT:
            del response["Content-Type"]  # some clients would read JSON where there is none
        return response

    @property
    def key(self) -> ApiKey:
        return cast(ApiKey, self.request.auth)

    @property
    def author(self) -> User:
        return self.key.user

    def read(self, form: type[Serializer[Any]], data: Any = None) -> Any:
        """What was sent, in the types of `form`; raises its `ValidationError`."""
        if data is None:
            data = self.request.data or tree(self.request._request.GET)
        serializer = form(data=data)
        serializer.is_valid(raise_exception=True)
        return serializer.validated_data

    def slice(self, rows: models.QuerySet[Any, T] | Sequence[T], *, most: int = MOST, first: int = 1) -> list[T]:
        """The rows that `page` and `per_page` (or `limit`) ask for; pages are counted from `first`."""
        query = self.read(Slice, self.request.query_params)
        count = min(query.get("per_page") or query.get("limit") or MOST, most)
        start = max(query.get("page", first) - first, 0) * count
        return list(rows[start : start + count])


class PageView(KeyView):
    """A view below `/pages/<page_id>/`; `self.page` is that page."""

    def check_permissions(self, request: Request) -> None:
        super().check_permissions(request)
        self.page = get_object_or_404(Page.objects.live(), public_id=self.kwargs["page_id"])
        if self.key.page_id not in (None, self.page.pk):
            raise PermissionDenied(_("This key is for another page. Ask an administrator for one of this page."))


class One(PageView):
    """A view of one object, which has an `ETag`, and is written with `If-Match` only as it was read."""

    def target(self) -> Tracked:
        """Its row; raises `Http404`."""
        raise NotImplementedError  # REST framework's views are no abstract classes

    def parents(self, row: Any) -> list[Any]:
        """What is locked before `row`, as its services do: what it belongs to, or is to belong to."""
        return []

    def locked(self) -> Any:
        """`target`, held until the transaction ends: nobody changes it between what a handler compares and writes."""
        row = self.target()
        lock_parents(*self.parents(row))
        return row.lock() if row.pk else row  # else nobody has saved it yet

    def show(self) -> Any:
        """As GET shows it; raises `Http404`."""
        raise NotImplementedError  # REST framework's views are no abstract classes

    def get(self, request: Request, **kwargs: Any) -> Response:
        return Response(self.show())

    def put(self, request: Request, **kwargs: Any) -> Response:
        """Statuspage's PUT is its PATCH."""
        response: Response = self.patch(request, **kwargs)  # type: ignore[attr-defined]  # REST framework declares no handlers
        return response

    def write(self, handler: Callable[[], Response]) -> Response:
        is_conditional = "If-Match" in self.request.headers
        return super().write(partial(self.if_unchanged, handler) if is_conditional else handler)

    def if_unchanged(self, handler: Callable[[], Response]) -> Response:
        """What `handler` answers, if nobody changed the object since the client read it; raises `Changed`."""
        with transaction.atomic():
            self.locked()
            current = self.show()
            expected = self.request.headers["If-Match"]
            if expected != "*" and etag(current) not in [each.strip() for each in expected.split(",")]:
                raise Changed(current)
            return handler()

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        response = super().finalize_response(request, response, *args, **kwargs)
        if response.status_code in (200, 201) and response.data:
            response["ETag"] = etag(response.data)
            known = request.headers.get("If-None-Match", "")
            if request.method in SAFE_METHODS and response["ETag"] in [each.strip() for each in known.split(",")]:
                response.status_code, response.data = status.HTTP_304_NOT_MODIFIED, None
                del response["Content-Type"]
        return response


def documented(
    *,
    read: str | None = None,  # None where there is no GET
    change: str,
    description: str | None = None,
    tags: list[str],
    request: type[Serializer[Any]],
    answer: type[Serializer[Any]],
) -> Callable[[type[V]], type[V]]:
    """The documentation of a view's GET, of its PATCH and of its PUT: a class decorator."""
    facts: Any = {"tags": tags, "request": request, "responses": {200: answer} | WRITE_REFUSALS}
    methods = {
        "patch": extend_schema(summary=change, description=description, **facts),
        "put": extend_schema(summary="The same as PATCH", **facts),
    }
    if read:
        methods["get"] = extend_schema(summary=read, tags=tags, responses={200: answer} | REFUSALS)
    return extend_schema_view(**methods)


def etag(data: object) -> str:
    return f'"{sha256(JSONRenderer().render(data)).hexdigest()[:32]}"'
