"""The subscribers of a page as a CSV file: read with a report of each line, and written."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _
from simple_history.utils import bulk_create_with_history

from incidents.authorship import service
from incidents.errors import InvalidInput
from incidents.lifecycle import Impact
from incidents.models import Component, Page, User
from incidents.permissions import Verb
from incidents.record_time import written_at
from status import addresses
from status.models import Follow, Subscriber
from status.subscriptions.choices import Choices
from status.subscriptions.subscribers import State, add_by_staff, why_not_added

MOST_LINES = 2_000  # of a file at once: a request may not take long
COLUMNS = ("address", "state", "components", "postmortems_only", "minimum_impact")
FORMULA = re.compile(r"^'?(?=[=+@-])")  # where a spreadsheet would begin to compute, and our mark before it


@dataclass(frozen=True, slots=True)
class Line:
    """A line of an imported file and what became of it."""

    number: int
    text: str
    fault: str  # "" when its address was added


@service(Verb.MANAGE_SUBSCRIBERS)
def import_csv(page: Page, *, content: str, author: User) -> list[Line]:
    """Subscribe the addresses of a file, as `add_by_staff` does; says of each line whether it was added, or why not.

    The file is `export_csv`'s, or one with a subset of its COLUMNS in any order, or addresses alone without a heading.
    """
    columns, lines = _read_file(content)
    page.refresh_from_db(
        fields=["deleted_at"]
    )  # not locked: whoever declares an incident does not wait for a long file
    page.check_live()
    try:
        with transaction.atomic():
            return _add(page, columns, lines, author)
    except IntegrityError:  # somebody has signed up, or was imported, meanwhile, and is known now
        return _add(page, columns, lines, author)


def _add(page: Page, columns: list[str], lines: list[tuple[int, str]], author: User) -> list[Line]:
    components = {str(component): component for component in Component.objects.public().on(page)}
    mailboxes = Subscriber.objects.filter(page=page, channel=Subscriber.Channel.EMAIL)
    known = {row.address: why_not_added(row, author) for row in mailboxes.iterator()}
    report, added = [], list[tuple[Subscriber, Choices]]()
    for number, text in lines:
        fault = ""
        try:
            address, choices = _read_line(columns, text, components)
            if address not in known:
                recipient = Subscriber(page=page, address=address, state=State.ACTIVE, confirmed_at=written_at())
                added.append((recipient, choices))
            elif not (fault := known[address]):  # it has signed up, and not confirmed
                add_by_staff(page, address=address, author=author, choices=choices)
            known[address] = fault or _("This address is in the file twice.")
        except InvalidInput as refusal:
            fault = str(refusal)
        report.append(Line(number, text, fault))
    for recipient, choices in added:
        recipient.everything = choices.everything
        recipient.postmortems_only = choices.postmortems_only
        recipient.minimum_impact = choices.minimum_impact
    bulk_create_with_history([row for row, _choices in added], Subscriber, batch_size=500, default_user=author)
    Follow.objects.bulk_create(
        (Follow(recipient=row, component=each) for row, choices in added for each in choices.components), batch_size=500
    )
    return report


def export_csv(page: Page) -> str:
    """Every subscriber by e-mail, whatever its state, as `import_csv` reads it."""
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(COLUMNS)
    rows = Subscriber.objects.filter(page=page, channel=Subscriber.Channel.EMAIL).order_by("pk")
    for row in rows.prefetch_related("follows__component__group"):
        names = [] if row.everything else [str(follow.component) for follow in row.follows.all() if follow.component]
        address = FORMULA.sub("'", row.address)
        writer.writerow([address, row.state, "; ".join(names), int(row.postmortems_only), row.minimum_impact])
    return file.getvalue()


def _read_file(content: str) -> tuple[list[str], list[tuple[int, str]]]:
    """The names of its columns, and its other lines with their numbers."""
    lines = [(number, text) for number, text in enumerate(content.splitlines(), start=1) if text.strip()]
    columns = ["address"]
    if lines and "address" in (heading := [name.strip().lower() for name in _cells(lines[0][1])]):
        columns = heading
        del lines[0]
    if unknown := set(columns) - set(COLUMNS):
        raise InvalidInput(
            _("There is no column “%(name)s”. Columns are: %(columns)s.")
            % {"name": min(unknown), "columns": ", ".join(COLUMNS)},
            field="file",
        )
    if len(lines) > MOST_LINES:
        raise InvalidInput(
            _("The file has %(count)d lines; %(most)d are allowed. Split it.")
            % {"count": len(lines), "most": MOST_LINES},
            field="file",
        )
    return columns, lines


def _cells(text: str) -> list[str]:
    """The cells of one line; read by itself, so that an odd quote spoils no other line."""
    try:
        return next(csv.reader([text], strict=True))
    except csv.Error as error:
        raise InvalidInput(_("The quotes of this line do not match.")) from error


def _read_line(columns: list[str], text: str, components: dict[str, Component]) -> tuple[str, Choices]:
    cells = [cell.strip() for cell in _cells(text)]
    if len(cells) != len(columns):
        raise InvalidInput(
            _("This line has %(count)d cells instead of %(wanted)d.") % {"count": len(cells), "wanted": len(columns)}
        )
    values = dict(zip(columns, cells, strict=True))
    address = addresses.mailbox(FORMULA.sub("", values["address"]))
    if values.get("state", State.ACTIVE) != State.ACTIVE:
        raise InvalidInput(_("The file says that this address is not active."))
    names = [name.strip() for name in values.get("components", "").split(";") if name.strip()]
    if unknown := [name for name in names if name not in components]:
        raise InvalidInput(_("The page has no component “%(name)s”.") % {"name": unknown[0]})
    impact = values.get("minimum_impact") or Impact.NONE
    if impact not in Impact.values:
        raise InvalidInput(_("“%(name)s” is not an impact. Write none, minor, major or critical.") % {"name": impact})
    return address, Choices(
        everything=not names,
        components=[components[name] for name in dict.fromkeys(names)],
        postmortems_only=values.get("postmortems_only", "") not in ("", "0"),
        minimum_impact=Impact(impact),
    )
