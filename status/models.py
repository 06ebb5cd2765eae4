"""Who is notified, and what became of each message. What they are notified of is an outbox event of the record."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from incidents.lifecycle import Impact
from incidents.models import Component, Incident, OutboxEvent, Page, User
from incidents.models.base import Tracked
from incidents.record_time import WrittenAt, record_time
from status.secrets import decrypt

SECRET_OVERLAP = timedelta(days=1)
GIVEN_UP_LATELY = timedelta(days=7)


class Recipient(Tracked):
    """An address that messages about a page go to. Only the delivery engine sees both kinds of it.

    Everybody else sees one kind, which filters by itself: `Subscriber`, or `StaffChannel`.
    """

    class Channel(models.TextChoices):
        EMAIL = "email", _("E-mail")
        WEBHOOK = "webhook", _("Webhook")
        STAFF = "staff", _("Staff mailbox")
        CHAT = "chat", _("Staff chat")

    OF_STAFF = (Channel.STAFF, Channel.CHAT)

    class State(models.TextChoices):
        UNCONFIRMED = "unconfirmed", _("Unconfirmed")
        ACTIVE = "active", _("Active")
        QUARANTINED = "quarantined", _("Quarantined")
        UNSUBSCRIBED = "unsubscribed", _("Unsubscribed")

    class LeftBy(models.TextChoices):
        OWNER = "owner", _("Its owner")
        STAFF = "staff", _("Staff")
        PROGRAM = "program", _("A program")

    page = models.ForeignKey(Page, models.PROTECT, related_name="+", verbose_name=_("page"))
    channel = models.CharField(_("channel"), max_length=10, choices=Channel.choices, default=Channel.EMAIL)
    address = models.CharField(
        _("address"), max_length=500, help_text=_("An e-mail address, or what stands for a URL (`addresses.shown`).")
    )
    endpoint = models.CharField(
        max_length=2000, blank=True, editable=False, help_text="Encrypted: where a webhook or a chat is reached."
    )
    contact = models.CharField(
        _("contact"), max_length=254, blank=True, help_text=_("A webhook's owner, notified by e-mail when it fails.")
    )
    state = models.CharField(_("state"), max_length=12, choices=State.choices, default=State.UNCONFIRMED)
    reason = models.CharField(_("reason"), max_length=500, blank=True, help_text=_("Why it is quarantined."))
    left_by = models.CharField(_("unsubscribed by"), max_length=8, choices=LeftBy.choices, blank=True, editable=False)
    secret = models.CharField(
        max_length=500, blank=True, editable=False, help_text="Encrypted: what signs a webhook's requests."
    )
    user: models.ForeignKey[User | None, User | None] = models.ForeignKey(
        User, models.PROTECT, related_name="+", verbose_name=_("member of staff"), null=True, editable=False
    )
    old_secret = models.CharField(
        max_length=500, blank=True, editable=False, help_text="Encrypted: what signs beside it for a day."
    )
    rolled_at = models.DateTimeField(_("secret rolled"), null=True, editable=False)

    # What it is notified of
    everything = models.BooleanField(_("everything on the page"), default=True)
    postmortems_only = models.BooleanField(_("postmortems only"), default=False)
    minimum_impact = models.CharField(_("minimum impact"), max_length=10, choices=Impact.choices, default=Impact.NONE)

    confirmation_sent_at = models.DateTimeField(null=True, editable=False)
    confirmed_at = models.DateTimeField(_("confirmed"), null=True, editable=False)
    failing_since = models.DateTimeField(_("failing since"), null=True, editable=False)
    left_behind_at = models.DateTimeField(
        _("left behind"), null=True, editable=False, help_text=_("When it was notified that what it follows is gone.")
    )
    mails = models.PositiveIntegerField(
        _("mails"), default=0, editable=False, help_text=_("How many were owed that are about no event.")
    )

    class Meta:
        verbose_name = _("recipient")
        verbose_name_plural = _("recipients")
        constraints = (
            models.UniqueConstraint(fields=["page", "channel", "address"], name="recipient_once_per_page"),
            models.CheckConstraint(
                condition=models.Q(state__in=["unconfirmed", "active", "quarantined", "unsubscribed"]),
                name="recipient_state",
            ),
            models.UniqueConstraint(
                fields=["page", "user"], condition=models.Q(user__isnull=False), name="recipient_of_staff_once"
            ),
            models.CheckConstraint(
                condition=models.Q(channel__in=["email", "webhook"], user=None)
                | models.Q(channel__in=["staff", "chat"], everything=False),
                name="recipient_of_staff_hears_nothing_public",
            ),
        )
        indexes = (models.Index(fields=["page", "state"], name="recipient_active"),)

    def __str__(self) -> str:
        return self.address

    @classmethod
    def miscounted(cls) -> models.QuerySet[Recipient, int]:
        """The keys of those of whom other mails are there than were owed."""
        mails = models.Count("deliveries", filter=models.Q(deliveries__event=None, deliveries__nudge=None))
        rows = cls._base_manager.annotate(found=mails).exclude(found=models.F("mails"))
        return rows.order_by("pk").values_list("pk", flat=True)

    @property
    def is_of_staff(self) -> bool:
        return self.channel in self.OF_STAFF

    @property
    def signing_secrets(self) -> list[str]:
        """What signs a webhook's requests: for a while after the secret was rolled the old one too, behind it."""
        is_rolling = self.rolled_at is not None and record_time() < self.rolled_at + SECRET_OVERLAP
        encrypted = [self.secret, self.old_secret] if is_rolling and self.old_secret else [self.secret]
        return [decrypt(each) for each in encrypted]


