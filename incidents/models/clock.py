from __future__ import annotations

from datetime import timedelta

from django.db import models
from django.utils import timezone


class Clock(models.Model):
    """The one row in which the clock says that it is alive."""

    STOPPED = timedelta(minutes=2)  # without a tick for so long

    ticked_at = models.DateTimeField()

    class Meta:
        constraints = (models.CheckConstraint(condition=models.Q(pk=1), name="clock_is_one_row"),)

    def __str__(self) -> str:
        return f"{self.ticked_at:%Y-%m-%d %H:%M:%S}"

    @property
    def is_running(self) -> bool:
        return timezone.now() - self.ticked_at < self.STOPPED

    @classmethod
    def last(cls) -> Clock | None:
        """None when it never ticked."""
        return cls.objects.first()

    @classmethod
    def tick(cls) -> None:
        cls.objects.update_or_create(pk=1, defaults={"ticked_at": timezone.now()})
