"""What `audit --verify` watches, and what it does not: a decision about every table, and every column.

A tampered row of a table below, or a tampered column, grants nothing and proves nothing; why is said beside it.
"""

from __future__ import annotations

from typing import Any

from incidents.history import seals

# The part of what an account is that is kept beside its history: `User.beside_history`
OF_ACCOUNTS = frozenset(
    {
        "account.EmailAddress",
        "incidents.User_groups",
        "incidents.User_user_permissions",
        "mfa.Authenticator",
        "socialaccount.SocialAccount",
    }
)
# `permissions` says what they are: `seals.verify` compares
OF_GROUPS = frozenset({"auth.Group", "auth.Group_permissions"})

NOT_WATCHED = {
    "account.EmailConfirmation": "links that expire; what they confirm is part of the account",
    "admin.LogEntry": "Django's own log, which nobody reads here: the history is ours",
    "auth.Permission": "names of rights, made by migrations; who has them is watched",
    "contenttypes.ContentType": "names of tables, made by migrations",
    "incidents.ApiKeyUse": "counts requests; grants nothing",
    "incidents.Clock": "when the clock ticked last",
    "incidents.Failure": "what the clock could not do; it is gone once that is done",
    "incidents.MetricFeed": "how far a chart is drawn",
    "incidents.MetricPoint": "measurements that programs push; nobody states them",
    "incidents.PostmortemReading": "what somebody has read, for their own list of changes",
    "incidents.Seal": "the chain itself: `seals.verify` goes along it",
    "incidents.SignInMemory": "counts attempts and keeps used codes; whoever drops a row may only try more often",
    "incidents.Submission": "forms that were sent, for a month",
    "portal.AccountMail": "mails to staff on their way, for a day; the account's history has what they tell of",
    "portal.KeptAnswer": "answers to programs, for a day",
    "portal.Session": "they end; contents are encrypted for their row: without the keys nobody writes or moves one",
    "status.AskedMailbox": "who was asked to confirm, for an hour: whoever drops a row may only ask again",
    "status.Follow": "what a subscriber wants to hear; who was notified stands in the deliveries",
    "status.Publisher": "where files are written; `publish --verify` compares them",
    "status.SignUp": "what a stranger asked for, until the clock takes it up",
    "status.SignUpCount": "counts attempts, for a day",
    "status.Tally": "a sum of deliveries, which are watched",
}

# Of tables that are watched; a test changes each column of each.
COLUMNS_NOT_WATCHED = {
    "incidents.OutboxEvent.published_at": "`publish --verify` compares the files",
    "status.Delivery.accepted": "what is left to send of one that is due",
    "status.Delivery.answer": "the other side's words; they are forgotten with the recipient",
    "status.Delivery.attempts": "counts attempts",
    "status.Delivery.claimed_at": "which worker has it",
    "status.Delivery.due_at": "when it is tried next; the age of what is due is watched",
    "status.Delivery.priority": "what is sent first",
}


def watched(model: Any) -> bool:
    """Whether `seals.verify` finds a change of its rows that no service made."""
    label = model._meta.label
    sealed = {each.model for each in seals.sealed_models()} | set(seals.finished_models())
    return hasattr(model, "history") or model in sealed or label in OF_ACCOUNTS | OF_GROUPS | set(seals.EMPTY)


def undecided() -> list[str]:
    """Tables about which nobody has decided, and decisions about tables that are none or are watched all the same."""
    every = {model._meta.label: model for model in seals.every_model()}
    seen = {label for label, model in every.items() if watched(model)}
    return sorted((every.keys() - seen) ^ NOT_WATCHED.keys())
