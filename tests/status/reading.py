"""What there is to read: in a document, and in what the projection hands to the renderers."""

from __future__ import annotations

import html
import re
from typing import Any

from incidents.models import Incident, Page
from status.projection import Reader, public_incidents, today
from status.rendering import snapshot


def words(document: bytes) -> str:
    """What a reader sees of a page, without its header and footer."""
    main = document.decode().split("<main", 1)[1].split("</main>", 1)[0].split(">", 1)[1]
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", main)).split())


def read(page: Page) -> Reader:
    return Reader(page, today(page))


def everything(page: Page) -> list[Any]:
    """All that a rebuild would read."""
    reader = read(page)
    keys = public_incidents(page).values_list("pk", flat=True)
    return [reader.site(), reader.incidents(keys), [reader.month(month) for month in reader.months_with_incidents()]]


def incident_of(page: Page, row: Incident) -> snapshot.Incident:
    (found,) = read(page).incidents([row.pk])
    return found
