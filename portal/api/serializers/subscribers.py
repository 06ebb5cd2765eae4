from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _
from drf_spectacular.utils import inline_serializer
from rest_framework import serializers

from portal.api.serializers.base import Always, Ids, Input, Slice, Timestamp, enveloped
from status.models import Subscriber
from status.secrets import Locked, decrypt

TYPES = ("email", "sms", "webhook", "slack", "teams", "integration_partner")
STATES = ("active", "unconfirmed", "quarantined", "all")


class SubscriberInput(Input):
    email = serializers.CharField(required=False, max_length=254, help_text="A webhook's is its owner's.")
    endpoint = serializers.CharField(required=False, max_length=500, help_text="The URL of a webhook.")
    skip_confirmation_notification = serializers.BooleanField(
        required=False, help_text="They asked for it elsewhere, and need not confirm."
    )
    component_ids = Ids(required=False, help_text="Only these; everything on the page, if left out.")
    phone_number = serializers.CharField(required=False, allow_blank=True)
    phone_country = serializers.CharField(required=False, allow_blank=True)
    page_access_user = serializers.CharField(required=False, allow_blank=True)

    def validate(self, given: dict[str, Any]) -> dict[str, Any]:
        for name in ("phone_number", "page_access_user"):
            if given.get(name):
                raise serializers.ValidationError({name: _("Subscribers have an e-mail address or a webhook here.")})
        if not given.get("email"):
            raise serializers.ValidationError({"email": _("Say to which address. A webhook has its owner's.")})
        return given


SubscriberRequest = enveloped("subscriber", SubscriberInput, title="SubscriberRequest")


class SubscriberChange(Input):
    component_ids = Ids(required=False, help_text="Only these from now on; none means everything on the page.")


class SubscribersRequest(Input):
    subscribers = Ids(help_text="Up to 100 ids, or “all”, if they are no more than that.")
    type = serializers.ChoiceField(TYPES, required=False)
    state = serializers.ChoiceField(STATES, required=False)
    skip_unsubscription_notification = serializers.BooleanField(required=False)


class SubscriberQuery(Slice):
    q = serializers.CharField(
        required=False, max_length=254, help_text="A part of the e-mail address, or of a webhook's host."
    )
    type = serializers.ChoiceField(TYPES, required=False)
    state = serializers.ChoiceField(STATES, required=False, default="active")
    page = serializers.IntegerField(min_value=0, max_value=1_000_000, required=False, help_text="The first one is 0.")
    sort_field = serializers.ChoiceField(
        ("primary", "created_at", "quarantined_at", "relevance"), required=False, default="primary"
    )
    sort_direction = serializers.ChoiceField(("asc", "desc"), required=False, default="asc")


class CountQuery(Input):
    type = serializers.ChoiceField(TYPES, required=False)
    state = serializers.ChoiceField(STATES, required=False, default="active")


class SubscriberAnswer(serializers.Serializer[Any]):
    id = serializers.CharField(source="public_id")
    skip_confirmation_notification = Always(False)
    mode = serializers.CharField(source="channel")
    email = serializers.SerializerMethodField()
    endpoint = serializers.SerializerMethodField()
    phone_number = Always(None)
    phone_country = Always(None)
    display_phone_number = Always(None)
    obfuscated_channel_name = Always(None)
    workspace_name = Always(None)
    quarantined_at = serializers.SerializerMethodField()
    purge_at = Always(None)
    components = serializers.SerializerMethodField()
    page_access_user_id = Always(None)
    created_at = Timestamp()

    def get_email(self, recipient: Subscriber) -> str:
        return recipient.address if recipient.channel == Subscriber.Channel.EMAIL else recipient.contact

    def get_endpoint(self, recipient: Subscriber) -> str | None:
        """Where it is posted, or which one it is when no key of ours opens that any more."""
        if recipient.channel != Subscriber.Channel.WEBHOOK:
            return None
        try:
            return decrypt(recipient.endpoint)
        except Locked:
            return recipient.address

    def get_quarantined_at(self, recipient: Subscriber) -> str | None:
        if recipient.state != Subscriber.State.QUARANTINED:
            return None
        return Timestamp().to_representation(recipient.updated_at)

    def get_components(self, recipient: Subscriber) -> list[str]:
        return [row.component.public_id for row in recipient.follows.all() if row.component]


class StatesAnswer(serializers.Serializer[Any]):
    active = serializers.IntegerField()
    unconfirmed = serializers.IntegerField()
    quarantined = serializers.IntegerField()
    total = serializers.IntegerField()


Counts = inline_serializer("SubscriberCounts", {kind: serializers.IntegerField(required=False) for kind in TYPES})
Histogram = inline_serializer("SubscriberHistogram", {kind: StatesAnswer() for kind in TYPES})
