"""The doors. What is not named here is a published file, or 404; the middleware answers health checks."""

from __future__ import annotations

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path

from portal.intake import bounces

handler400 = "portal.api.errors.bad_request"
handler500 = "portal.api.errors.server_error"

urlpatterns: list[URLPattern | URLResolver] = [
    path("admin/account/", include("portal.accounts.urls")),
    path("admin/", include("portal.console.urls")),
    path("admin/", admin.site.urls),
    path("api/", include("portal.api.urls")),
    path("demo/", include("portal.embedded.mailbox")),
    path("mail/events", bounces.events, name="mail-events"),
    path("", include("status.subscriptions.urls")),
]
