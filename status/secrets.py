"""Secrets that must be read again, encrypted in the database by ENCRYPTION_KEYS: where webhooks and chats are reached.

The first key encrypts and each of them decrypts, so that a key is changed by putting a new one before it, running
`manage.py rotate_encryption_keys`, and then taking the old one away.
"""

from __future__ import annotations

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.utils.translation import gettext as _

from incidents.errors import InvalidInput


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


def _keys() -> MultiFernet:
    return MultiFernet([Fernet(key) for key in settings.ENCRYPTION_KEYS])
