"""The history of an account: what django-allauth changes of it, which no service of ours does."""

from __future__ import annotations

from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from django.utils.translation import gettext as _

from incidents.authorship import current_author
from incidents.history.marks import mark_of
from incidents.models import User

PARTS = (Authenticator, EmailAddress, SocialAccount)  # of what opens an account


def note_added(authenticator: Authenticator, **_signal: Any) -> None:
    _note(authenticator.user_id, _("%(factor)s set up") % {"factor": authenticator.get_type_display()})


def note_removed(authenticator: Authenticator, **_signal: Any) -> None:
    _note(authenticator.user_id, _("%(factor)s taken away") % {"factor": authenticator.get_type_display()})


def note_written(sender: type[Any], instance: Any, created: bool | None = None, **_signal: Any) -> None:
    """Of what is written beside that, keep the code in the history; allauth has no signal for all of it.

    A service saves the account itself, and `note_added` and `note_removed` say more of second factors.
    """
    is_noted = sender is Authenticator and created is not False
    if current_author() is None and not is_noted:
        user = User.objects.get(pk=instance.user_id)
        newest = user.history.first()
        if newest is None or newest.mark != mark_of(user):
            _note(user.pk, _("Sign-in changed"))


def _note(user_pk: int, change: str) -> None:
    user = User.objects.get(pk=user_pk)
    user._change_reason = change
    user.save()
