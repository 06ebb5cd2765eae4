"""The signed parts of links in mails: who may do what with a subscription, without a login.

A token names a recipient by its public id, so that no address stands in a link, a log or a Referer. It is signed with
SECRET_KEY, and good for as long as that key stands in SECRET_KEY_FALLBACKS after it was replaced.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from django.core.signing import Signer, TimestampSigner

CONFIRM_WITHIN = timedelta(days=7)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


def _subscriptions() -> Signer:
    return Signer(sep=".", salt="status.subscription")


def _confirmations() -> TimestampSigner:
    return TimestampSigner(sep=".", salt="status.confirmation")


def subscription(public_id: str) -> str:
    """For /subscriptions/<token> and /subscriptions/<token>/unsubscribe; the same in every mail, and never too old."""
    return _subscriptions().sign(public_id)


def confirmation(public_id: str, *, asked_at: datetime) -> str:
    """For /subscriptions/<token>/confirm; good for CONFIRM_WITHIN, and for the subscription asked for then alone."""
    return _confirmations().sign(f"{public_id}-{(asked_at - EPOCH) // MICROSECOND}")


def read_subscription(token: str) -> str:
    """The public id; raises `django.core.signing.BadSignature`."""
    return _subscriptions().unsign(token)


def read_confirmation(token: str) -> tuple[str, datetime]:
    """The public id, and when it was asked for; raises `BadSignature`, or its subclass `SignatureExpired`."""
    public_id, _dash, asked_at = _confirmations().unsign(token, max_age=CONFIRM_WITHIN).partition("-")
    return public_id, EPOCH + int(asked_at) * MICROSECOND
