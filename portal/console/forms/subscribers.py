"""What staff do with subscribers, and with the channels in which they are nudged.

What `done` says may be kept in the session: no address stands in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from incidents.errors import InvalidInput
from incidents.models import Page, User
from incidents.permissions import Verb
from portal.console.forms.fields import one_line
from portal.console.forms.incident import PageForm
from portal.console.forms.verb import VerbForm
from status import addresses
from status.delivery import quarantine, staff_channels
from status.delivery.channels import CHANNELS
from status.models import StaffChannel, Subscriber
from status.subscriptions import subscribers
from status.subscriptions.csv_files import COLUMNS, Line, import_csv

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.utils.datastructures import MultiValueDict

    from portal.console.forms.verb import Data


class SubscriberForm(VerbForm):
    """A verb on one subscriber."""

    verb = Verb.MANAGE_SUBSCRIBERS

    def __init__(self, author: User, recipient: Subscriber, data: Data = None) -> None:
        super().__init__(author, data)
        self.recipient = recipient

    @classmethod
    def fits(cls, recipient: Subscriber) -> bool:
        """Whether it makes sense to offer this now."""
        return True


class ReleaseForm(SubscriberForm):
    heading = _("Release")
    done = _("The subscriber is released.")

    @classmethod
    def fits(cls, recipient: Subscriber) -> bool:
        return recipient.state == Subscriber.State.QUARANTINED

    def act(self) -> None:
        quarantine.release(self.recipient, author=self.author)


class ForgetForm(SubscriberForm):
    heading = _("Forget")
    done = _("The address is forgotten.")

    def act(self) -> None:
        subscribers.forget(self.recipient.address, author=self.author)


class RollForm(SubscriberForm):
    heading = _("Replace secret")

    @classmethod
    def fits(cls, recipient: Subscriber) -> bool:
        return recipient.channel == Subscriber.Channel.WEBHOOK and recipient.state != Subscriber.State.UNSUBSCRIBED

    def act(self) -> None:
        subscribers.roll_secret(self.recipient, author=self.author)


class SubscribersForm(VerbForm):
    """A verb on the subscribers of a page, which is chosen first."""

    verb = Verb.MANAGE_SUBSCRIBERS

    page = forms.ModelChoiceField(label=_("Page"), queryset=Page.objects.none(), empty_label=None)

    def __init__(self, author: User, data: Data = None) -> None:
        super().__init__(author, data)
        page = self.fields["page"]
        assert isinstance(page, forms.ModelChoiceField)
        page.queryset = Page.objects.live()


class AddForm(SubscribersForm):
    heading = _("Add subscriber")
    done = _("The address is subscribed.")

    address = one_line(_("E-mail address"), help_text=_("Of somebody who asked for it: they need not confirm."))

    def act(self) -> None:
        subscribers.add_by_staff(author=self.author, **self.cleaned_data)


class AddWebhookForm(SubscribersForm):
    """`recipient` is there once it was added."""

    heading = _("Add webhook")

    address = one_line(_("Address"), help_text=_("https://…, on the public internet."))
    contact = one_line(_("Owner's e-mail address"), help_text=_("Notified when the webhook fails."))

    recipient: Subscriber

    def clean_address(self) -> str:
        """Here, because it asks a name server and `act` is inside a transaction."""
        return _accepted(CHANNELS[Subscriber.Channel.WEBHOOK].check, self.cleaned_data["address"].strip())

    def clean_contact(self) -> str:
        return _accepted(addresses.mailbox, self.cleaned_data["contact"])

    def act(self) -> None:
        facts = self.cleaned_data
        self.recipient = subscribers.add_webhook(
            facts["page"], url=facts["address"], contact=facts["contact"], author=self.author
        )


def _accepted(read: Callable[[str], str], typed: str) -> str:
    """What `read` makes of it; a refusal becomes an error of the field."""
    try:
        return read(typed)
    except InvalidInput as refusal:
        raise ValidationError(str(refusal)) from refusal


class ImportForm(SubscribersForm):
    """`report` is there once a file was read."""

    heading = _("Import subscribers")

    file = forms.FileField(
        label=_("CSV file"),
        help_text=_("UTF-8; one address in a line, or with a heading that names some of: %(columns)s.")
        % {"columns": ", ".join(COLUMNS)},
    )

    report: list[Line]

    def __init__(self, author: User, data: Data = None, files: MultiValueDict[str, Any] | None = None) -> None:
        super().__init__(author, data)
        self.files = files or self.files

    def act(self) -> None:
        try:
            content = self.cleaned_data["file"].read().decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise InvalidInput(gettext("The file is not UTF-8. Save it as “CSV UTF-8”."), field="file") from error
        self.report = import_csv(self.cleaned_data["page"], content=content, author=self.author)


class ChannelForm(PageForm):
    """Where whoever is on call is nudged."""

    verb = Verb.MANAGE_SUBSCRIBERS
    heading = _("Add staff channel")
    done = _("The channel is added.")

    address = one_line(
        _("E-mail address, or a name for a chat"),
        help_text=_("A mailbox that somebody on call reads, or “On call, Slack”."),
    )
    chat = one_line(
        _("Chat"),
        required=False,
        help_text=_("Its address as Apprise writes it, like slack://A/B/C. It is kept encrypted and not shown again."),
    )

    def clean_chat(self) -> str:
        """Here, because it asks a name server and `act` is inside a transaction."""
        typed: str = self.cleaned_data["chat"].strip()
        self.service = _accepted(CHANNELS[StaffChannel.Channel.CHAT].check, typed) if typed else ""
        return typed

    def act(self) -> None:
        page, address, url = (self.cleaned_data[name] for name in ("page", "address", "chat"))
        if url:
            channel, address = StaffChannel.Channel.CHAT, f"{address.strip()[:400]} ({self.service})"
        else:
            channel = StaffChannel.Channel.STAFF
            address = CHANNELS[channel].check(address)
        staff_channels.add_channel(page, channel=channel, address=address, author=self.author, url=url)


class StaffChannelForm(VerbForm):
    """A verb on one staff channel."""

    verb = Verb.MANAGE_SUBSCRIBERS

    def __init__(self, author: User, channel: StaffChannel, data: Data = None) -> None:
        super().__init__(author, data)
        self.channel = channel


class ChannelReleaseForm(StaffChannelForm):
    heading = _("Release")
    done = _("The channel is released.")

    def act(self) -> None:
        quarantine.release(self.channel, author=self.author)


class ChannelTestForm(StaffChannelForm):
    heading = _("Send a test")
    done = _("The test is on its way. Load this page again in some seconds to read the answer.")

    def act(self) -> None:
        staff_channels.send_test(self.channel, author=self.author)


class ChannelRemovalForm(StaffChannelForm):
    heading = _("Remove staff channel")
    done = _("The channel is removed.")

    def act(self) -> None:
        staff_channels.remove_channel(self.channel, author=self.author)
