"""Accounts of staff, service users, API keys, and the sweeping of what sign-in leaves behind."""

from __future__ import annotations

import secrets
from collections.abc import Collection
from datetime import datetime, timedelta

from django.contrib.auth.models import Group
from django.contrib.sessions.backends.db import SessionStore
from django.db import transaction
from django.db.models import Case, F, Q, When
from django.utils import timezone
from django.utils.translation import gettext as _

from incidents.authorship import service
from incidents.errors import Forbidden, InvalidInput
from incidents.models import ApiKey, ApiKeyUse, Page, SignInMemory, Submission, User
from incidents.models.base import save_checked
from incidents.permissions import Scope, Verb, group_of

# Names of service users, which are made when they are first needed: nobody else may have one
PROGRAMS = frozenset({"clock", "delivery", "mail", "replay", "setup", "subscriber"})
FORM_KEPT_FOR = timedelta(days=31)  # longer than anybody leaves a page open and then sends it


def service_user(name: str, *, role: str) -> User:
    """The user in whose name a program or the clock acts, made when it is first needed."""
    return User.objects.filter(username=name, is_service=True).first() or _make_service_user(name, [role])


def clock() -> User:
    """In whose name what is due is done."""
    return service_user("clock", role="clock")


@service(Verb.MANAGE_STAFF, locks=User)
def save_staff(user: User, *, roles: Collection[Group], author: User) -> None:
    """Create or change a person's account and the roles it has; a program's is not to be changed.

    Only a superuser may change a superuser or make one, so that nobody gets more rights than they have. A new account
    has no password: its owner sets one by a link. Closed, it loses its password, and with it every session and link;
    the keys that its owner made are revoked.
    """
    before = User.objects.select_for_update(no_key=True).filter(pk=user.pk).first()
    if not author.is_superuser and (user.is_superuser or (before and before.is_superuser)):
        raise Forbidden(_("Only a superuser may change a superuser, or make one."))
    if before and user.pk == author.pk and not user.is_active:
        raise InvalidInput(_("This is your own account: have somebody else close it."), field="is_active")
    if user.is_service:
        raise InvalidInput(_("This is a program's account: nobody signs in with it, and it keeps its rights."))
    if user.username.lower() in PROGRAMS:
        raise InvalidInput(_("A program has this name. Choose another one."), field="username")
    if not user.email and (before is None or before.email):
        raise InvalidInput(_("An account needs an e-mail address: links to set a password go there."), field="email")
    if before is None or (before.is_active and not user.is_active):
        user.set_unusable_password()
    held = set(before.groups.all()) if before else set()
    if held != set(roles):
        names = ", ".join(sorted(role.name for role in roles))
        user._change_reason = _("Roles: %(names)s") % {"names": names or _("none")}
    if before is None:
        save_checked(user)  # a row for its roles
    user.groups.set(roles)
    save_checked(user)  # after its roles, which its history has a code of
    if not user.is_active:
        for key in user.keys_made.filter(revoked_at=None):
            _revoke(key)


@service(Verb.MANAGE_STAFF, locks=User)
def note_link(user: User, *, author: User) -> None:
    """Note that an account's owner is sent a link to set a password, which the caller sends once this is saved."""
    row = User.objects.select_for_update(no_key=True).get(pk=user.pk)
    if row.is_service:
        raise InvalidInput(_("This is a program's account: nobody signs in with it, and it keeps its rights."))
    if not (row.is_active and row.email):
        raise InvalidInput(_("A link goes to the e-mail address of an active account, and this one has none."))
    row._change_reason = _("Link to set a password sent")
    row.save()


