"""Edit conflicts: two people change the same row at the same time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from django import forms
from django.utils.translation import gettext as _

if TYPE_CHECKING:
    from django.http import QueryDict


class EditConflictForm(forms.BaseForm):
    """Sends what each field held when the form was shown, and so knows which side changed it.

    A field that only somebody else changed keeps their value. One that both changed is an error which shows their
    value: nobody overwrites it unseen. The same form, sent a second time, overwrites it.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        instance = getattr(self, "instance", None)
        for field in self.fields.values():
            is_shown = not (field.disabled or isinstance(field, forms.FileField) or field.widget.is_hidden)
            field.show_hidden_initial = is_shown and (instance is None or instance.pk is not None)

    def clean(self) -> dict[str, Any] | None:
        facts = super().clean() or self.cleaned_data
        for name, field in self.fields.items():
            bound = self[name]
            seen = self._sent(bound)
            theirs = self._held(bound)
            if not field.show_hidden_initial or seen is None or theirs == seen:
                continue
            if name not in self.changed_data:
                facts[name] = self._value(bound)
            elif field.has_changed(bound.initial, bound.data):
                words = ", ".join(_label(field, value) for value in theirs) or _("empty")
                text = _("Somebody changed this while you typed: it is “%(words)s” now. Send again to put yours there.")
                self.add_error(name, text % {"words": words})
                self.data = data = cast("QueryDict", self.data).copy()
                data.setlist(bound.html_initial_name, theirs)
        return facts

    def _value(self, bound: forms.BoundField) -> Any:
        """What is held, as a valid form has it; of a row to the second, which nobody types."""
        instance = getattr(self, "instance", None)
        columns = {column.name for column in instance._meta.concrete_fields} if instance else set()
        if bound.name in columns:
            return getattr(instance, bound.name)
        return bound.field.clean(bound.field.prepare_value(bound.initial))

    def _sent(self, bound: forms.BoundField) -> list[str] | None:
        """What the field held when it was shown; None when the sender does not say."""
        if bound.html_initial_name not in self.data:  # several that were none are not sent
            is_several = isinstance(bound.field.hidden_widget(), forms.MultipleHiddenInput)
            return [] if is_several and any(name.startswith("initial-") for name in self.data) else None
        return _texts(bound.field.hidden_widget().value_from_datadict(self.data, self.files, bound.html_initial_name))

    def _held(self, bound: forms.BoundField) -> list[str]:
        """What it would hold now."""
        return _texts(bound.field.prepare_value(bound.initial))


def _texts(value: Any) -> list[str]:
    values = value if isinstance(value, list) else [] if value is None else [value]
    return sorted(str(each).replace("\r\n", "\n") for each in values if each not in (None, ""))


def _label(field: forms.Field, value: str) -> str:
    choices = {str(key): str(words) for key, words in getattr(field, "choices", ())}
    return choices.get(value, value)
