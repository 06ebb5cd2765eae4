"""What the linter is given and what it answers: values without behaviour of their own."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from zoneinfo import ZoneInfo

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class Level(StrEnum):
    BLOCK = "block"  # nothing is published with it, and nobody can dismiss it
    CONTRADICTION = "contradiction"  # blocks until the approver dismisses it with a reason
    WARN = "warn"


class Rule(TextChoices):
    SECRET = "secret", _("Secret")
    HOSTNAME = "hostname", _("Name of a machine")
    IP_ADDRESS = "ip_address", _("IP address")
    EMAIL_ADDRESS = "email_address", _("E-mail address")
    PERSON = "person", _("Name of a person")
    TICKET = "ticket", _("Ticket")
    INTERNAL_COMPONENT = "internal_component", _("Internal component")
    TIME_CONFLICT = "time_conflict", _("Time contradicts the record")
    DURATION_CONFLICT = "duration_conflict", _("Duration contradicts the record")
    IMPOSSIBLE_TIME = "impossible_time", _("Impossible time")
    WRONG_WEEKDAY = "wrong_weekday", _("Wrong weekday")
    WRONG_ZONE = "wrong_zone", _("Wrong time zone")
    NO_ZONE = "no_zone", _("Time without a zone")
    RANGE_WORDING = "range_wording", _("Range of times")
    NEAR_NAME = "near_name", _("Name almost right")
    ALIAS = "alias", _("Internal name of a component")
    ABSOLUTE_PROMISE = "absolute_promise", _("Absolute promise")
    HIDDEN_MEASURE = "hidden_measure", _("Measure not in the list")
    NO_IMPACT_NUMBERS = "no_impact_numbers", _("Impact without numbers")
    NO_NEXT_UPDATE = "no_next_update", _("No time of the next update")


LEVELS = {
    **dict.fromkeys(Rule, Level.WARN),
    **dict.fromkeys(
        (
            Rule.SECRET,
            Rule.HOSTNAME,
            Rule.IP_ADDRESS,
            Rule.EMAIL_ADDRESS,
            Rule.PERSON,
            Rule.TICKET,
            Rule.INTERNAL_COMPONENT,
        ),
        Level.BLOCK,
    ),
    **dict.fromkeys(
        (
            Rule.TIME_CONFLICT,
            Rule.DURATION_CONFLICT,
            Rule.IMPOSSIBLE_TIME,
            Rule.WRONG_WEEKDAY,
            Rule.WRONG_ZONE,
        ),
        Level.CONTRADICTION,
    ),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One place in one section that a rule speaks of; `start` and `end` count characters of the section's text."""

    rule: Rule
    level: Level
    section: str
    start: int
    end: int
    line: int  # from 1
    quote: str
    sentence: str
    reason: str  # for people: what is wrong, and what to do
    fix: str | None = None  # what to put instead of the quote, if one click can
    against: str = ""  # the fact that the text contradicts

    @property
    def digest(self) -> str:
        """The same for the same words in the same sentence against the same fact, wherever the section moves it.

        A dismissal names it: it ends when the sentence, or the fact, becomes another one.
        """
        said = (self.rule.value, self.section, self.sentence, self.quote, self.against)
        return hashlib.sha256("\x00".join(said).encode()).hexdigest()


class Instant(TextChoices):
    """An instant that the record knows and that a text may state."""

    IMPACT_BEGAN = "impact_began", _("the impact began")
    DETECTED = "detected", _("it was detected")
    ACKNOWLEDGED = "acknowledged", _("it was acknowledged")
    IDENTIFIED = "identified", _("the cause was said to be identified")
    IMPACT_ENDED = "impact_ended", _("the impact ended")
    RESOLVED = "resolved", _("it was resolved")
    NEXT_UPDATE = "next_update", _("the next update is promised")


UTC = ZoneInfo("UTC")


@dataclass(frozen=True, slots=True)
class Person:
    username: str
    full_name: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the record knows, gathered by `incidents.checking`. A report on several incidents has several instants."""

    zone: ZoneInfo = UTC  # of times that name none
    page_name: str = ""
    hosts: frozenset[str] = frozenset()  # where the pages are read
    contacts: frozenset[str] = frozenset()  # e-mail addresses that the pages name
    components: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # public name -> what staff call it
    internal_names: frozenset[str] = frozenset()
    people: tuple[Person, ...] = ()
    times: Mapping[Instant, tuple[datetime, ...]] = field(default_factory=dict)
    measures: tuple[str, ...] = ()  # public wording of the action items
