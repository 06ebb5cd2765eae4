from __future__ import annotations

from typing import Any

from django.conf import settings
from rest_framework import serializers

from portal.api.serializers.base import Always, Input, Timestamp, enveloped

# What Statuspage's page has and this product's does not
UNKNOWN = (
    *("page_description", "headline", "branding", "subdomain", "notifications_email_footer", "activity_score"),
    *("twitter_username", "ip_restrictions", "city", "state", "country", "css_body_background_color"),
    *("css_font_color", "css_light_font_color", "css_greens", "css_yellows", "css_oranges", "css_blues", "css_reds"),
    *("css_border_color", "css_graph_color", "css_link_color", "css_no_data"),
    *("favicon_logo", "transactional_logo", "hero_cover", "email_logo", "twitter_logo"),
)


class PageInput(Input):
    name = serializers.CharField(required=False, max_length=100)
    url = serializers.CharField(required=False, max_length=200, help_text="Where customers read it.")
    domain = serializers.CharField(required=False, max_length=200, help_text="Its host name, which `url` has too.")
    support_url = serializers.CharField(required=False, allow_null=True, allow_blank=True, max_length=200)
    time_zone = serializers.CharField(required=False, max_length=64, help_text="As Europe/Rome.")


PageRequest = enveloped("page", PageInput, title="PageRequest")


class PageAnswer(serializers.Serializer[Any]):
    id = serializers.CharField(source="public_id")
    created_at = Timestamp()
    updated_at = Timestamp()
    name = serializers.CharField()
    domain = serializers.CharField(source="host")
    url = serializers.CharField()
    support_url = serializers.SerializerMethodField()
    hidden_from_search = Always(False)
    allow_page_subscribers = Always(True)
    allow_incident_subscribers = Always(True)
    allow_email_subscribers = Always(True)
    allow_sms_subscribers = Always(False)
    allow_rss_atom_feeds = Always(True)
    allow_webhook_subscribers = Always(True)
    notifications_from_email = serializers.SerializerMethodField()
    viewers_must_be_team_members = Always(False)
    time_zone = serializers.CharField()

    def get_fields(self) -> dict[str, Any]:
        return super().get_fields() | {name: Always(None) for name in UNKNOWN}

    def get_support_url(self, page: Any) -> str | None:
        url: str = page.support_url
        return url or None

    def get_notifications_from_email(self, page: Any) -> str:
        return settings.DEFAULT_FROM_EMAIL
