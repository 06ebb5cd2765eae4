from __future__ import annotations

from django.apps import AppConfig


class PortalConfig(AppConfig):
    name = "portal"

    def ready(self) -> None:
        from incidents.admin.base import RecordAdmin
        from portal.console import preview

        RecordAdmin.preview = staticmethod(preview.of)
