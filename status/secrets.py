"""Secrets that must be read again, encrypted in the database by ENCRYPTION_KEYS: where webhooks and chats are reached.

The first key encrypts and each of them decrypts, so that a key is changed by putting a new one before it, running
`incident-portal rotate_encryption_keys`, and then taking the old one away.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from incidents.errors import InvalidInput

logger = logging.getLogger(__name__)


class Locked(InvalidInput):
    """There is no key that fits."""


def encrypt(secret: str) -> str:
    return _keys().encrypt(secret.encode()).decode()


def decrypt(encrypted: str) -> str:
    try:
        return _keys().decrypt(encrypted.encode()).decode()
    except InvalidToken as error:
        raise Locked(_("No key of ENCRYPTION_KEYS fits: bring back the key of before, or enter it again.")) from error


def reencrypt(encrypted: str) -> str:
    """Under the first key."""
    return encrypt(decrypt(encrypted))


@contextmanager
def leaving_locked(row: str) -> Iterator[None]:
    """What no key fits stays as it is, and stops no other row."""
    try:
        yield
    except Locked:
        logger.warning("%s stays as it is: no key of ENCRYPTION_KEYS fits", row)


def reencrypt_rows(rows: QuerySet[Any], column: str) -> int:
    """Encrypt a column of rows without a history under the first key; returns how many there are."""
    count, model = 0, rows.model._meta.verbose_name
    for key in list(rows.exclude(**{column: ""}).values_list("pk", flat=True)):
        with leaving_locked(f"{model} {key}"), transaction.atomic():
            if row := rows.select_for_update(no_key=True).filter(pk=key).first():
                setattr(row, column, reencrypt(getattr(row, column)))
                row.save(update_fields=[column])
                count += 1
    return count


def _keys() -> MultiFernet:
    return MultiFernet([Fernet(key) for key in settings.ENCRYPTION_KEYS])
