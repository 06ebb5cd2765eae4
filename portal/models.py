"""Sessions, mails to staff that are on their way, and answers that are kept for requests with an Idempotency-Key."""

from __future__ import annotations

from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import models

from incidents.models import ApiKey, User
from incidents.record_time import WrittenAt


class Session(AbstractBaseSession):
    """What `portal.accounts.sessions` keeps of a browser; signed in, of whom."""

    user = models.ForeignKey(User, models.CASCADE, related_name="+", null=True)


class AccountMail(models.Model):
    """A mail to a member of staff about their own account, until it is sent."""

    content = models.TextField(help_text="Encrypted.")
    created_at = WrittenAt(auto_now_add=True)
    due_at = WrittenAt(auto_now_add=True, help_text="Schedule, retry and lease in one.")

    def __str__(self) -> str:
        return f"#{self.pk}"


class KeptAnswer(models.Model):
    """What a write with an Idempotency-Key was answered, so that its repetition is answered the same and done once."""

    key = models.ForeignKey(ApiKey, models.PROTECT, related_name="+")
    idempotency_key = models.CharField(max_length=255)
    digest = models.CharField(max_length=64, help_text="Of the method, the path and the body that it came with.")
    status = models.PositiveSmallIntegerField(default=0)
    content = models.TextField(blank=True, help_text="Encrypted.")
    created_at = WrittenAt(auto_now_add=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["key", "idempotency_key"], name="kept_answer_once"),)
        indexes = (models.Index(fields=["created_at"], name="kept_answer_age"),)

    def __str__(self) -> str:
        return self.idempotency_key
