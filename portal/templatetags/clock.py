from __future__ import annotations

from django import template

from incidents.models import Clock

register = template.Library()


@register.simple_tag
def last_tick() -> Clock | None:
    return Clock.last()
