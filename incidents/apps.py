from __future__ import annotations

from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class IncidentsConfig(AppConfig):
    name = "incidents"
    verbose_name = _("Incidents")

    def ready(self) -> None:
        from simple_history.signals import pre_create_historical_record

        from incidents import planned, sweeping  # noqa: F401  (these and the next ones register their loops)
        from incidents.history import seals  # noqa: F401
        from incidents.isolation import free_all
        from incidents.maintenance import clockwork  # noqa: F401
        from incidents.marks import mark_history
        from incidents.permissions import install_roles

        post_migrate.connect(install_roles, sender=self)
        post_migrate.connect(free_all, sender=self, dispatch_uid="incidents.isolation")
        pre_create_historical_record.connect(mark_history, dispatch_uid="incidents.marks")
