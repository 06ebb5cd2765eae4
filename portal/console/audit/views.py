"""Who changed what, over everything; and all that there is about one incident, in one file."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.core.serializers.json import DjangoJSONEncoder
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from incidents.history import seals
from incidents.models import Incident, User
from incidents.permissions import Verb, allows
from portal.console.audit import log
from portal.console.audit.incident_file import incident_file_of
from portal.console.forms.fields import InstantField
from portal.console.requests import acting

if TYPE_CHECKING:
    from portal.console.audit.log import AuditEntry

COLUMNS = ("at", "author", "table", "row", "what", "change", "changes", "reason")


class FilterForm(forms.Form):
    author = forms.ModelChoiceField(
        label=gettext_lazy("Author"),
        queryset=User.objects.order_by("username"),
        required=False,
        empty_label=gettext_lazy("Everybody"),
    )
    table = forms.ChoiceField(label=gettext_lazy("What"), required=False)
    since = InstantField(label=gettext_lazy("From"), required=False)
    until = InstantField(label=gettext_lazy("Until"), required=False)
    before = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(self, data: Any) -> None:
        super().__init__(data)
        table = self.fields["table"]
        assert isinstance(table, forms.ChoiceField)
        table.choices = [("", _("Everything")), *log.choices()]

    def clean_before(self) -> log.Place | None:
        text = self.cleaned_data["before"]
        try:
            return log.Place.read(text) if text else None
        except ValueError as error:
            raise forms.ValidationError(_("This link is not whole. Begin at the newest change.")) from error

    @property
    def wanted(self) -> log.Filter:
        facts = self.cleaned_data
        return log.Filter(facts["author"], facts["table"], facts["since"], facts["until"])


@admin.site.admin_view
def audit(request: HttpRequest, file: str = "") -> HttpResponse | StreamingHttpResponse:
    """The audit log as a page, or all that the filter lets through as `csv` or `json`."""
    if not allows(acting(request), Verb.READ_AUDIT):
        raise PermissionDenied
    form = FilterForm(request.GET)
    is_valid = form.is_valid()
    if file and is_valid:
        write = {"csv": as_csv, "json": as_json}[file]
        kind = {"csv": "text/csv; charset=utf-8", "json": "application/json"}[file]
        headers = {"Content-Disposition": f'attachment; filename="audit.{file}"'}
        return StreamingHttpResponse(write(log.every(form.wanted)), content_type=kind, headers=headers)
    entries = log.page(form.wanted, form.cleaned_data["before"]) if is_valid else []
    query = request.GET.copy()
    query.pop("before", None)
    context = {
        **admin.site.each_context(request),
        "title": _("Audit"),
        "form": form,
        "entries": entries,
        "query": query.urlencode(),
        "older": str(entries[-1].place) if len(entries) == log.SHOWN else "",
        "head": seals.head(),
    }
    return render(request, "console/audit.html", context, status=200 if is_valid else 422)


@admin.site.admin_view
def incident_file(request: HttpRequest, public_id: str) -> HttpResponse:
    """Everything that is recorded about an incident, and what was sent of it, as one JSON document."""
    if not allows(acting(request), Verb.READ_AUDIT):
        raise PermissionDenied
    incident = get_object_or_404(Incident, public_id=public_id)
    text = json.dumps(incident_file_of(incident), cls=DjangoJSONEncoder, ensure_ascii=False, indent=1)
    name = content_disposition_header(True, f"incident-{public_id}.json") or ""
    return HttpResponse(text, content_type="application/json", headers={"Content-Disposition": name})


def as_csv(entries: Iterator[AuditEntry]) -> Iterator[str]:
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(COLUMNS)
    yield buffer.getvalue()
    for row in map(row_of, entries):
        buffer.seek(0)
        buffer.truncate()
        row["changes"] = "; ".join(f"{name}: {old} → {new}" for name, old, new in row["changes"])
        # A spreadsheet would compute what begins like this.
        writer.writerow(
            [f"'{cell}" if cell.startswith(("=", "+", "-", "@")) else cell for cell in map(str, row.values())]
        )
        yield buffer.getvalue()


def as_json(entries: Iterator[AuditEntry]) -> Iterator[str]:
    """One array, an entry on each line."""
    before = "[\n"
    for entry in entries:
        yield before + json.dumps(row_of(entry), cls=DjangoJSONEncoder, ensure_ascii=False)
        before = ",\n"
    yield "\n]\n" if before == ",\n" else "[]\n"


def row_of(entry: AuditEntry) -> dict[str, Any]:
    return {
        "at": entry.place.at.isoformat(),
        "author": entry.author.get_username() if entry.author else "",
        "table": entry.place.table,
        "row": entry.place.key,
        "what": f"{entry.noun}: {entry.row}",
        "change": entry.verb,
        "changes": [[change.name, change.old, change.new] for change in entry.changes],
        "reason": entry.reason,
    }
