"""The history of an account: what django-allauth changes of it, which no service of ours does."""

from __future__ import annotations

from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from django.db import transaction
from django.utils.translation import gettext as _

from incidents.authorship import current_author
from incidents.marks import mark_of
from incidents.models import User

PARTS = (Authenticator, EmailAddress, SocialAccount)  # of what opens an account


@transaction.atomic
def note(instance: Any, created: bool | None = None, **_signal: Any) -> None:
    """A part was written, or taken away: then `created` is None. A service saves the account itself.

    Django's signals, because they come in the same transaction; allauth's come after it, and not for every part.
    """
    user = User.objects.select_for_update(no_key=True).filter(pk=instance.user_id).first()
    if user is None or current_author() is not None:
        return
    newest = user.history.first()
    if newest is None or newest.mark != mark_of(user):
        user._change_reason = _reason(instance, created)
        user.save()


def _reason(instance: Any, created: bool | None) -> str:
    if not isinstance(instance, Authenticator) or created is False:
        return _("Sign-in changed")
    what = _("%(factor)s set up") if created else _("%(factor)s taken away")
    return what % {"factor": instance.get_type_display()}
