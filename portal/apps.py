from __future__ import annotations

from django.apps import AppConfig

# What people manage on their own pages, or the table of rights says
NOT_IN_THE_ADMIN = frozenset({"account", "auth", "mfa", "socialaccount"})


class PortalConfig(AppConfig):
    name = "portal"

    def ready(self) -> None:
        from allauth.account.signals import password_reset
        from allauth.mfa.signals import authentication_failed
        from anymail.signals import tracking
        from django.contrib import admin
        from django.contrib.auth.signals import user_logged_in, user_login_failed
        from django.db.models.signals import post_delete, post_save

        from portal.accounts import account_history, adapters, attempts, sessions
        from portal.intake import bounces

        admin.site.unregister([model for model in admin.site._registry if model._meta.app_label in NOT_IN_THE_ADMIN])
        for part in account_history.PARTS:
            for signal in (post_save, post_delete):
                signal.connect(account_history.note, sender=part, dispatch_uid="portal.accounts")
        password_reset.connect(adapters.open_again)
        user_logged_in.connect(attempts.note_success)
        user_logged_in.connect(sessions.note_sign_in)
        user_login_failed.connect(attempts.note_failure)
        authentication_failed.connect(attempts.note_wrong_code)
        tracking.connect(bounces.on_event, dispatch_uid="portal.intake.bounces")
