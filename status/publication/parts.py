"""The documents of a page, in the parts in which they are made: of the site, of news, of a month."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from status.projection import Reader
from status.publication import changes, files
from status.rendering import charts, documents, open_data, snapshot
from status.rendering.documents import Documents

INCIDENTS_AT_ONCE = 20  # of a month, while whoever has news waits


def of_news(
    reader: Reader,
    root: Path,
    changed: changes.Changes,
    at_once: Iterable[str],
    *,
    is_page_wide: bool,
) -> Iterator[Documents]:
    yield of_incidents(reader, reader.incidents([row.pk for row in changed.incidents]))
    read = {month: reader.month(month) for month in changed.months}
    # A month that comes or goes changes the links of those beside it.
    moved = [
        month for month in read.values()
        if bool(month.incidents) != (root / documents.path_of_month(month.month)).exists()
    ]  # fmt: skip
    for neighbour in {m for month in moved for m in (month.previous, month.next) if m} - read.keys():
        read[neighbour] = reader.month(neighbour)
    for month in read.values():
        yield documents.of_month(month)
    yield of_site(reader, read)
    if is_page_wide:  # which metrics there are may have changed
        yield of_charts(reader)
    yield from _of_data(reader, root, at_once, read)


def of_site(reader: Reader, read: dict[str, snapshot.Month] | None = None) -> Documents:
    """What every change may touch; `read` are months that were read already."""
    site = reader.site()
    newest = site.last_month and ((read or {}).get(site.last_month) or reader.month(site.last_month))
    return documents.of_site(site, newest or None)


def of_month(reader: Reader, root: Path, month: str, after: int) -> tuple[list[Documents], int]:
    """The documents of some incidents of a month, of those that come after this one, and which is the last of them.

    When there are none left: the documents of the month itself, and 0.
    """
    if incidents := reader.incidents_of(month, after=after, most=INCIDENTS_AT_ONCE):
        return [of_incidents(reader, incidents.values())], max(incidents)
    read = reader.month(month)
    return [documents.of_month(read), *_of_data(reader, root, [month], {month: read})], 0


def of_incidents(reader: Reader, incidents: Iterable[snapshot.Incident]) -> Documents:
    found: Documents = {}
    for incident in incidents:
        found |= documents.of_incident(reader.page, incident)
    return found


def of_charts(reader: Reader) -> Documents:
    return documents.of_metrics(reader.page, reader.metrics(charts.SPAN))


def index(reader: Reader, known: dict[str, open_data.IndexEntry]) -> Documents:
    months = {month: known[month] for month in reader.calendar_months() if month in known}
    return {open_data.INDEX: open_data.index(reader.page, months)}


def known(root: Path) -> dict[str, open_data.IndexEntry]:
    """The months whose open data is published."""
    return open_data.read_index(files.read(root, open_data.INDEX))


def _of_data(reader: Reader, root: Path, months: Iterable[str], read: dict[str, snapshot.Month]) -> Iterator[Documents]:
    """The open data of these months, and the index of all that is known."""
    entries = known(root)
    for month in months:
        found = open_data.documents(reader.record(read.get(month) or reader.month(month)))
        entries[month] = open_data.index_entry(found)
        yield found
    yield index(reader, entries)
