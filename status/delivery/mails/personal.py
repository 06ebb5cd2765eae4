"""Mails that are about a subscription itself, to its owner."""

from __future__ import annotations

from django.utils.translation import gettext as _

from incidents.record_time import record_time
from status import tokens
from status.delivery.mails.message import TOKEN, Message, both_times, compose, in_language_of, render
from status.models import Recipient


def confirmation(recipient: Recipient) -> Message:
    """Asks the owner of an address to confirm. Whoever is subscribed already gets the link to change that instead."""
    page = recipient.page
    with in_language_of(page):
        asked = _("Somebody, hopefully you, asked that %(name)s tells this address about incidents and maintenance.")
        if recipient.contact:
            asked = _("Somebody, hopefully you, asked that %(name)s sends what happens to a program at %(host)s.")
        if recipient.state == Recipient.State.ACTIVE:
            template, subject = "subscribed", _("You are subscribed already")
            link = f"{page.url}/subscriptions/{TOKEN}"
        else:
            template, subject = "confirmation", _("Please confirm your subscription")
            assert recipient.confirmation_sent_at is not None, "whoever owes this mail has set it"
            token = tokens.confirmation(recipient.public_id, asked_at=recipient.confirmation_sent_at)
            link = f"{page.url}/subscriptions/{token}/confirm"
        # No more than the host of a webhook: a stranger may have written the rest for whoever reads this.
        asked %= {"name": page.name, "host": recipient.address.partition(" ")[0]}
        content = render(template, page, subject=f"[{page.name}] {subject}", link=link, asked=asked)
        return compose(page, content, {})


def left_behind(recipient: Recipient) -> Message:
    """Says that what its owner chose to hear about is gone, with the link to choose anew."""
    page = recipient.page
    with in_language_of(page):
        content = render(
            "left_behind",
            page,
            subject=f"[{page.name}] " + _("What you follow is no longer on this page"),
            names=[str(row.component) for row in recipient.follows.select_related("component__group") if row.component],
            link=f"{page.url}/subscriptions/{TOKEN}",
        )
        return compose(page, content, {})


def warning(recipient: Recipient) -> Message:
    """Warns a webhook's owner that it fails."""
    page = recipient.page
    with in_language_of(page):
        content = render(
            "warning",
            page,
            subject=f"[{page.name}] " + _("Your webhook does not answer"),
            address=recipient.address,
            times=both_times(recipient.failing_since or record_time(), page),
            link=f"{page.url}/subscriptions/{TOKEN}",
        )
        return compose(page, content, {})
