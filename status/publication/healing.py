"""What became of published files since they were written: their sizes say it at once, their bytes in a slow round."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from incidents.models import Page
from status.publication import changes, files, parts, publishing, state
from status.rendering import open_data

ROUND = ".round"


@dataclass(frozen=True, slots=True)
class Place:
    """How far the round has come: to this page, and in it to this month and incident; first come a page's own files."""

    page: int = 0
    month: str = ""
    after: int = 0


def is_damaged(page: Page) -> bool:
    """Whether a document that every change may touch has not the size that it was written with."""
    root = files.folder(page.public_id)
    known = state.read(root)
    return known is None or not all(files.is_whole(root, path, size) for path, size in known.sizes.items())


def place() -> Place:
    try:
        return Place(**json.loads((files.root() / ROUND).read_bytes()))
    except (OSError, ValueError, TypeError):
        return Place()


def note(at: Place) -> None:
    files.replace(files.root() / ROUND, json.dumps(asdict(at)).encode())


def heal(page: Page, at: Place, *, timeout: float) -> tuple[list[str], Place]:
    """Replace or remove what is not as the record says at this place; returns what it was, and the next place.

    Raises as `publishing.publish` does.
    """
    root = files.folder(page.public_id)
    with publishing.writing(page, timeout=timeout), publishing.reading(page) as reader:
        months = reader.calendar_months()
        if at.month in months:
            made, last = parts.of_month(reader, root, at.month, at.after)
            wrong, left = [], months[: months.index(at.month)]
        else:
            made, last, left = [parts.of_site(reader)], 0, months
            charts = parts.of_charts(reader)
            files.write(root, charts)  # is no damage: it may only not be drawn yet
            strays = files.tracked(root) - made[0].keys() - charts.keys() - changes.history_paths(page, reader)
            wrong = [path for path in sorted(strays - {open_data.INDEX}) if files.remove(root, path)]
        wrong += [path for part in made for path in files.write(root, part)]
    if last:
        return wrong, Place(page.pk, at.month, last)
    return wrong, Place(page.pk, left[-1]) if left else Place(page.pk + 1)
