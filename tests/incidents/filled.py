"""A form as a browser would send it, and what tells whether anything was written."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

from django.apps import apps
from django.urls import reverse

from incidents.models import Incident


class _Form(HTMLParser):
    """Reads what the fields of a page's own form hold; the one that logs out is the frame's."""

    def __init__(self) -> None:
        super().__init__()
        self.values: dict[str, str] = {}
        self._is_inside = False
        self._select = self._textarea = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        has = dict(attrs)
        name = has.get("name") or ""
        if tag == "form":
            self._is_inside = has.get("method") == "post" and has.get("id") != "logout-form"
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


def filled(response: Any, **typed: object) -> dict[str, str]:
    """What is sent when somebody types `typed` into the form of this page and leaves the rest as it is.

    `components=[(component, status), ...]` fills the rows from the first one on.
    """
    form = _Form()
    form.feed(response.content.decode())
    values = {name: value for name, value in form.values.items() if "__prefix__" not in name}
    rows: Any = typed.pop("components", [])
    for number, (component, status) in enumerate(rows):
        assert f"components-{number}-component" in values, "the form has too few rows"
        values |= {f"components-{number}-component": str(component.pk), f"components-{number}-status": status}
    unknown = typed.keys() - values.keys()
    assert not unknown, f"the form has no {unknown}"
    return values | {name: str(value) for name, value in typed.items()}


def counts() -> dict[str, int]:
    """How many rows each table of the record has, histories too."""
    return {
        model._meta.db_table: model._base_manager.count() for model in apps.get_app_config("incidents").get_models()
    }


def address(incident: Incident, name: str) -> str:
    return reverse(f"admin:incidents_incident_{name}", args=[incident.pk])
