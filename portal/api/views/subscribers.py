"""The subscribers of a page, and those of one incident."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import Count, Q, QuerySet
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from incidents.errors import InvalidInput
from incidents.models import Component, Incident
from incidents.permissions import Scope
from portal.api.serializers.base import Slice
from portal.api.serializers.subscribers import (
    TYPES,
    CountQuery,
    Counts,
    Histogram,
    SubscriberAnswer,
    SubscriberChange,
    SubscriberQuery,
    SubscriberRequest,
    SubscribersRequest,
)
from portal.api.views.base import REFUSALS, WRITE_REFUSALS, One, PageView
from portal.api.views.components import named
from status import addresses
from status.models import Subscriber
from status.subscriptions import subscribers
from status.subscriptions.choices import Choices, choices_of, choose
from status.subscriptions.subscribers import add_by_staff, add_webhook, unsubscribe

TAG = ["subscribers"]
LISTED = ("active", "unconfirmed", "quarantined")


class SubscriberView(PageView):
    reads = writes = Scope.SUBSCRIBERS

    def subscribers(self) -> QuerySet[Subscriber]:
        rows = Subscriber.objects.filter(page=self.page)
        return rows.prefetch_related("follows__component")

    def components(self, wanted: list[str]) -> list[Component]:
        return named(Component.objects.public().on(self.page), wanted)

    def enrol(self, given: dict[str, Any], choices: Choices) -> Subscriber:
        """The subscriber that a request asks for, who has yet to confirm unless it says otherwise."""
        if url := given.get("endpoint"):
            if not choices.everything and choices.incidents:
                raise InvalidInput(_("A webhook is subscribed to the page, not to one incident."), field="endpoint")
            addresses.check(url)
            recipient = add_webhook(self.page, url=url, contact=given["email"], author=self.author)
            if not choices.everything:
                choose(recipient, choices, author=self.author)
            return recipient
        if given.get("skip_confirmation_notification"):
            return add_by_staff(self.page, address=given["email"], choices=choices, author=self.author)
        return subscribers.invite(self.page, address=given["email"], choices=choices, author=self.author)

    def answer(self, recipient: Subscriber, code: int = status.HTTP_200_OK) -> Response:
        return Response(SubscriberAnswer(self.subscribers().get(pk=recipient.pk)).data, code)


class Subscribers(SubscriberView):
    @extend_schema(
        summary="List subscribers",
        tags=TAG,
        parameters=[SubscriberQuery],
        responses={200: SubscriberAnswer(many=True)} | REFUSALS,
    )
    def get(self, request: Request, page_id: str) -> Response:
        query = self.read(SubscriberQuery, request.query_params)
        rows = self.subscribers().filter(state__in=LISTED if query["state"] == "all" else [query["state"]])
        if kind := query.get("type"):
            rows = rows.filter(channel=kind)
        if text := query.get("q"):
            rows = rows.filter(Q(address__icontains=text) | Q(contact__icontains=text))
        field = {"created_at": "created_at", "quarantined_at": "updated_at"}.get(query["sort_field"], "address")
        sign = "-" if query["sort_direction"] == "desc" else ""
        found = self.slice(rows.order_by(f"{sign}{field}", f"{sign}id"), first=0)
        return Response(SubscriberAnswer(found, many=True).data)

    @extend_schema(
        summary="Add a subscriber",
        description="By e-mail they are asked to confirm; a webhook hears at once.",
        tags=TAG,
        request=SubscriberRequest,
        responses={201: SubscriberAnswer} | WRITE_REFUSALS,
    )
    def post(self, request: Request, page_id: str) -> Response:
        given = self.read(SubscriberRequest)["subscriber"]
        components = self.components(given.get("component_ids", []))
        choices = Choices(everything=not components, components=components)
        return self.answer(self.enrol(given, choices), status.HTTP_201_CREATED)


class Unsubscribed(SubscriberView):
    @extend_schema(
        summary="List who was unsubscribed",
        tags=TAG,
        parameters=[Slice],
        responses={200: SubscriberAnswer(many=True)} | REFUSALS,
    )
    def get(self, request: Request, page_id: str) -> Response:
        rows = self.subscribers().filter(state=Subscriber.State.UNSUBSCRIBED).order_by("id")
        return Response(SubscriberAnswer(self.slice(rows), many=True).data)


class SubscriberCounts(SubscriberView):
    @extend_schema(
        summary="Count subscribers by type",
        tags=TAG,
        parameters=[CountQuery],
        responses={200: Counts} | REFUSALS,
    )
    def get(self, request: Request, page_id: str) -> Response:
        query = self.read(CountQuery, request.query_params)
        counts = histogram(self)
        kinds = [query["type"]] if "type" in query else TYPES
        state = "total" if query["state"] == "all" else query["state"]
        return Response({kind: counts[kind][state] for kind in kinds})


class SubscriberHistogram(SubscriberView):
    @extend_schema(
        summary="Count subscribers by type and state",
        tags=TAG,
        responses={200: Histogram} | REFUSALS,
    )
    def get(self, request: Request, page_id: str) -> Response:
        return Response(histogram(self))


def histogram(view: SubscriberView) -> dict[str, dict[str, int]]:
    counts = {kind: dict.fromkeys((*LISTED, "total"), 0) for kind in TYPES}
    rows = Subscriber.objects.filter(page=view.page, state__in=LISTED)
    for kind, state, count in rows.values_list("channel", "state").annotate(Count("pk")).order_by():
        if kind in counts:
            counts[kind][state] = count
            counts[kind]["total"] += count
    return counts


class Bulk(SubscriberView):
    """Something that is done to many subscribers at once: all of them or none."""

    def chosen(self, states: tuple[str, ...]) -> list[Subscriber]:
        given = self.read(SubscribersRequest)
        rows = self.subscribers().filter(state__in=states)
        if kind := given.get("type"):
            rows = rows.filter(channel=kind)
        if (state := given.get("state", "all")) != "all":
            rows = rows.filter(state=state)
        if given["subscribers"] == ["all"]:
            return list(rows[: subscribers.MOST + 1])
        if len(given["subscribers"]) > subscribers.MOST:
            raise InvalidInput(_("At most %(most)d subscribers at once.") % {"most": subscribers.MOST})
        found = {row.public_id: row for row in rows.filter(public_id__in=filter(str.isalnum, given["subscribers"]))}
        if unknown := [public_id for public_id in given["subscribers"] if public_id not in found]:
            raise InvalidInput(
                _("“%(id)s” is no subscriber of this page for whom this can be done.") % {"id": unknown[0]},
                field="subscribers",
            )
        return list(found.values())


BULK: dict[str, Any] = {"tags": TAG, "request": SubscribersRequest, "responses": {201: None} | WRITE_REFUSALS}


class ResendMany(Bulk):
    @extend_schema(
        operation_id="v1_pages_subscribers_resend_confirmation_create_many",
        summary="Ask several subscribers again to confirm",
        **BULK,
    )
    def post(self, request: Request, page_id: str) -> Response:
        subscribers.ask_many_to_confirm(self.chosen(("unconfirmed",)), author=self.author)
        return Response(status=status.HTTP_201_CREATED)


class UnsubscribeMany(Bulk):
    @extend_schema(summary="Unsubscribe several subscribers", **BULK)
    def post(self, request: Request, page_id: str) -> Response:
        subscribers.unsubscribe_many(self.chosen(LISTED), author=self.author)
        return Response(status=status.HTTP_201_CREATED)


class ReactivateMany(Bulk):
    @extend_schema(summary="Release several subscribers from quarantine", **BULK)
    def post(self, request: Request, page_id: str) -> Response:
        subscribers.release_many(self.chosen(("quarantined",)), author=self.author)
        return Response(status=status.HTTP_201_CREATED)


class OneSubscriber(SubscriberView, One):
    http_method_names = ["get", "head", "patch", "delete", "options"]

    def target(self) -> Subscriber:
        return get_object_or_404(self.subscribers(), public_id=self.kwargs["subscriber_id"])

    def show(self) -> Any:
        return SubscriberAnswer(self.target()).data

    @extend_schema(summary="Read a subscriber", tags=TAG, responses={200: SubscriberAnswer} | REFUSALS)
    def get(self, request: Request, **kwargs: Any) -> Response:
        return Response(self.show())

    @extend_schema(
        summary="Change what a subscriber hears about",
        tags=TAG,
        request=SubscriberChange,
        responses={200: SubscriberAnswer} | WRITE_REFUSALS,
    )
    @transaction.atomic
    def patch(self, request: Request, **kwargs: Any) -> Response:
        recipient = self.locked()
        data = request.data if isinstance(request.data, dict) else {}
        given = self.read(SubscriberChange, data.get("subscriber") or self.request.data or None)
        if "component_ids" in given:
            components = self.components(given["component_ids"])
            now = choices_of(recipient, [row.incident for row in recipient.follows.all() if row.incident])
            choices = Choices(
                everything=not components,
                components=components,
                incidents=now.incidents,
                postmortems_only=now.postmortems_only,
                minimum_impact=now.minimum_impact,
            )
            choose(recipient, choices, author=self.author)
        return Response(self.show())

    @extend_schema(summary="Unsubscribe a subscriber", tags=TAG, responses={200: SubscriberAnswer} | WRITE_REFUSALS)
    def delete(self, request: Request, **kwargs: Any) -> Response:
        recipient = self.target()
        unsubscribe(recipient, author=self.author)
        return self.answer(recipient)


class Resend(OneSubscriber):
    http_method_names = ["post", "options"]

    @extend_schema(
        summary="Ask a subscriber again to confirm", tags=TAG, request=None, responses={201: None} | WRITE_REFUSALS
    )
    def post(self, request: Request, **kwargs: Any) -> Response:
        subscribers.ask_to_confirm(self.target(), author=self.author)
        return Response(status=status.HTTP_201_CREATED)


# --- Of one incident --------------------------------------------------------------------------------------------------


class IncidentSubscriberView(SubscriberView):
    def incident(self) -> Incident:
        public = Incident.objects.public().filter(page=self.page)
        return get_object_or_404(public, public_id=self.kwargs["incident_id"])

    def subscribers(self) -> QuerySet[Subscriber]:
        return super().subscribers().filter(follows__incident=self.incident(), state__in=LISTED)


class IncidentSubscribers(IncidentSubscriberView):
    @extend_schema(
        summary="List who subscribed to an incident",
        tags=TAG,
        parameters=[Slice],
        responses={200: SubscriberAnswer(many=True)} | REFUSALS,
    )
    def get(self, request: Request, **kwargs: Any) -> Response:
        found = self.slice(self.subscribers().order_by("id"))
        return Response(SubscriberAnswer(found, many=True).data)

    @extend_schema(
        summary="Add a subscriber to an incident",
        description="Until it is over.",
        tags=TAG,
        request=SubscriberRequest,
        responses={201: SubscriberAnswer} | WRITE_REFUSALS,
    )
    def post(self, request: Request, **kwargs: Any) -> Response:
        given, incident = self.read(SubscriberRequest)["subscriber"], self.incident()
        if incident.is_ended:
            raise InvalidInput(_("This incident is over. Subscribe to the page to hear of the next one."))
        recipient = self.enrol(given, Choices(everything=False, incidents=[incident]))
        return self.answer(recipient, status.HTTP_201_CREATED)


@extend_schema_view(get=extend_schema(summary="Read a subscriber of an incident"))
class OneIncidentSubscriber(IncidentSubscriberView, OneSubscriber):
    http_method_names = ["get", "head", "delete", "options"]

    @extend_schema(summary="Unsubscribe from an incident", tags=TAG, responses={200: SubscriberAnswer} | WRITE_REFUSALS)
    def delete(self, request: Request, **kwargs: Any) -> Response:
        recipient, shown = self.target(), self.show()
        subscribers.unfollow(recipient, self.incident(), author=self.author)
        return Response(shown)


@extend_schema_view(post=extend_schema(summary="Ask a subscriber of an incident again to confirm"))
class ResendOfIncident(IncidentSubscriberView, Resend):
    """As for any subscriber."""
