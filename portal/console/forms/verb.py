"""What the forms have in common: they read the input, call a service and show what it refused."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar
from zoneinfo import ZoneInfo

from django import forms
from django.db import transaction
from django.utils import timezone
from django.utils.datastructures import MultiValueDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from incidents.checking import letting_stand
from incidents.errors import DomainError, Forbidden, InvalidInput, InvalidTransition, LeakFound
from incidents.models import Submission, User
from incidents.permissions import Verb

if TYPE_CHECKING:
    from django_stubs_ext import StrPromise

    Data = Mapping[str, Any] | None
    Fieldsets = tuple[tuple[StrPromise | None, dict[str, Any]], ...]

REASON_LENGTH = 500
TOKEN = "token"  # noqa: S105  (the name of an input)
FOUND, LET_STAND = "found", "let_stand"  # the digests of what was found, and why it may stand
UNTYPED = {TOKEN, "csrfmiddlewaretoken"}  # what the page put into the form by itself


class VerbForm(forms.Form):
    """One verb. `heading` is what the page and its button say, `done` what is said after it; times are in `zone`.

    Each form that is shown carries a new `token`. What is sent twice with one token is done once: `repeated` is then
    the first time. Sent with one token but with other words, it is refused, and a third time it is meant.
    """

    verb: ClassVar[Verb]
    heading: ClassVar[StrPromise]
    done: StrPromise | str = gettext_lazy("Saved.")
    fieldsets: ClassVar[Fieldsets] = ()  # empty: all fields, one below the other
    repeated: Submission | None = None
    found: str = ""  # as `names_found` says, of what was refused
    along: Mapping[str, int] | None = None  # of a deletion: what goes with it
    has_preview: ClassVar[bool] = False  # for what customers may read something new after

    def __init__(self, author: User, data: Data = None) -> None:
        super().__init__(data)
        self.author = author
        self.token = str((data or {}).get(TOKEN, ""))[:32] or new_token()

    @property
    def zone(self) -> ZoneInfo | None:
        """None for the server's own."""
        return None

    def perform(self) -> bool:
        """Whether it was done. If not, the form says why, and nothing was written. Raises `Forbidden`."""
        if not self.is_valid():
            return False
        try:
            with transaction.atomic(), letting_stand(let_stand(self.data)):
                if TOKEN not in self.data:
                    self.act()
                elif not self._is_repeated():
                    self.act()
                    self._remember()
        except Forbidden:
            raise
        except DomainError as refusal:
            self.refuse(refusal)
            return False
        return True

    def _is_repeated(self) -> bool:
        try:
            self.repeated = first_time(self.author, self.token, self.data, self.files)
        except DomainError:
            self.token = new_token()
            raise
        return self.repeated is not None

    def _remember(self) -> None:
        """Keep which incident it was about, for a form that is sent twice."""
        if incident := getattr(self, "incident", None):
            Submission.objects.filter(author=self.author, token=self.token).update(incident=incident)

    def act(self) -> None:
        """Call the service."""
        raise NotImplementedError  # each verb has its own; an abstract class would clash with the metaclass of forms

    def refuse(self, refusal: DomainError) -> None:
        self.found = names_found(refusal, self.data)
        show_refusal(self, refusal)


def new_token() -> str:
    return secrets.token_urlsafe(16)


def first_time(author: User, token: str, data: Mapping[str, Any], files: Mapping[str, Any]) -> Submission | None:
    """When this form was sent before; None when it is new. A transaction that does the same now is waited for.

    Raises `DomainError` when other words were sent with this token.
    """
    names = sorted((name, str(file), getattr(file, "size", 0)) for name, file in files.items())
    digest = hashlib.sha256(repr((_typed(data), names)).encode()).hexdigest()
    first, is_new = Submission.objects.get_or_create(author=author, token=token, defaults={"digest": digest})
    if is_new or first.digest == digest:
        return None if is_new else first
    raise DomainError(
        _("This form was sent before, with other words; that was done at %(time)s. Send it again to do this too.")
        % {"time": f"{timezone.localtime(first.created_at):%H:%M %Z}"}
    )


def _typed(data: Mapping[str, Any]) -> list[tuple[str, Any]]:
    pairs = data.lists() if isinstance(data, MultiValueDict) else data.items()
    return sorted((name, value) for name, value in pairs if name not in UNTYPED and "password" not in name)


def show_refusal(form: forms.BaseForm, refusal: DomainError) -> None:
    """Say at the field that it is about, or above the form, why nothing was written."""
    name: str | None = None
    if isinstance(refusal, InvalidInput):
        name = refusal.field
    elif isinstance(refusal, InvalidTransition):
        name = "status"
    form.add_error(name if name in form.fields else None, str(refusal))


def let_stand(data: Mapping[str, Any]) -> dict[str, str]:
    """Why what was found may stand, by its digest, as somebody says who sends the form again."""
    reason = str(data.get(LET_STAND, "")).strip()[:REASON_LENGTH]
    return dict.fromkeys(str(data.get(FOUND, "")).split(), reason) if reason else {}


def names_found(refusal: DomainError, data: Mapping[str, Any]) -> str:
    """What may stand if somebody says why: these digests go with the form when it is sent again."""
    if not isinstance(refusal, LeakFound):
        return ""
    return " ".join([*let_stand(data), *refusal.may_stand])
