"""Whose an address is: the application's, or a published document's. Nothing is both.

What begins with one of these names is the application's, on every host; everything else is a file below a page's
folder, or 404. deploy/ tells the front servers the same. Tests compare both with Django's URLs and with all documents.
"""

from __future__ import annotations

import re

STAFF = ("admin", "static", "demo")
PROGRAMS = ("api/v1", "api/schema", "api/docs", "mail", "healthz", "readyz", "metrics")
SUBSCRIBERS = ("subscribe", "subscriptions")
STRANGERS = (*SUBSCRIBERS, "api/schema", "api/docs")  # need no key and no account


def _below(names: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile(rf"^/(?:{'|'.join(names)})(?:/|$)")


_staff, _programs, _subscribers, _strangers = map(_below, (STAFF, PROGRAMS, SUBSCRIBERS, STRANGERS))


def is_for_subscribers(path: str) -> bool:
    return _subscribers.match(path) is not None


def is_for_strangers(path: str) -> bool:
    return _strangers.match(path) is not None


def is_for_programs(path: str) -> bool:
    return _programs.match(path) is not None


def is_for_staff(path: str) -> bool:
    return _staff.match(path) is not None


def is_for_staff_or_programs(path: str) -> bool:
    return is_for_programs(path) or is_for_staff(path)
