from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from drf_spectacular.utils import extend_schema_field, inline_serializer
from rest_framework import serializers


# --- What a request says ----------------------------------------------------------------------------------------------
class Input(serializers.Serializer[Any]):
    """Values of a request. Where null means nothing, it is read as left out: generated clients send it for that."""

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if isinstance(data, Mapping):
            fields = self.fields
            data = {
                name: value
                for name, value in data.items()
                if value is not None or (name in fields and fields[name].allow_null)
            }
        values: dict[str, Any] = super().to_internal_value(data)
        return values


class Ids(serializers.ListField):
    """Public ids, as a list or as one string with commas in between."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(child=serializers.CharField(max_length=40, allow_null=True), max_length=1_100, **kwargs)

    def to_internal_value(self, data: Any) -> list[str]:
        if isinstance(data, str):
            data = [each.strip() for each in data.split(",")]
        return [each for each in super().to_internal_value(data) if each]


def enveloped(name: str, form: type[Input], *, title: str) -> type[serializers.Serializer[Any]]:
    """The request whose one key is `name`: `{"incident": {...}}`."""
    request: type[serializers.Serializer[Any]] = type(inline_serializer(title, {name: form()}))
    return request


class Slice(Input):
    page = serializers.IntegerField(min_value=0, max_value=1_000_000, required=False, help_text="The first one is 1.")
    per_page = serializers.IntegerField(min_value=1, max_value=1_000_000, required=False, help_text="At most 100.")
    limit = serializers.IntegerField(
        min_value=1, max_value=1_000_000, required=False, help_text="The same as `per_page`."
    )


class CursorQuery(Input):
    cursor = serializers.IntegerField(
        min_value=0, max_value=2**63 - 1, required=False, help_text="As `next` has it; the newest ones without it."
    )
    limit = serializers.IntegerField(min_value=1, max_value=1_000_000, default=50, help_text="At most 100.")


# --- What an answer says ----------------------------------------------------------------------------------------------
class Timestamp(serializers.DateTimeField):
    """In UTC, with milliseconds."""

    def to_representation(self, value: datetime) -> str:
        return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@extend_schema_field({})
class Always(serializers.Field[Any, Any, Any, Any]):
    """A key that clients look for and that says the same for everything here."""

    def __init__(self, value: object) -> None:
        super().__init__(read_only=True)
        self.value = value

    def get_attribute(self, instance: object) -> object:
        return self.value

    def to_representation(self, value: object) -> object:
        return value


class ErrorAnswer(serializers.Serializer[Any]):
    error = serializers.CharField(help_text="What was refused, why, and what to do.")
