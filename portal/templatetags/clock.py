from __future__ import annotations

from django import template

from incidents.models import Clock, Failure

register = template.Library()


@register.simple_tag
def last_tick() -> Clock | None:
    return Clock.last()


@register.simple_tag
def parked() -> int:
    """How many rows failed so often that they wait for staff."""
    return Failure.objects.parked().count()
