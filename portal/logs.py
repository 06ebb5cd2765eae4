"""What a log says: never a key, nor a link by which whoever reads the log could act; and no fault over and over.

Every line that the portal writes is formatted here, a traceback too; gunicorn's by `portal.web_server`.
"""

from __future__ import annotations

import copy
import json
import logging
import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime

FORMATS = ["line", "json"]
HIDDEN = "***"
# What follows is the proof of who asks: a subscription's token, the key of a new password, of an address to confirm.
_SECRET_PARTS = re.compile(r"(/subscriptions/|/password/reset/key/|/confirm-email/)[^/\s?\"]+")
# All of a query string, for any program may put its key there.
_QUERY = re.compile(r"(/[^\s?/]*\?)\S+")
# What differs each time that one fault comes again: a task's number, how long something took.
_VARYING = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}|(?<!\d)\d+\.\d+")
SILENCE = 60.0  # seconds in which a fault that comes again is only counted


def masked(text: str) -> str:
    """`text` without what is secret in the addresses that it names."""
    return _QUERY.sub(rf"\1{HIDDEN}", _SECRET_PARTS.sub(rf"\1{HIDDEN}", text))


class Formatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return masked(super().format(record))


class JsonFormatter(logging.Formatter):
    """One line for each event, with its traceback inside."""

    def format(self, record: logging.LogRecord) -> str:
        facts = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": masked(record.getMessage()),
        }
        if record.exc_info:
            facts["traceback"] = masked(self.formatException(record.exc_info))
        return json.dumps(facts, ensure_ascii=False)


@dataclass(slots=True)
class Fault:
    """An error that was written, and how often it came again since."""

    line: logging.LogRecord
    said_at: float
    count: int = 0


class Handler(logging.StreamHandler):  # type: ignore[type-arg]  # of stderr
    """Writes an error once, then counts those that are like it, and says after SILENCE how many they were."""

    def __init__(self) -> None:
        super().__init__()
        self._faults: dict[str, Fault] = {}

    def emit(self, record: logging.LogRecord) -> None:
        now = time.monotonic()
        self._say_how_many(before=now - SILENCE)
        if record.levelno >= logging.ERROR:
            error = record.exc_info[1] if record.exc_info else None
            line = copy.copy(record)
            line.msg, line.args, line.exc_info = record.getMessage(), None, None
            key = _VARYING.sub("", f"{record.name} {line.msg} {error!r}")
            if fault := self._faults.get(key):
                fault.count += 1
                return
            self._faults[key] = Fault(line, now)
        super().emit(record)

    def _say_how_many(self, *, before: float) -> None:
        for key, fault in list(self._faults.items()):
            if fault.said_at < before:
                del self._faults[key]
                if fault.count:
                    fault.line.msg += f" ({fault.count} times more)"
                    super().emit(fault.line)
