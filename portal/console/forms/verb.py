"""What the forms have in common: they read the input, call a service and show what it refused."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar
from zoneinfo import ZoneInfo

from django import forms
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Model
from django.utils import timezone
from django.utils.datastructures import MultiValueDict
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from incidents import checking, outbox
from incidents.errors import DomainError, Forbidden, InvalidInput, InvalidTransition
from incidents.models import OutboxEvent, Submission, User
from incidents.permissions import Verb

if TYPE_CHECKING:
    from django_stubs_ext import StrPromise

    from portal.console.forms.components import ComponentChips

    Data = Mapping[str, Any] | None
    Fieldsets = tuple[tuple[StrPromise | None, dict[str, Any]], ...]

Kind = OutboxEvent.Kind
REASON_LENGTH = 500
TOKEN = "token"  # noqa: S105  (the name of an input)
UNTYPED = {TOKEN, "csrfmiddlewaretoken"}  # what the page put into the form by itself


class VerbForm(forms.Form):
    """One verb. `heading` is what the page and its button say, `done` what is said after it; times are in `zone`.

    Each form that is shown carries a new `token`. What is sent twice with one token is done once: `repeated` is then
    the first time. Sent with one token but with other words, it is refused, and a third time it is meant.
    """

    verb: ClassVar[Verb]
    heading: ClassVar[StrPromise]
    done: StrPromise = gettext_lazy("Saved.")
    fieldsets: ClassVar[Fieldsets] = ()  # empty: all fields, one below the other
    components: ComponentChips | None = None
    repeated: Submission | None = None
    tells: ClassVar[bool] = False  # whether customers may read something new after it: then staff can preview it

    def __init__(self, author: User, data: Data = None) -> None:
        super().__init__(data)
        self.author = author
        self.token = str((data or {}).get(TOKEN, ""))[:32] or new_token()

    @property
    def zone(self) -> ZoneInfo | None:
        """None for the server's own."""
        return None

    def is_valid(self) -> bool:
        rows_are_valid = self.components is None or self.components.is_valid()
        return super().is_valid() and rows_are_valid

    def perform(self) -> bool:
        """Whether it was done. If not, the form says why, and nothing was written. Raises `Forbidden`."""
        if not self.is_valid():
            return False
        try:
            with transaction.atomic(), outbox.watched() as events:
                if TOKEN not in self.data:
                    self.act()
                elif not self._is_repeated():
                    self.act()
                    self._remember()
                if self.tells:
                    self._check_leaks(events)
        except Forbidden:
            raise
        except DomainError as refusal:
            self.refuse(refusal)
            return False
        return True

    def _check_leaks(self, events: Iterable[OutboxEvent]) -> None:
        """Raises `InvalidInput` when an update that becomes public has a secret or an internal name in it."""
        posted = {event.update for event in events if event.kind in (Kind.UPDATE_POSTED, Kind.UPDATE_CORRECTED)}
        found = [
            finding for update in posted if update for finding in checking.leaks(update.incident.page, update.body)
        ]
        if found:
            raise InvalidInput(" ".join(finding.reason for finding in found), field="body")

    def _is_repeated(self) -> bool:
        try:
            self.repeated = first_time(self.author, self.token, self.data, self.files)
        except DomainError:
            self.token = new_token()
            raise
        return self.repeated is not None

    def _remember(self) -> None:
        """What was done, for who sends it again."""
        if incident := getattr(self, "incident", None):
            Submission.objects.filter(author=self.author, token=self.token).update(incident=incident)

    def act(self) -> None:
        """Call the service."""
        raise NotImplementedError  # each verb has its own; an abstract class would clash with the metaclass of forms

    def refuse(self, refusal: DomainError) -> None:
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


class MomentInput(forms.DateTimeInput):
    """The browser's own picker, with the time zone written beside it."""

    input_type = "datetime-local"

    def __init__(self, **_kwargs: Any) -> None:  # the admin gives its own attributes
        super().__init__(format="%Y-%m-%dT%H:%M")

    def render(self, *args: Any, **kwargs: Any) -> SafeString:
        return format_html(
            '{} <span class="zone">{}</span>', super().render(*args, **kwargs), timezone.get_current_timezone_name()
        )


class MomentField(forms.DateTimeField):
    """An instant, entered to the minute in the current time zone."""

    widget = MomentInput

    def to_python(self, value: Any) -> datetime | None:
        """Refuses a local time that is not one instant, and says which to choose."""
        try:
            return super().to_python(value)
        except ValidationError as error:
            if error.code != "ambiguous_timezone" or not error.params:
                raise
            raise ValidationError(_not_one_instant(error.params["datetime"])) from error

    def prepare_value(self, value: Any) -> Any:
        """Without seconds, so that a time which nobody touched counts as unchanged."""
        value = super().prepare_value(value)
        return value.replace(second=0, microsecond=0) if isinstance(value, datetime) else value


def _not_one_instant(wall: datetime) -> str:
    zone = timezone.get_current_timezone()
    facts = {"time": f"{wall:%H:%M}", "zone": timezone.get_current_timezone_name()}
    if wall.replace(tzinfo=zone).astimezone(UTC).astimezone(zone).replace(tzinfo=None) == wall:
        return (
            _("%(time)s comes twice on that day, because clocks go back in %(zone)s. Choose a time outside that hour.")
            % facts
        )
    return _("%(time)s does not exist on that day: clocks go forward in %(zone)s. Choose a time an hour later.") % facts


def one_line(label: StrPromise, *, most: int | None = None, **kwargs: Any) -> forms.CharField:
    return forms.CharField(label=label, max_length=most, widget=forms.TextInput({"class": "vTextField"}), **kwargs)


def many_lines(label: StrPromise, *, rows: int = 6, **kwargs: Any) -> forms.CharField:
    widget = forms.Textarea({"class": "vLargeTextField", "rows": rows})
    return forms.CharField(label=label, widget=widget, **kwargs)


def column(model: type[Model], name: str, **kwargs: Any) -> forms.Field:
    """The input that Django makes of a model's field."""
    field = model._meta.get_field(name).formfield(**kwargs)  # type: ignore[union-attr]  # named fields have one
    assert isinstance(field, forms.Field)
    return field