@service(Verb.MANAGE_STAFF, locks=User)
def unlink_provider(user: User, *, reason: str, author: User) -> None:
    """For somebody who is another one at the identity provider now: their next sign-in there links the account anew.

    A superuser's only a superuser may remove. Without a link nothing is done.
    """
    if user.is_superuser and not author.is_superuser:
        raise Forbidden(_("Only a superuser may remove the link of a superuser's account."))
    row = User.objects.select_for_update(no_key=True).get(pk=user.pk)
    taken, _rows = row.socialaccount_set.all().delete()
    if taken:
        row._change_reason = _("Link to the identity provider removed: %(reason)s") % {"reason": reason}
        row.save()


@service(Verb.MANAGE_STAFF, locks=User)
def remove_second_factor(user: User, *, reason: str, author: User) -> None:
    """For somebody who has lost it, recovery codes and all: they set up a new one when they sign in next.

    A superuser's only a superuser may take away. Without one nothing is done.
    """
    if user.is_superuser and not author.is_superuser:
        raise Forbidden(_("Only a superuser may take away a superuser's second factor."))
    row = User.objects.select_for_update(no_key=True).get(pk=user.pk)
    taken, _rows = row.authenticator_set.all().delete()
    if taken:
        row._change_reason = _("Second factor taken away: %(reason)s") % {"reason": reason}
        row.save()


@service(Verb.EDIT_CATALOGUE)
def create_key(
    name: str,
    *,
    scopes: Collection[Scope],
    author: User,
    page: Page | None = None,
    expires_at: datetime | None = None,
) -> tuple[str, ApiKey]:
    """A new key with its own service user. The first of the pair is the key itself: it cannot be read again.

    Without `page` it opens every page, without `expires_at` it opens them until it is revoked.
    """
    if ApiKey.objects.filter(name=name).exists():
        raise InvalidInput(_("There is a key of this name. Choose another name."), field="name")
    if expires_at and expires_at <= timezone.now():
        raise InvalidInput(_("This time is past. A key expires in the future, or never."), field="expires_at")
    key = secrets.token_urlsafe(32)
    user = _make_service_user(f"key:{name}", [group_of(scope) for scope in scopes])
    row = ApiKey(
        user=user,
        made_by=author,
        page=page,
        scope=" ".join(scope for scope in Scope if scope in {*scopes, Scope.READ}),
        name=name,
        digest=ApiKey.digest_of(key),
        last_four=key[-4:],
        expires_at=expires_at,
    )
    save_checked(row)
    ApiKeyUse.objects.create(key=row)
    return key, row


@service(Verb.EDIT_CATALOGUE)
def revoke_key(key: ApiKey, *, author: User) -> None:
    """From now on the key opens nothing."""
    _revoke(key)


def _revoke(key: ApiKey) -> None:
    key.revoked_at = key.revoked_at or timezone.now()
    key.save(update_fields=["revoked_at", "updated_at"])


def sweep() -> None:
    """Drop what is over: sessions, what sign-in need not remember any longer, and tokens of forms sent long ago."""
    SessionStore.clear_expired()
    SignInMemory.objects.filter(expires_at__lte=timezone.now()).delete()
    Submission.objects.filter(created_at__lt=timezone.now() - FORM_KEPT_FOR).delete()


def count_request(key: ApiKey, *, most: int) -> bool:
    """Note that a key is used now; False when it was used `most` times within this minute already.

    A conditional UPDATE, so that processes together let no more than that pass.
    """
    now = timezone.now()
    minute = now.replace(second=0, microsecond=0)
    is_this_minute = Q(minute=minute)
    return bool(
        ApiKeyUse.objects.filter(~is_this_minute | Q(count__lt=most), key=key).update(
            used_at=now, minute=minute, count=Case(When(is_this_minute, then=F("count") + 1), default=1)
        )
    )


@transaction.atomic
def _make_service_user(name: str, groups: Collection[str]) -> User:
    """With the rights of these groups from its beginning on: nobody sees it without them."""
    user, is_new = User.objects.get_or_create(username=name, is_service=True)
    if is_new:
        user.groups.set([Group.objects.get(name=group) for group in groups])
        user.set_unusable_password()
        user.save()
    return user
