"""What django-allauth keeps in Django's cache, in a table where nothing is pushed out before its time.

A cache drops rows when it is full, and strangers can fill one: then a limit on attempts is forgotten, and a code that
was used opens once more.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.core.cache.backends.base import DEFAULT_TIMEOUT, BaseCache
from django.db import IntegrityError, transaction

from incidents.models import SignInMemory
from incidents.record_time import record_time


class Memory(BaseCache):
    """Values are what JSON can hold. The clock sweeps what has expired."""

    def __init__(self, _location: str, params: dict[str, Any]) -> None:
        super().__init__(params)

    def add(self, key: str, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        """False when it is there already; of two that come at once, one is first."""
        name = self.make_and_validate_key(key, version=version)
        SignInMemory.objects.filter(key=name, expires_at__lte=record_time()).delete()
        try:
            with transaction.atomic():
                SignInMemory.objects.create(key=name, value=value, expires_at=self._expiry(timeout))
        except IntegrityError:  # and it may be gone again by now: locks on a limit come and go
            return False
        return True

    def get(self, key: str, default: Any = None, version: int | None = None) -> Any:
        name = self.make_and_validate_key(key, version=version)
        row = SignInMemory.objects.filter(key=name, expires_at__gt=record_time()).first()
        return row.value if row else default

    def set(self, key: str, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> None:
        name = self.make_and_validate_key(key, version=version)
        row = SignInMemory(key=name, value=value, expires_at=self._expiry(timeout))
        SignInMemory.objects.bulk_create(  # one statement, whoever drops the row meanwhile
            [row], update_conflicts=True, update_fields=["value", "expires_at"], unique_fields=["key"]
        )

    def delete(self, key: str, version: int | None = None) -> bool:
        name = self.make_and_validate_key(key, version=version)
        return bool(SignInMemory.objects.filter(key=name).delete()[0])

    def clear(self) -> None:
        SignInMemory.objects.all().delete()

    def _expiry(self, timeout: Any) -> datetime:
        seconds = self.default_timeout if timeout is DEFAULT_TIMEOUT else timeout
        assert seconds is not None, "nothing here is kept for ever"
        return record_time() + timedelta(seconds=seconds)
