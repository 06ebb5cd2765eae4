"""The postmortem of an incident, thin over `incidents.postmortems`, and its action items."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.http import Http404
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from incidents.models import ActionItem, Postmortem, User
from incidents.permissions import Scope
from incidents.postmortems import action_items, publishing, reviewing, writing
from portal.api.serializers.base import CursorQuery
from portal.api.serializers.postmortems import (
    ActionItemAnswer,
    ActionItemRequest,
    ApprovalRequest,
    DraftRequest,
    NewActionItemRequest,
    PostmortemAnswer,
    PublicationRequest,
)
from portal.api.views.additions import Listed
from portal.api.views.base import REFUSALS, WRITE_REFUSALS, One
from portal.api.views.incidents import IncidentView

TAG = ["postmortems"]
ANSWERS: Any = {200: PostmortemAnswer} | WRITE_REFUSALS


class PostmortemView(IncidentView, One):
    reads = Scope.INCIDENTS  # a draft is internal
    http_method_names = ["put", "options"]

    def target(self) -> Postmortem:
        postmortem = self.one().postmortem
        if postmortem is None:
            raise Http404(_("This incident has no postmortem."))
        return postmortem

    def show(self) -> Any:
        return PostmortemAnswer(self.target()).data


class OnePostmortem(PostmortemView):
    http_method_names = ["get", "head", "put", "delete", "options"]

    @extend_schema(summary="Read a postmortem", tags=TAG, responses={200: PostmortemAnswer} | REFUSALS)
    def get(self, request: Request, **kwargs: Any) -> Response:
        return Response(self.show())

    @extend_schema(
        summary="Write the draft of a postmortem",
        description="It takes an approval away. What was published stays as it is until it is published again.",
        tags=TAG,
        request=DraftRequest,
        responses=ANSWERS,
    )
    @transaction.atomic
    def put(self, request: Request, **kwargs: Any) -> Response:
        given = self.read(DraftRequest)["postmortem"]
        incident = self.one()
        postmortem = incident.postmortem or writing.start_postmortem(incident, author=self.author)
        writing.write_report(postmortem, body=given["body_draft"], author=self.author)
        return Response(self.show())

    @extend_schema(
        summary="Give up a draft, or take a published postmortem back", tags=TAG, responses={204: None} | WRITE_REFUSALS
    )
    def delete(self, request: Request, **kwargs: Any) -> Response:
        postmortem, reason = self.target(), _("Deleted through the API")
        if postmortem.is_public:
            publishing.unpublish_postmortem(postmortem, reason=reason, author=self.author)
        else:
            writing.delete_postmortem(postmortem, reason=reason, author=self.author)
        return Response(status=status.HTTP_204_NO_CONTENT)


class Submission(PostmortemView):
    @extend_schema(summary="Submit a draft for review", tags=TAG, request=None, responses=ANSWERS)
    def put(self, request: Request, **kwargs: Any) -> Response:
        reviewing.submit_postmortem(self.target(), author=self.author)
        return Response(self.show())


class Approval(PostmortemView):
    @extend_schema(
        summary="Approve a postmortem that is in review", tags=TAG, request=ApprovalRequest, responses=ANSWERS
    )
    def put(self, request: Request, **kwargs: Any) -> Response:
        given = self.read(ApprovalRequest)["postmortem"]
        reviewing.approve_postmortem(self.target(), author=self.author, **given)
        return Response(self.show())


class Publication(PostmortemView):
    @extend_schema(
        summary="Publish an approved postmortem",
        description="Unapproved it is refused, unless the page waives approval.",
        tags=TAG,
        request=PublicationRequest,
        responses=ANSWERS,
    )
    def put(self, request: Request, **kwargs: Any) -> Response:
        given = self.read(PublicationRequest).get("postmortem", {})
        publishing.publish_postmortem(
            self.target(),
            what_changed=given.get("what_changed", ""),
            notify=given.get("notify_subscribers", True),
            author=self.author,
        )
        return Response(self.show())


class Reversal(PostmortemView):
    @extend_schema(summary="Take a published postmortem back to draft", tags=TAG, request=None, responses=ANSWERS)
    def put(self, request: Request, **kwargs: Any) -> Response:
        publishing.unpublish_postmortem(self.target(), reason=_("Reverted through the API"), author=self.author)
        return Response(self.show())


class ActionItems(Listed, PostmortemView):
    http_method_names = ["get", "head", "post", "options"]

    @extend_schema(
        summary="List the action items of a postmortem",
        tags=TAG,
        parameters=[CursorQuery],
        responses={200: ActionItemAnswer(many=True)} | REFUSALS,
    )
    def get(self, request: Request, **kwargs: Any) -> Response:
        rows = ActionItem.objects.live().filter(postmortem=self.target()).select_related("owner")
        return self.page_of(rows, ActionItemAnswer)

    @extend_schema(
        summary="Note an action item",
        tags=TAG,
        request=NewActionItemRequest,
        responses={201: ActionItemAnswer} | WRITE_REFUSALS,
    )
    @transaction.atomic
    def post(self, request: Request, **kwargs: Any) -> Response:
        given = self.read(NewActionItemRequest)["action_item"]
        moved = {name: given.pop(name) for name in ("state", "evidence") if name in given}
        item = action_items.add_action_item(self.target(), author=self.author, **given)
        _move(item, moved, self.author)
        return Response(ActionItemAnswer(item).data, status.HTTP_201_CREATED)


class OneActionItem(PostmortemView):
    http_method_names = ["patch", "delete", "options"]

    def item(self) -> ActionItem:
        rows = ActionItem.objects.live().filter(postmortem=super().target()).select_related("owner", "postmortem")
        return get_object_or_404(rows, public_id=self.kwargs["item_id"])

    def target(self) -> Any:
        return self.item()

    def parents(self, row: ActionItem) -> list[Postmortem]:
        return [row.postmortem]

    def show(self) -> Any:
        return ActionItemAnswer(self.item()).data

    @extend_schema(
        summary="Change an action item, or say where it stands",
        tags=TAG,
        request=ActionItemRequest,
        responses={200: ActionItemAnswer} | WRITE_REFUSALS,
    )
    @transaction.atomic
    def patch(self, request: Request, **kwargs: Any) -> Response:
        item, given = self.locked(), self.read(ActionItemRequest)["action_item"]
        moved = {name: given.pop(name) for name in ("state", "evidence") if name in given}
        if given:
            action_items.edit_action_item(item, author=self.author, **given)
        _move(item, moved, self.author)
        return Response(self.show())

    @extend_schema(summary="Remove an action item", tags=TAG, responses={204: None} | WRITE_REFUSALS)
    def delete(self, request: Request, **kwargs: Any) -> Response:
        action_items.delete_action_item(self.item(), author=self.author)
        return Response(status=status.HTTP_204_NO_CONTENT)


def _move(item: ActionItem, given: dict[str, str], author: User) -> None:
    """What was sent of where a measure stands; many send all that they read."""
    state, evidence = ActionItem.State(given.get("state", item.state)), given.get("evidence", "")
    if state != item.state or evidence not in ("", item.dropped_because or item.evidence):
        action_items.move_action_item(item, state=state, evidence=evidence, author=author)
