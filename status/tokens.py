"""The signed parts of links in mails: who may do what with a subscription, without a login.

A token names a recipient by its public id, so that no address stands in a link, a log or a Referer.
"""

from __future__ import annotations

from datetime import timedelta

from django.core.signing import Signer, TimestampSigner

CONFIRM_WITHIN = timedelta(days=7)

_subscriptions = Signer(sep=".", salt="status.subscription")
_confirmations = TimestampSigner(sep=".", salt="status.confirmation")


def subscription(public_id: str) -> str:
    """For /subscriptions/<token> and /subscriptions/<token>/unsubscribe; the same in every mail, and never too old."""
    return _subscriptions.sign(public_id)


def confirmation(public_id: str) -> str:
    """For /subscriptions/<token>/confirm; good for CONFIRM_WITHIN."""
    return _confirmations.sign(public_id)


def read_subscription(token: str) -> str:
    """The public id; raises `django.core.signing.BadSignature`."""
    return _subscriptions.unsign(token)


def read_confirmation(token: str) -> str:
    """The public id; raises `BadSignature`, or its subclass `SignatureExpired` when the link is too old."""
    return _confirmations.unsign(token, max_age=CONFIRM_WITHIN)
