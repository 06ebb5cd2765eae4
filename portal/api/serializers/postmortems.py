from __future__ import annotations

from typing import Any

from rest_framework import serializers

from incidents.models import ActionItem, Postmortem, TimelineEntry
from portal.api.serializers.base import Always, Input, Timestamp, enveloped
from status.rendering.snapshot import Section


class DraftInput(Input):
    body_draft = serializers.CharField(help_text="Markdown. Each heading becomes a section of the postmortem.")


class PublicationInput(Input):
    notify_subscribers = serializers.BooleanField(required=False, help_text="True if left out.")
    notify_twitter = serializers.BooleanField(required=False)
    custom_tweet = serializers.CharField(required=False, allow_blank=True)
    what_changed = serializers.CharField(
        required=False, allow_blank=True, max_length=500, help_text="Of one that was published before. It is public."
    )


class ApprovalInput(Input):
    fingerprint = serializers.CharField(max_length=64, help_text="Of the text that was read, as GET answers it.")
    break_glass = serializers.CharField(
        required=False, allow_blank=True, max_length=500, help_text="Why the last editor approves it. It stays."
    )


DraftRequest = enveloped("postmortem", DraftInput, title="PostmortemDraftRequest")
ApprovalRequest = enveloped("postmortem", ApprovalInput, title="PostmortemApprovalRequest")


class PublicationRequest(Input):
    postmortem = PublicationInput(required=False)


class PostmortemAnswer(serializers.Serializer[Any]):
    """Of a row; its text is public, what is internal in it is not here."""

    preview_key = Always(None)
    body = serializers.SerializerMethodField()
    body_updated_at = serializers.SerializerMethodField()
    body_draft = serializers.SerializerMethodField()
    body_draft_updated_at = Timestamp(source="edited_at")
    published_at = serializers.SerializerMethodField()
    notify_subscribers = serializers.SerializerMethodField()
    notify_twitter = Always(False)
    custom_tweet = Always(None)
    created_at = Timestamp()
    updated_at = Timestamp()
    state = serializers.ChoiceField(Postmortem.State.choices, help_text="Ours: where it stands.")
    fingerprint = serializers.CharField(help_text="Ours: what an approval is of.")

    def get_body(self, postmortem: Postmortem) -> str | None:
        return (
            markdown(postmortem.revision.content["sections"]) if postmortem.is_public and postmortem.revision else None
        )

    def get_body_updated_at(self, postmortem: Postmortem) -> str | None:
        return self._instant(postmortem, newest=True)

    def get_body_draft(self, postmortem: Postmortem) -> str:
        return markdown(postmortem.content()["sections"])

    def get_published_at(self, postmortem: Postmortem) -> str | None:
        return self._instant(postmortem, newest=False)

    def get_notify_subscribers(self, postmortem: Postmortem) -> bool:
        return bool(postmortem.revision and postmortem.revision.deliver_notifications)

    def _instant(self, postmortem: Postmortem, *, newest: bool) -> str | None:
        revision = postmortem.revisions.order_by("-number" if newest else "number").first()
        return Timestamp().to_representation(revision.published_at) if revision and postmortem.is_public else None


def markdown(sections: list[dict[str, str]]) -> str:
    return "\n\n".join(Section(**section).markdown for section in sections)


# --- Ours on top ------------------------------------------------------------------------------------------------------
class NoteInput(Input):
    text = serializers.CharField(max_length=10_000)
    occurred_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField(required=False)
    kind = serializers.ChoiceField(TimelineEntry.Kind.choices, required=False)
    precision = serializers.ChoiceField(TimelineEntry.Precision.choices, required=False)
    outcome = serializers.ChoiceField(TimelineEntry.Outcome.choices, required=False)


NoteRequest = enveloped("timeline_entry", NoteInput, title="TimelineEntryRequest")


class NoteAnswer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    kind = serializers.CharField()
    text = serializers.CharField()
    occurred_at = Timestamp()
    ended_at = Timestamp(allow_null=True)
    precision = serializers.CharField()
    outcome = serializers.CharField()
    author = serializers.CharField(source="author.username")
    created_at = Timestamp()


class ActionItemInput(Input):
    text = serializers.CharField(required=False, max_length=500)
    kind = serializers.ChoiceField(ActionItem.Kind.choices, required=False)
    due_on = serializers.DateField(required=False, allow_null=True)
    tracker_url = serializers.URLField(required=False, allow_blank=True)
    state = serializers.ChoiceField(ActionItem.State.choices, required=False)
    evidence = serializers.CharField(required=False, allow_blank=True, max_length=500)


class NewActionItemInput(ActionItemInput):
    text = serializers.CharField(max_length=500)


ActionItemRequest = enveloped("action_item", ActionItemInput, title="ActionItemRequest")
NewActionItemRequest = enveloped("action_item", NewActionItemInput, title="NewActionItemRequest")


class ActionItemAnswer(serializers.Serializer[Any]):
    id = serializers.CharField(source="public_id")
    kind = serializers.CharField()
    text = serializers.CharField()
    state = serializers.CharField()
    owner = serializers.CharField(source="owner.username", default=None, allow_null=True)
    due_on = serializers.DateField(allow_null=True)
    tracker_url = serializers.CharField()
    evidence = serializers.CharField()
    is_commitment = serializers.BooleanField()
    created_at = Timestamp()
    updated_at = Timestamp()


class DeliveryAnswer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    subscriber_id = serializers.CharField(source="recipient.public_id")
    channel = serializers.CharField(source="recipient.channel")
    state = serializers.CharField()
    reason = serializers.CharField()
    attempts = serializers.IntegerField()
    due_at = Timestamp()
    finished_at = Timestamp(allow_null=True)


class ChangeAnswer(serializers.Serializer[Any]):
    name = serializers.CharField()
    old = serializers.CharField()
    new = serializers.CharField()


class AuditEntryAnswer(serializers.Serializer[Any]):
    at = Timestamp()
    author = serializers.CharField(source="author.username", default=None, allow_null=True)
    what = serializers.CharField()
    changes = ChangeAnswer(many=True)
    reason = serializers.CharField()
