"""What a log may say of a request: never a key, nor a link by which whoever reads the log could act.

Every line that the portal writes is formatted here, a traceback too; gunicorn's by `portal.web_server`.
"""

from __future__ import annotations

import logging
import re

HIDDEN = "***"
# What follows is the proof of who asks: a subscription's token, the key of a new password, of an address to confirm.
_SECRET_PARTS = re.compile(r"(/subscriptions/|/password/reset/key/|/confirm-email/)[^/\s?\"]+")
# All of a query string, for any program may put its key there.
_QUERY = re.compile(r"(/[^\s?]*\?)\S+")


def masked(text: str) -> str:
    """`text` without what is secret in the addresses that it names."""
    return _QUERY.sub(rf"\1{HIDDEN}", _SECRET_PARTS.sub(rf"\1{HIDDEN}", text))


class Formatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return masked(super().format(record))
