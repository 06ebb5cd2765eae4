"""Inputs that many forms have: instants, lines of text, and a model's own columns."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Model
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

if TYPE_CHECKING:
    from django_stubs_ext import StrPromise


class InstantInput(forms.DateTimeInput):
    """The browser's own picker, with the time zone written beside it."""

    input_type = "datetime-local"

    def __init__(self, **_kwargs: Any) -> None:  # the admin gives its own attributes
        super().__init__(format="%Y-%m-%dT%H:%M")

    def render(self, *args: Any, **kwargs: Any) -> SafeString:
        return format_html(
            '{} <span class="zone">{}</span>', super().render(*args, **kwargs), timezone.get_current_timezone_name()
        )


class InstantField(forms.DateTimeField):
    """An instant, entered to the minute in the current time zone."""

    widget = InstantInput

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
    found: Any = model._meta.get_field(name)
    field: forms.Field = found.formfield(**kwargs)
    return field
