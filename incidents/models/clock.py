from __future__ import annotations

from datetime import timedelta

from django.db import models

from incidents.record_time import record_time, skew


class Clock(models.Model):
    """The one row in which the clock says that it is alive."""

    STOPPED = timedelta(minutes=2)  # without a tick for so long
    SKEWED = 5.0  # seconds by which a host's clock may be off before staff are told

    ticked_at = models.DateTimeField()
    skew = models.FloatField(default=0.0, help_text="By how many seconds the clock of the host that ticked was ahead.")

    class Meta:
        constraints = (models.CheckConstraint(condition=models.Q(pk=1), name="clock_is_one_row"),)

    def __str__(self) -> str:
        return f"{self.ticked_at:%Y-%m-%d %H:%M:%S}"

    @property
    def is_running(self) -> bool:
        return record_time() - self.ticked_at < self.STOPPED

    @property
    def worst_skew(self) -> float:
        """By how many seconds a clock is ahead of the database's: this host's, or the one's that ticked last."""
        worst: float = max(skew(), self.skew, key=abs)
        return round(worst, 1)

    @property
    def is_skewed(self) -> bool:
        return abs(self.worst_skew) > self.SKEWED

    @classmethod
    def last(cls) -> Clock | None:
        """None when it never ticked."""
        return cls.objects.first()

    @classmethod
    def tick(cls) -> None:
        cls.objects.update_or_create(pk=1, defaults={"ticked_at": record_time(), "skew": skew()})
