"""The history of an account: a second factor that was set up or taken away, as allauth's signals say."""

from __future__ import annotations

from typing import Any

from allauth.mfa.models import Authenticator
from django.utils.translation import gettext as _

from incidents.models import User


def note_added(authenticator: Authenticator, **_signal: Any) -> None:
    _note(authenticator, _("%(factor)s set up"))


def note_removed(authenticator: Authenticator, **_signal: Any) -> None:
    _note(authenticator, _("%(factor)s taken away"))


def _note(authenticator: Authenticator, change: str) -> None:
    user = User.objects.get(pk=authenticator.user_id)
    user._change_reason = change % {"factor": authenticator.get_type_display()}
    user.save()
