from __future__ import annotations

import re
import zoneinfo
from functools import cache
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator, URLValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from incidents.models.base import Tracked, TrackedQuerySet


def validate_page_url(value: str) -> None:
    """Where a page can be read: http or https, a host name of its own, and nothing that no front server could tell."""
    from django.conf import settings

    try:
        parts = urlsplit(value)
        port, host = parts.port, (parts.hostname or "").lower()
    except ValueError:
        raise ValidationError(_("This is not a web address. Write it like https://status.example.com.")) from None
    if "@" in parts.netloc:
        raise ValidationError(_("The address must not contain a user name or a password: everybody reads it."))
    if not host.isascii():
        raise ValidationError(_("Write the host name as name servers have it, in ASCII: xn--... for other letters."))
    if host.endswith("."):
        raise ValidationError(_("Leave out the dot behind the host name: browsers send it without one."))
    if ":" in host:
        raise ValidationError(_("The address must have a host name such as status.example.com."))
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise ValidationError(_("A page is read at a host name of its own. Leave out what is behind it."))
    if port == 0 or (parts.scheme, port) in {("https", 80), ("http", 443)}:
        raise ValidationError(_("Nobody can be reached at this port with this kind of address. Leave the port out."))
    site = (urlsplit(settings.SITE_URL).hostname or "").lower()
    if host in {site, *settings.ALLOWED_HOSTS} and host not in LOOPBACK:
        raise ValidationError(_("Staff work at this host name. Give the page one of its own."))


# On one machine, without a name server, the portal and its one page have the same.
LOOPBACK = {"127.0.0.1", "localhost"}


time_zones = cache(zoneinfo.available_timezones)  # it reads hundreds of files


def validate_time_zone(value: str) -> None:
    if value not in time_zones():
        raise ValidationError(_("“%(value)s” is not a time zone. Write it like Europe/Rome."), params={"value": value})


def validate_language(value: str) -> None:
    from django.conf import settings

    if value not in dict(settings.LANGUAGES):
        raise ValidationError(
            _("“%(value)s” is not a language we know. Write it like en or it."), params={"value": value}
        )


validate_colour = RegexValidator(r"^#[0-9a-fA-F]{6}$", _("Write a colour like #1f56d0."))


LOGO = re.compile(r"data:image/(?:png|svg\+xml);base64,[A-Za-z0-9+/]+={0,2}")
LOGO_SIZE = 64 * 1024


def validate_logo(value: str) -> None:
    """A data URL of an image that a browser shows without asking anybody, and that runs nothing."""
    if len(value.partition(",")[2]) * 3 // 4 > LOGO_SIZE:
        raise ValidationError(_("The image is larger than 64 KB. Take a smaller one."))
    if not LOGO.fullmatch(value):
        raise ValidationError(_("This is not a PNG or SVG image."))


class PageQuerySet(TrackedQuerySet["Page"]):
    def published(self) -> PageQuerySet:
        """Those that the public sees."""
        return self.live().filter(is_live=True)


class Page(Tracked):
    """A public status page: one deployment can serve several."""

    name = models.CharField(_("name"), max_length=100)
    url = models.CharField(
        _("address"),
        max_length=200,
        validators=[validate_page_url, URLValidator(schemes=["http", "https"])],
        help_text=_("Where customers read it, like https://status.example.com"),
    )
    host = models.CharField(max_length=200, editable=False, help_text=_("The host name in the address."))
    time_zone = models.CharField(
        _("time zone"), max_length=64, default="Etc/UTC", validators=[validate_time_zone], help_text="Europe/Rome"
    )
    language = models.CharField(_("language"), max_length=10, default="en", validators=[validate_language])
    support_url = models.URLField(_("support address"), blank=True, help_text=_("Where customers get help."))
    support_email = models.EmailField(
        _("support e-mail"), blank=True, help_text=_("Shown on the page; who replies to our mails writes there.")
    )

    waives_approval = models.BooleanField(
        _("postmortems need no approval"),
        default=False,
        help_text=_("Whoever may publish a postmortem publishes it without a second person; it is marked so for good."),
    )
    programs_may_publish_unchecked = models.BooleanField(
        _("programs may publish unchecked"),
        default=False,
        help_text=_("Secrets and internal names in what programs write are not refused. The history marks each."),
    )
    shows_totals = models.BooleanField(
        _("say how many were notified"),
        default=False,
        help_text=_("Under each update: how many people were notified by e-mail, and how fast."),
    )
    # How it looks
    intro = models.CharField(_("introduction"), max_length=500, blank=True, help_text=_("Shown above everything."))
    brand_colour = models.CharField(
        _("colour"), max_length=7, blank=True, validators=[validate_colour], help_text=_("Of the head, like #1f56d0.")
    )
    logo = models.TextField(
        blank=True, validators=[validate_logo], help_text=_("A PNG or SVG image of up to 64 KB, as a data URL.")
    )
    is_live = models.BooleanField(
        _("live"), default=True, help_text=_("Off: nobody sees the page; look at it with “Preview”.")
    )

    objects = PageQuerySet.as_manager()

    class Meta:
        verbose_name = _("page")
        verbose_name_plural = _("pages")
        ordering = ("id",)
        permissions = (
            ("edit_catalogue", "Edit pages, components and groups"),
            ("manage_subscribers", "Manage the subscribers of pages"),
        )
        constraints = (
            models.UniqueConstraint(
                fields=["host"],
                condition=models.Q(deleted_at=None),
                name="page_host_unique",
                violation_error_message=_("Another page has this host name."),
            ),
        )

    def __str__(self) -> str:
        return self.name

    @property
    def is_published(self) -> bool:
        return self.is_live and self.deleted_at is None

    @property
    def zone(self) -> zoneinfo.ZoneInfo:
        return zoneinfo.ZoneInfo(self.time_zone)


class EmbedConfig(Tracked):
    """How a page's status embed looks on other sites."""

    class Position(models.TextChoices):
        TOP_LEFT = "top-left", _("Top left")
        TOP_RIGHT = "top-right", _("Top right")
        BOTTOM_LEFT = "bottom-left", _("Bottom left")
        BOTTOM_RIGHT = "bottom-right", _("Bottom right")

    page = models.OneToOneField(Page, models.PROTECT, related_name="embed_config", verbose_name=_("page"))
    position = models.CharField(_("position"), max_length=12, choices=Position.choices, default=Position.BOTTOM_LEFT)
    incident_background = models.CharField(
        _("background of an incident"), max_length=7, default="#8f1d1d", validators=[validate_colour]
    )
    incident_text = models.CharField(
        _("text of an incident"), max_length=7, default="#ffffff", validators=[validate_colour]
    )
    maintenance_background = models.CharField(
        _("background of a maintenance"), max_length=7, default="#1f56d0", validators=[validate_colour]
    )
    maintenance_text = models.CharField(
        _("text of a maintenance"), max_length=7, default="#ffffff", validators=[validate_colour]
    )

    class Meta:
        verbose_name = _("status embed")
        verbose_name_plural = _("status embeds")

    def __str__(self) -> str:
        return str(self.page)
