"""Secrets that must be read again, such as the address of a chat, encrypted in the database by CHANNEL_KEYS.

The first key encrypts and each of them decrypts, so that a key is changed by putting a new one before it, running
`manage.py rotate_channel_keys`, and then taking the old one away.
"""

from __future__ import annotations

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.utils.translation import gettext as _

from incidents.errors import InvalidInput


class Locked(InvalidInput):
    """There is no key, or none that fits."""


def seal(secret: str) -> str:
    return _keys().encrypt(secret.encode()).decode()


def unseal(sealed: str) -> str:
    try:
        return _keys().decrypt(sealed.encode()).decode()
    except InvalidToken as error:
        raise Locked(_("No key of CHANNEL_KEYS fits: enter the address again.")) from error


def reseal(sealed: str) -> str:
    """Under the first key."""
    return seal(unseal(sealed))


def _keys() -> MultiFernet:
    if not settings.CHANNEL_KEYS:
        raise Locked(_("Chats need a key: put one into CHANNEL_KEYS of the environment (see .env.example)."))
    return MultiFernet([Fernet(key) for key in settings.CHANNEL_KEYS])
