from __future__ import annotations

from django.apps import AppConfig


class PortalConfig(AppConfig):
    name = "portal"

    def ready(self) -> None:
        from anymail.signals import tracking

        from incidents.admin.base import RecordAdmin
        from portal import bounces
        from portal.console import preview

        RecordAdmin.preview = staticmethod(preview.of)
        tracking.connect(bounces.on_event, dispatch_uid="portal.bounces")
