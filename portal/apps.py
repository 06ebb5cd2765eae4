from __future__ import annotations

from django.apps import AppConfig

# What people manage on their own pages, or the table of rights says
NOT_IN_THE_ADMIN = frozenset({"account", "auth", "mfa", "socialaccount", "usersessions"})


class PortalConfig(AppConfig):
    name = "portal"

    def ready(self) -> None:
        from allauth.account.signals import password_reset
        from allauth.mfa.models import Authenticator
        from allauth.socialaccount.models import SocialAccount
        from anymail.signals import tracking
        from django.contrib import admin
        from django.db.models.signals import post_delete, post_save

        from portal.accounts import adapters, sign_in
        from portal.console import bars, preview
        from portal.console.admin.base import RecordAdmin
        from portal.console.admin.catalogue import ComponentAdmin
        from portal.intake import bounces

        RecordAdmin.preview = staticmethod(preview.of)
        ComponentAdmin.bars = staticmethod(bars.of)
        admin.site.unregister([model for model in admin.site._registry if model._meta.app_label in NOT_IN_THE_ADMIN])
        for signal in (post_save, post_delete):
            for model in (Authenticator, SocialAccount):
                signal.connect(sign_in.note_way_in, sender=model, dispatch_uid=f"portal.accounts.{model.__name__}")
        password_reset.connect(adapters.open_again, dispatch_uid="portal.accounts.adapters")
        tracking.connect(bounces.on_event, dispatch_uid="portal.intake.bounces")
