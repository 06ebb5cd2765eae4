from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.db.models.functions import Lower
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from incidents.authorship import current_author
from incidents.models.base import History, Marked, Tracked
from incidents.models.page import Page
from incidents.permissions import Scope


def _account_author(instance: User, **_kwargs: Any) -> User:
    """Whoever acts, else the account itself: its owner signs in and sets a password without a service."""
    return current_author() or instance


class User(AbstractUser):
    """A member of staff, or a service user in whose name an API key, subscribers, delivery or the clock act."""

    is_service = models.BooleanField(
        _("service user"), default=False, help_text=_("Not a person: acts for a program and cannot sign in.")
    )
    address_changed_by: models.ForeignKey[User | None, User | None] = models.ForeignKey(
        "self",
        models.PROTECT,
        related_name="+",
        null=True,
        editable=False,
        help_text="Who gave somebody's account another address, which opens nothing until another one has sent a link.",
    )

    history = History(
        get_user=_account_author,
        history_change_reason_field=models.TextField(null=True),
        excluded_fields=["password"],
        bases=[Marked],
    )

    _change_reason: str | None  # kept in the next history row
    if TYPE_CHECKING:
        # Managers of django-allauth, which carries no types
        authenticator_set: Any  # second factors
        emailaddress_set: Any
        socialaccount_set: Any  # who they are at the identity provider

    class Meta(AbstractUser.Meta):
        permissions = (("manage_staff", "Manage the accounts of staff and their roles"),)
        constraints = (
            models.UniqueConstraint(
                Lower("email"),
                condition=~models.Q(email=""),
                name="user_email_once",
                violation_error_message=_("Another account has this e-mail address."),
            ),
        )

    def set_password(self, raw_password: str | None) -> None:
        super().set_password(raw_password)
        if self.pk:
            self._change_reason = gettext("Password set")

    BESIDE_HISTORY = ("groups", "user_permissions", "authenticator_set", "emailaddress_set", "socialaccount_set")

    def beside_history(self) -> list[Any]:
        """All that opens the account, and its roles."""
        used = ("used_mask",)  # which recovery codes were used: changes with a sign-in, and gives nothing
        factors = [
            [row.type, sorted((name, value) for name, value in row.data.items() if name not in used)]
            for row in self.authenticator_set.all()
        ]
        return [
            self.password,
            sorted(row.name for row in self.groups.all()),
            sorted(row.codename for row in self.user_permissions.all()),
            sorted(factors, key=str),
            sorted((row.email, row.verified, row.primary) for row in self.emailaddress_set.all()),
            sorted((row.provider, row.uid) for row in self.socialaccount_set.all()),
        ]

    @property
    def person(self) -> User:
        """Who answers for what is done in this name: of an API key its maker, else the account itself."""
        key = self.api_keys.select_related("made_by").first() if self.is_service else None
        return key.made_by if key else self

    def __str__(self) -> str:
        return self.get_full_name() or self.username


class ApiKey(Tracked):
    """A program's key: shown once, kept as a digest; its service user is the author of what it writes."""

    user = models.ForeignKey(User, models.PROTECT, related_name="api_keys", verbose_name=_("acts as"))
    made_by = models.ForeignKey(
        User,
        models.PROTECT,
        related_name="keys_made",
        verbose_name=_("made by"),
        help_text=_("It opens nothing once their account is closed: they have seen it."),
    )
    page: models.ForeignKey[Page | None, Page | None] = models.ForeignKey(
        Page,
        models.PROTECT,
        related_name="api_keys",
        verbose_name=_("page"),
        null=True,
        blank=True,
        help_text=_("Empty: every page."),
    )
    scope = models.CharField(_("scopes"), max_length=100, help_text=_("What it opens, separated by spaces."))
    name = models.CharField(_("name"), max_length=100, unique=True)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    last_four = models.CharField(_("ends with"), max_length=4, editable=False)
    expires_at = models.DateTimeField(_("expires"), null=True, blank=True)
    revoked_at = models.DateTimeField(_("revoked"), null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("API key")
        verbose_name_plural = _("API keys")

    def __str__(self) -> str:
        return self.name

    def permits(self, scope: Scope) -> bool:
        """Every key may read what is no secret; the one for administration opens everything."""
        return scope == Scope.READ or bool({scope, Scope.ADMIN} & set(self.scope.split()))

    @staticmethod
    def digest_of(key: str) -> str:
        """SHA-256 is enough here: a key is 256 random bits, not a password."""
        return hashlib.sha256(key.encode()).hexdigest()


class ApiKeyUse(models.Model):
    """When a key was last used, and how often in the minute that began at `minute`."""

    key = models.OneToOneField(ApiKey, models.CASCADE, related_name="use")
    used_at = models.DateTimeField(_("last used"), null=True)
    minute = models.DateTimeField(null=True)
    count = models.PositiveIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.key}: {self.used_at}"


class SignInMemory(models.Model):
    """What sign-in remembers for a while: attempts, used codes, known networks. Nothing pushes a row out before."""

    key = models.CharField(primary_key=True, max_length=250)
    value = models.JSONField()
    expires_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return self.key
