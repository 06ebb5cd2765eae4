from __future__ import annotations

from django import template

from incidents.models import Clock, Failure
from status.publication import publisher

register = template.Library()


@register.simple_tag
def last_tick() -> Clock | None:
    return Clock.last()


@register.simple_tag
def published_elsewhere() -> str:
    """Why nothing is published where this process would; "" where it is."""
    return publisher.why_not()


@register.simple_tag
def parked() -> int:
    """How many rows failed so often that they wait for staff."""
    return Failure.objects.parked().count()
