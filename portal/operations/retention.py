"""What is thrown away when it is old, and what is kept for good: a decision about every table.

History rows, rows that are only ever added, and rows with a history are not here: they are the record, kept for good.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib.admin.models import LogEntry

from incidents.history.seals import every_model
from incidents.models.base import AppendOnly
from incidents.record_time import record_time
from portal.models import KeptAnswer

ANSWERS_KEPT = timedelta(days=1)
ADMIN_LOG_KEPT = timedelta(days=90)
AT_ONCE = 2000

DROPPED = {
    "admin.LogEntry": "90 days; Django's own log, beside the history",
    "incidents.Failure": "once what failed is done",
    "incidents.MetricPoint": "by `metrics.KEPT_FOR`: no chart shows older ones",
    "incidents.SignInMemory": "when it expires",
    "incidents.Submission": "by `people.FORM_KEPT_FOR`: no form stays open for longer",
    "portal.AccountMail": "once it is sent, or after a day",
    "portal.KeptAnswer": "after a day: who repeats a request does so within minutes",
    "portal.Session": "when it ends",
    "status.AskedMailbox": "after an hour",
    "status.Delivery": "DELIVERIES_KEPT days after what it is about is over",
    "status.SignUp": "once the clock has taken it up",
    "status.SignUpCount": "after a day",
}

KEPT = {
    "account.EmailAddress": "part of an account",
    "account.EmailConfirmation": "never made",
    "auth.Group": "a role",
    "auth.Group_permissions": "what a role may do",
    "auth.Permission": "made by migrations",
    "contenttypes.ContentType": "made by migrations",
    "incidents.ApiKeyUse": "one for each key",
    "incidents.Clock": "one row",
    "incidents.MetricFeed": "one for each metric",
    "incidents.OutboxEvent": "the order of what became public; by it nothing is owed anew. Few for each update",
    "incidents.PostmortemReading": "one for each reader of a report",
    "incidents.User_groups": "part of an account",
    "incidents.User_user_permissions": "part of an account",
    "mfa.Authenticator": "part of an account",
    "socialaccount.SocialAccount": "part of an account",
    "socialaccount.SocialApp": "never made",
    "socialaccount.SocialToken": "never made",
    "status.Follow": "what a subscriber chose; it goes when they are forgotten",
    "status.Nudge": "why staff were called, for a report on it; few for each incident",
    "status.Publisher": "one row",
    "status.Tally": "what the public reads of an update",
}


def undecided() -> list[str]:
    """Tables about which nobody has decided, and decisions about none."""
    decided = {*DROPPED, *KEPT}
    record = {model._meta.label for model in every_model() if _is_record(model)}
    return sorted({model._meta.label for model in every_model()} - record ^ decided)


def drop_old_answers() -> int:
    return _drop(KeptAnswer.objects.filter(created_at__lt=record_time() - ANSWERS_KEPT))


def drop_admin_log() -> int:
    return _drop(LogEntry.objects.filter(action_time__lt=record_time() - ADMIN_LOG_KEPT))


def _drop(old: Any) -> int:
    count: int = old.model._base_manager.filter(
        pk__in=list(old.order_by("pk").values_list("pk", flat=True)[:AT_ONCE])
    ).delete()[0]
    return count


def _is_record(model: Any) -> bool:
    return hasattr(model, "history") or hasattr(model, "instance_type") or issubclass(model, AppendOnly)