class SubscriberManager(models.Manager["Subscriber"]):
    def get_queryset(self) -> models.QuerySet[Subscriber]:
        return super().get_queryset().exclude(channel__in=Recipient.OF_STAFF).filter(deleted_at=None)

    def active(self) -> models.QuerySet[Subscriber]:
        """Who may be notified of public facts."""
        return self.filter(state=Recipient.State.ACTIVE)

    def lock_or_create(
        self, page: Page, channel: Recipient.Channel, address: str, **facts: str
    ) -> tuple[Subscriber, bool]:
        """The one with this address, held until the transaction ends, and whether it is new, with `facts`.

        One that is forgotten while this waits for it has the address no more, and a new one is made. Raises
        `InvalidTransition` when the page was deleted.
        """
        page.refresh_from_db(fields=["deleted_at"])
        page.check_live()
        rows = self.select_for_update(of=("self",), no_key=True)
        return rows.get_or_create(page=page, channel=channel, address=address, defaults=facts)


class Subscriber(Recipient):
    """Somebody outside who is notified of public facts, by mail or by a webhook. Who is forgotten is in no list."""

    objects: ClassVar[SubscriberManager] = SubscriberManager()

    class Meta:
        proxy = True
        verbose_name = _("subscriber")
        verbose_name_plural = _("subscribers")


class StaffChannelManager(models.Manager["StaffChannel"]):
    def get_queryset(self) -> models.QuerySet[StaffChannel]:
        return super().get_queryset().filter(channel__in=Recipient.OF_STAFF, deleted_at=None)


class StaffChannel(Recipient):
    """A mailbox or chat in which staff are nudged, and never notified of public facts.

    One with a `user` is that person's, the others are for whoever is on call.
    """

    objects: ClassVar[StaffChannelManager] = StaffChannelManager()

    class Meta:
        proxy = True
        verbose_name = _("staff channel")
        verbose_name_plural = _("staff channels")


class Follow(models.Model):
    """A component, or one incident until it is over, that a recipient chose instead of everything."""

    recipient = models.ForeignKey(Recipient, models.CASCADE, related_name="follows")
    component = models.ForeignKey(Component, models.CASCADE, related_name="+", null=True)
    incident = models.ForeignKey(Incident, models.CASCADE, related_name="+", null=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["recipient", "component"], name="follow_component_once"),
            models.UniqueConstraint(fields=["recipient", "incident"], name="follow_incident_once"),
            models.CheckConstraint(
                condition=models.Q(component=None, incident__isnull=False)
                | models.Q(component__isnull=False, incident=None),
                name="follow_one_thing",
            ),
        )

    def __str__(self) -> str:
        return f"{self.recipient_id}: {self.component or self.incident}"


