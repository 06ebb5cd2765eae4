"""Whose an address is."""

from __future__ import annotations

from status.publication.prefixes import is_for_staff_or_programs, is_for_subscribers


def is_the_applications(path: str) -> bool:
    """Whether Django answers it; everything else is a published document."""
    return is_for_staff_or_programs(path) or is_for_subscribers(path)
