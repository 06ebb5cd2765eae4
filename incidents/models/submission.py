from __future__ import annotations

from django.db import models

from incidents.models.incident import Incident
from incidents.models.people import User
from incidents.record_time import WrittenAt


class Submission(models.Model):
    """A form that was sent and did what it says, so that the same form sent again does not do it twice."""

    author = models.ForeignKey(User, models.PROTECT, related_name="+")
    token = models.CharField(max_length=32, help_text="Made anew for each form that is shown.")
    digest = models.CharField(max_length=64, help_text="SHA-256 of what was sent with it.")
    incident = models.ForeignKey(Incident, models.PROTECT, related_name="+", null=True)
    created_at = WrittenAt(auto_now_add=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["author", "token"], name="submission_once"),)

    def __str__(self) -> str:
        return self.token
