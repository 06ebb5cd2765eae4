from __future__ import annotations

from hashlib import sha256

from django.db import models
from django.utils.translation import gettext_lazy as _

from incidents.models.base import PUBLIC_ID_ALPHABET, PUBLIC_ID_LENGTH, Tracked
from incidents.models.incident import Incident


def public_id(source: str, foreign: str) -> str:
    """The id itself if it could be one of ours, as Statuspage's are; else one of ours that follows from it."""
    if len(foreign) == PUBLIC_ID_LENGTH and set(foreign) <= set(PUBLIC_ID_ALPHABET):
        return foreign
    number = int.from_bytes(sha256(f"{source} {foreign}".encode()).digest(), "big")
    base = len(PUBLIC_ID_ALPHABET)
    return "".join(PUBLIC_ID_ALPHABET[number // base**position % base] for position in range(PUBLIC_ID_LENGTH))


class Origin(Tracked):
    """Where an incident was published that was recorded here afterwards, and what was said there."""

    incident = models.OneToOneField(Incident, models.PROTECT, related_name="origin", verbose_name=_("incident"))
    source = models.CharField(_("source"), max_length=100, help_text=_("Like statuspage:kctbh9vrtdwd"))
    source_id = models.CharField(_("id there"), max_length=200)
    changed_at = models.DateTimeField(_("last changed there"))
    content = models.JSONField(_("what was said there"), help_text="As `elsewhere.records` has it.")

    class Meta:
        verbose_name = _("origin of an incident")
        verbose_name_plural = _("origins of incidents")
        constraints = (models.UniqueConstraint(fields=["source", "source_id"], name="origin_once"),)

    def __str__(self) -> str:
        return f"{self.source}: {self.source_id}"

    @property
    def updates(self) -> set[str]:
        """The public ids of the updates that were recorded."""
        return {public_id(self.source, key) for key in self.content["updates"]}
