from __future__ import annotations

from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class StatusConfig(AppConfig):
    name = "status"
    verbose_name = _("Public status")

    def ready(self) -> None:
        from incidents.signals import event_recorded
        from status import relay  # noqa: F401  (this and the next ones register their loops)
        from status.delivery import ledger, nudges  # noqa: F401
        from status.publication.publisher import note_version
        from status.publication.publishing import on_event
        from status.subscriptions import left_behind  # noqa: F401

        post_migrate.connect(note_version, sender=self, dispatch_uid="status.publisher")
        event_recorded.connect(on_event, dispatch_uid="status.publish")
