from __future__ import annotations

from django.apps import AppConfig

# What people manage on their own pages, or the table of rights says
NOT_IN_THE_ADMIN = frozenset({"account", "auth", "socialaccount", "usersessions"})


class PortalConfig(AppConfig):
    name = "portal"

    def ready(self) -> None:
        from anymail.signals import tracking
        from django.contrib import admin

        from incidents.admin.base import RecordAdmin
        from portal import bounces
        from portal.console import preview

        RecordAdmin.preview = staticmethod(preview.of)
        admin.site.unregister([model for model in admin.site._registry if model._meta.app_label in NOT_IN_THE_ADMIN])
        tracking.connect(bounces.on_event, dispatch_uid="portal.bounces")
