from __future__ import annotations

from django.db import models

from incidents.models.base import AppendOnly, AppendOnlyQuerySet


class Seal(AppendOnly):
    """A link of the chain over settled rows of the history: `incidents/history/seals.py` says what it proves."""

    number = models.PositiveBigIntegerField(unique=True, help_text="1, 2, 3 ... without a gap.")
    table = models.CharField(max_length=100, help_text="The model, like incidents.historicalincident.")
    columns = models.JSONField(help_text="The columns that the marks cover, as they were then.")
    until = models.DateTimeField(
        null=True, help_text="Of a table that is sealed in the order in which its rows finished: when the last one did."
    )
    marks = models.JSONField(help_text="[primary key, mark] of each row, in the order of the keys.")
    sealed_at = models.DateTimeField()
    mac = models.CharField(max_length=64, help_text="HMAC-SHA256 over all of this and the mac before it.")

    objects = AppendOnlyQuerySet["Seal"].as_manager()

    class Meta:
        permissions = (("read_audit", "Read the audit trail of everything"),)
        indexes = (models.Index(fields=["table", "-number"], name="seal_newest_of_table"),)

    def __str__(self) -> str:
        return f"{self.number}:{self.mac}"
