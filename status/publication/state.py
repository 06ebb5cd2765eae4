"""What the last publication of a page noted beside its files: of which day and version they are, and what is left.

It is read as everything on a disk: what it cannot be is as good as lost, and all documents are made anew.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from datetime import date
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

from django.conf import settings

from status.publication import files

NAME = ".state.json"
PACKAGES = ("django", "django-htmx", "icalendar", "markdown-it-py", "nh3")  # which rendering imports, or publishes


def _version() -> str:
    """Changes with whatever makes documents, so that an upgrade makes all of them anew.

    That is our own source but for the portal, and the versions of PACKAGES; but not the machine's time zone data.
    """
    base = settings.BASE_DIR
    sources = [*(base / "incidents").rglob("*.py"), *(base / "status").rglob("*.py")]
    sources += [*(base / "status").glob("static/status/*"), *(base / "templates" / "status").iterdir()]
    found = sha256(b"".join(path.read_bytes() for path in sorted(sources) if path.is_file()))
    found.update(" ".join(version(package) for package in PACKAGES).encode())
    return found.hexdigest()[:16]


VERSION = _version()  # of this process, whatever is put beside it while it runs


@dataclass(frozen=True, slots=True)
class State:
    date: date  # in the page's zone
    version: str
    months_left: tuple[str, ...] = ()  # whose documents are still to be made anew, oldest first
    made_to: tuple[str, int] = ("", 0)  # the month that was begun, and the last incident of it that was made
    sizes: dict[str, int] = field(default_factory=dict)  # of the documents that every change may touch


def read(root: Path) -> State | None:
    """None when it cannot be read, or cannot be, so that everything is made anew."""
    try:
        known = json.loads((root / NAME).read_bytes())
        day, (month, key) = date.fromisoformat(known["date"]), known["made_to"]
        if day.year < 2000:  # nothing was published then
            return None
        return State(
            day,
            known["version"],
            tuple(f"{date.fromisoformat(f'{month}-01'):%Y-%m}" for month in known["months_left"]),
            (str(month), int(key)),
            {path: int(size) for path, size in known["sizes"].items()},
        )
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def months_left(root: Path) -> tuple[str, ...]:
    state = read(root)
    return state.months_left if state else ()


def write(root: Path, state: State) -> None:
    files.replace(root / NAME, json.dumps(asdict(state), default=date.isoformat).encode())
