from __future__ import annotations

from django.apps import AppConfig

# What people manage on their own pages, or the table of rights says
NOT_IN_THE_ADMIN = frozenset({"account", "auth", "mfa", "socialaccount", "usersessions"})


class PortalConfig(AppConfig):
    name = "portal"

    def ready(self) -> None:
        from allauth.mfa.models import Authenticator
        from anymail.signals import tracking
        from django.contrib import admin
        from django.contrib.auth.signals import user_logged_in, user_login_failed
        from django.db.models.signals import post_delete, post_save

        from portal.accounts import attempts, sign_in
        from portal.console import bars, preview
        from portal.console.admin.base import RecordAdmin
        from portal.console.admin.catalogue import ComponentAdmin
        from portal.intake import bounces

        RecordAdmin.preview = staticmethod(preview.of)
        ComponentAdmin.bars = staticmethod(bars.of)
        admin.site.unregister([model for model in admin.site._registry if model._meta.app_label in NOT_IN_THE_ADMIN])
        for signal in (post_save, post_delete):
            signal.connect(sign_in.note_second_factor, sender=Authenticator, dispatch_uid="portal.accounts.sign_in")
        user_logged_in.connect(attempts.note_success, dispatch_uid="portal.accounts.attempts")
        user_login_failed.connect(attempts.note_failure, dispatch_uid="portal.accounts.attempts")
        tracking.connect(bounces.on_event, dispatch_uid="portal.intake.bounces")
