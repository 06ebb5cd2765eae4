from __future__ import annotations

from django import template

from portal import __version__

register = template.Library()


@register.simple_tag
def version() -> str:
    return __version__
