from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class StatusConfig(AppConfig):
    name = "status"
    verbose_name = _("Public status")

    def ready(self) -> None:
        from incidents.signals import event_recorded
        from status import relay  # noqa: F401  (this and the next ones register their loops)
        from status.delivery import ledger, nudges  # noqa: F401
        from status.publication.publishing import on_event
        from status.subscriptions import left_behind  # noqa: F401

        event_recorded.connect(on_event, dispatch_uid="status.publish")