class Nudge(models.Model):
    """Staff were reminded of a duty (`incidents.duties`): of one thing, by one key, for one time, once.

    One with the key TEST is about a channel, and says that it is a test.
    """

    TEST = "test"

    page = models.ForeignKey(Page, models.PROTECT, related_name="+", verbose_name=_("page"))
    key = models.CharField(_("duty"), max_length=30)
    subject = models.CharField(max_length=12, help_text="The public id of what it is about.")
    title = models.CharField(_("about"), max_length=500)
    path = models.CharField(max_length=200, help_text="Where staff deal with it.")
    due_at = models.DateTimeField(_("due at"))
    created_at = WrittenAt(_("created"), auto_now_add=True)
    note = models.CharField(_("note"), max_length=200, blank=True, help_text=_("Why nobody was notified."))
    owed = models.PositiveSmallIntegerField(default=0, help_text="To how many recipients.")

    SEALED = ("page_id", "key", "subject", "title", "path", "due_at", "created_at", "note", "owed")

    class Meta:
        verbose_name = _("nudge")
        verbose_name_plural = _("nudges")
        ordering = ("-id",)
        constraints = (models.UniqueConstraint(fields=["subject", "key", "due_at"], name="nudge_once"),)

    def __str__(self) -> str:
        return f"{self.key}: {self.title}"

    @classmethod
    def miscounted(cls) -> models.QuerySet[Nudge, int]:
        """The keys of those of which other messages are there than were owed."""
        rows = cls.objects.annotate(found=models.Count("deliveries")).exclude(found=models.F("owed"))
        return rows.order_by("pk").values_list("pk", flat=True)


class DeliveryQuerySet(models.QuerySet["Delivery"]):
    def due(self) -> DeliveryQuerySet:
        return self.filter(state=Delivery.State.DUE)

    def given_up(self) -> DeliveryQuerySet:
        """Within the last week, of those that would be sent if staff said so; not what the other side has refused."""
        is_lately = models.Q(finished_at__gt=record_time() - GIVEN_UP_LATELY)
        is_ours = models.Q(state=Delivery.State.FAILED, reason=Delivery.GIVEN_UP)
        return self.filter(is_lately, is_ours, recipient__state=Recipient.State.ACTIVE)


