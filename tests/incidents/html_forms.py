"""A form as a browser would send it, and what tells whether anything was written."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

from django.apps import apps
from django.urls import reverse

from incidents.models import Incident


class _Form(HTMLParser):
    """Reads what the fields of a page's own form hold, or of the one with an id; another one logs out."""

    def __init__(self, form_id: str | None) -> None:
        super().__init__()
        self.form_id = form_id
        self.values: dict[str, str] = {}
        self._is_inside = False
        self._select = self._textarea = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        has = dict(attrs)
        name = has.get("name") or ""
        if tag == "form":
            self._is_inside = has.get("method") == "post" and has.get("id") != "logout-form"
            if self.form_id:
                self._is_inside = has.get("id") == self.form_id
        elif not self._is_inside:
            return
        elif tag == "textarea":
            self._textarea = name
            self.values[name] = ""
        elif tag == "select":
            self._select = name
        elif tag == "option" and ("selected" in has or self._select not in self.values):
            self.values[self._select] = has.get("value") or ""
        elif tag == "input" and name and (has.get("type") != "checkbox" or "checked" in has):
            self.values[name] = has.get("value") or ("on" if has.get("type") == "checkbox" else "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._is_inside = False
        elif tag == "textarea":
            self._textarea = ""

    def handle_data(self, data: str) -> None:
        if self._textarea:
            self.values[self._textarea] += data.removeprefix("\n")


def filled(response: Any, form_id: str | None = None, **typed: object) -> dict[str, str]:
    """What is sent when somebody types `typed` into the form of this page and leaves the rest as it is.

    `components=[(component, status), ...]` chooses a status for each of them.
    """
    form = _Form(form_id)
    form.feed(response.content.decode())
    values = form.values
    rows: Any = typed.pop("components", [])
    for component, status in rows:
        assert f"components-{component.pk}" in values, "the form does not offer this component"
        values[f"components-{component.pk}"] = status
    unknown = typed.keys() - values.keys()
    assert not unknown, f"the form has no {unknown}"
    return values | {name: str(value) for name, value in typed.items()}


def counts() -> dict[str, int]:
    """How many rows each table of the record has, histories too."""
    return {
        model._meta.db_table: model._base_manager.count() for model in apps.get_app_config("incidents").get_models()
    }


def room(incident: Incident, verb: str = "") -> str:
    """The address of an incident's room, or of a verb there."""
    return reverse(f"room_{verb}" if verb else "room", args=[incident.public_id])


def address(incident: Incident, name: str) -> str:
    return reverse(f"admin:incidents_incident_{name}", args=[incident.pk])