class Delivery(models.Model):
    """One message to one recipient. `due_at` is schedule, retry and lease in one."""

    GIVEN_UP = "given_up"  # a reason: it was tried for long enough, or cannot be written
    WITHDRAWN = "withdrawn"  # a reason: there was nothing to say any more

    class State(models.TextChoices):
        DUE = "due", _("Due")
        SENT = "sent", _("Sent")
        FAILED = "failed", _("Failed")
        CANCELLED = "cancelled", _("Cancelled")

    class Purpose(models.TextChoices):
        EVENT = "event", _("Public fact")
        CONFIRMATION = "confirmation", _("Confirmation")
        WARNING = "warning", _("Warning to a webhook's owner")
        LEFT_BEHIND = "left_behind", _("What was chosen is gone")
        NUDGE = "nudge", _("Nudge of staff")

    class Priority(models.IntegerChoices):
        STAFF = 0, _("Staff")
        INCIDENT = 1, _("Incident")
        PERSONAL = 2, _("Personal")
        REST = 3, _("Everything else")

    # Without an index each: those below begin with them, and every one costs each of many thousands of rows.
    recipient = models.ForeignKey(
        Recipient, models.PROTECT, related_name="deliveries", verbose_name=_("recipient"), db_index=False
    )
    event = models.ForeignKey(
        OutboxEvent, models.PROTECT, related_name="deliveries", verbose_name=_("event"), null=True, db_index=False
    )
    nudge: models.ForeignKey[Nudge | None, Nudge | None] = models.ForeignKey(
        Nudge, models.PROTECT, related_name="deliveries", null=True, editable=False, db_index=False
    )
    purpose = models.CharField(_("purpose"), max_length=12, choices=Purpose.choices, default=Purpose.EVENT)
    priority = models.SmallIntegerField(choices=Priority.choices, default=Priority.INCIDENT)
    state = models.CharField(_("state"), max_length=10, choices=State.choices, default=State.DUE)
    reason = models.CharField(_("reason"), max_length=20, blank=True, help_text=_("Why it was cancelled or failed."))
    answer = models.CharField(_("answer"), max_length=500, blank=True, help_text=_("The other side's last words."))
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    accepted = models.JSONField(
        default=list, db_default=[], editable=False, help_text="Of several messages, the ids of those that were taken."
    )
    due_at = models.DateTimeField(_("due at"))
    claimed_at = models.DateTimeField(null=True, help_text="A worker has it until `due_at`; empty while nobody has.")
    created_at = WrittenAt(_("created"), auto_now_add=True)
    finished_at = models.DateTimeField(_("finished"), null=True)

    objects = DeliveryQuerySet.as_manager()

    # By `history.seals`
    SEALED_WHEN_FINISHED = ("recipient_id", "event_id", "nudge_id", "purpose", "created_at")
    SEALED_UNTIL_RETRIED = ("reason", "finished_at")

    class Meta:
        verbose_name = _("delivery")
        verbose_name_plural = _("deliveries")
        constraints = (
            models.UniqueConstraint(fields=["event", "recipient"], name="delivery_once"),
            models.UniqueConstraint(
                fields=["nudge", "recipient"], condition=models.Q(nudge__isnull=False), name="delivery_of_nudge_once"
            ),
            models.CheckConstraint(
                condition=models.Q(state="due", finished_at=None)
                | (~models.Q(state="due") & ~models.Q(finished_at=None)),
                name="delivery_finished_when_not_due",
            ),
        )
        indexes = (
            models.Index(fields=["priority", "due_at"], condition=models.Q(state="due"), name="delivery_due"),
            models.Index(fields=["recipient", "-id"], name="delivery_of_recipient"),
            models.Index(
                fields=["finished_at", "id"], condition=models.Q(finished_at__isnull=False), name="delivery_finished"
            ),
        )

    def __str__(self) -> str:
        return f"{self.get_state_display()} #{self.pk}"


class Tally(models.Model):
    """How many people an update has reached by mail, for pages that say so in public."""

    event = models.OneToOneField(OutboxEvent, models.CASCADE, related_name="tally")
    people = models.PositiveIntegerField()
    took = models.DurationField(help_text="From the update to the last mail that was sent.")
    is_final = models.BooleanField(help_text="Nothing is due any more.")

    def __str__(self) -> str:
        return f"{self.event}: {self.people}"


class Publisher(models.Model):
    """The one row that says which folder pages are published in, and which versions of the software did it."""

    root = models.CharField(max_length=12, blank=True, help_text="The folder's own code.")
    versions = models.JSONField(default=list, help_text="The newest last.")

    class Meta:
        constraints = (models.CheckConstraint(condition=models.Q(pk=1), name="publisher_is_one_row"),)

    def __str__(self) -> str:
        return self.root


class SignUp(models.Model):
    """What a stranger asked for at the door, until the clock takes it up."""

    page = models.ForeignKey(Page, models.CASCADE, related_name="+")
    channel = models.CharField(max_length=10, choices=Recipient.Channel.choices)
    address = models.CharField(max_length=500)
    endpoint = models.CharField(max_length=2000, blank=True, help_text="Encrypted: where a webhook is reached.")
    contact = models.CharField(max_length=254, blank=True)
    incident = models.ForeignKey(Incident, models.CASCADE, related_name="+", null=True)
    created_at = WrittenAt(auto_now_add=True)

    def __str__(self) -> str:
        return f"{self.get_channel_display()} #{self.pk}"


class SignUpCount(models.Model):
    """How many sign-ups came from a network (/24, or /64 of IPv6) in the hour that began at `hour`."""

    network = models.CharField(max_length=43)
    hour = models.DateTimeField()
    count = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["network", "hour"], name="sign_ups_of_network_and_hour"),)

    def __str__(self) -> str:
        return f"{self.network}: {self.count}"


class AskedMailbox(models.Model):
    """When a mailbox was last asked to confirm a subscription; for an hour, and without its address."""

    digest = models.CharField(max_length=64, unique=True)
    asked_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return f"#{self.pk}"
