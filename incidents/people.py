"""Accounts of staff, service users, API keys, and the sweeping of what sign-in leaves behind."""

from __future__ import annotations

import secrets
from collections.abc import Collection
from datetime import datetime, timedelta
from importlib import import_module
from typing import TypedDict, Unpack

from django.conf import settings
from django.contrib.auth.models import Group
from django.db import transaction
from django.db.models import Case, F, Q, When
from django.utils.translation import gettext as _

from incidents.authorship import service
from incidents.errors import Forbidden, InvalidInput
from incidents.models import ApiKey, ApiKeyUse, Page, SignInMemory, Submission, User
from incidents.models.base import save_checked
from incidents.permissions import Scope, Verb, group_of
from incidents.record_time import record_time, written_at

# Names of service users, which are made when they are first needed: nobody else may have one
SERVICE_USERS = frozenset({"clock", "delivery", "mail", "replay", "setup", "subscriber"})
FORM_KEPT_FOR = timedelta(days=31)  # longer than anybody leaves a page open and then sends it


def service_user(name: str, *, role: str) -> User:
    """The user in whose name a program or the clock acts, made when it is first needed."""
    return User.objects.filter(username=name, is_service=True).first() or _make_service_user(name, [role])


def clock_user() -> User:
    """In whose name what is due is done."""
    return service_user("clock", role="clock")


class StaffFacts(TypedDict, total=False):
    username: str
    first_name: str
    last_name: str
    email: str
    is_active: bool
    is_staff: bool
    is_superuser: bool
    groups: Collection[Group]


@service(Verb.MANAGE_STAFF)
def create_staff(*, author: User, **facts: Unpack[StaffFacts]) -> User:
    """An account for a person, with these roles. It has no password: its owner sets one by a link."""
    user = User(is_staff=True)
    user.set_unusable_password()
    _write(user, facts, author)
    return user


@service(Verb.MANAGE_STAFF, locks=User)
def edit_staff(user: User, *, author: User, **facts: Unpack[StaffFacts]) -> User:
    """Change facts of a person's account; those not named keep their values. A program's is not to be changed.

    Closed, it loses its password, and with it every session and link; the keys that its owner made are revoked.
    """
    _lock(user)
    if user.pk == author.pk and not facts.get("is_active", True):
        raise InvalidInput(_("This is your own account: have somebody else close it."), field="is_active")
    is_closed = user.is_active and not facts.get("is_active", True)
    _write(user, facts, author)
    if is_closed:
        user.set_unusable_password()
        user.save(update_fields=["password"])
        for key in user.keys_made.filter(revoked_at=None).order_by("pk"):
            _revoke(key)
    return user


def _write(user: User, facts: StaffFacts, author: User) -> None:
    """Only a superuser may change a superuser or make one, so that nobody gets more rights than they have."""
    if not author.is_superuser and (user.is_superuser or facts.get("is_superuser")):
        raise Forbidden(_("Only a superuser may change a superuser, or make one."))
    if user.is_service:
        raise InvalidInput(_("This is a program's account: nobody signs in with it, and it keeps its rights."))
    if facts.get("username", "").lower() in SERVICE_USERS:
        raise InvalidInput(_("A program has this name. Choose another one."), field="username")
    if not facts.get("email", user.email or not user._state.adding):
        raise InvalidInput(_("An account needs an e-mail address: links to set a password go there."), field="email")
    roles = facts.pop("groups", None)
    changed_by = user.address_changed_by
    is_somebodys = user.last_login is not None or user.has_usable_password()
    if is_somebodys and facts.get("email", user.email).lower() != user.email.lower():
        changed_by = author if author.pk != user.pk else None
    save_checked(user, **facts, address_changed_by=changed_by)
    if roles is not None and set(user.groups.all()) != set(roles):
        names = ", ".join(sorted(role.name for role in roles))
        user._change_reason = _("Roles: %(names)s") % {"names": names or _("none")}
        user.groups.set(roles)
        user.save(update_fields=["username"])  # after its roles, which its history has a code of


def _lock(user: User) -> None:
    """Hold an account until the transaction ends, and read it anew."""
    user.refresh_from_db(from_queryset=User.objects.select_for_update(no_key=True))


@service(Verb.MANAGE_STAFF, locks=User)
def note_link(user: User, *, author: User) -> None:
    """Note that an account's owner is sent a link to set a password, which the caller sends once this is saved.

    Not by whoever has changed its address: nobody takes an account over alone.
    """
    _lock(user)
    if user.is_service:
        raise InvalidInput(_("This is a program's account: nobody signs in with it, and it keeps its rights."))
    if not (user.is_active and user.email):
        raise InvalidInput(_("A link goes to the e-mail address of an active account, and this one has none."))
    if user.address_changed_by == author:
        raise InvalidInput(_("You have changed this address, so somebody else with the right to do so sends the link."))
    user.address_changed_by = None
    user._change_reason = _("Link to set a password sent")
    user.save(update_fields=["address_changed_by"])


@service(Verb.MANAGE_STAFF, locks=User)
def unlink_provider(user: User, *, reason: str, author: User) -> None:
    """For somebody who is another one at the identity provider now: their next sign-in there links the account anew.

    A superuser's only a superuser may remove. Without a link nothing is done.
    """
    _lock(user)
    if user.is_superuser and not author.is_superuser:
        raise Forbidden(_("Only a superuser may remove the link of a superuser's account."))
    taken, _rows = user.socialaccount_set.all().delete()
    if taken:
        user._change_reason = _("Link to the identity provider removed: %(reason)s") % {"reason": reason}
        user.save(update_fields=["username"])  # for the history


@service(Verb.MANAGE_STAFF, locks=User)
def remove_second_factor(user: User, *, reason: str, author: User) -> None:
    """For somebody who has lost it, recovery codes and all: they set up a new one when they sign in next.

    A superuser's only a superuser may take away. Without one nothing is done.
    """
    _lock(user)
    if user.is_superuser and not author.is_superuser:
        raise Forbidden(_("Only a superuser may take away a superuser's second factor."))
    taken, _rows = user.authenticator_set.all().delete()
    if taken:
        user._change_reason = _("Second factor taken away: %(reason)s") % {"reason": reason}
        user.save(update_fields=["username"])  # for the history


@service(Verb.EDIT_CATALOGUE, locks=Page)
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
    if page:
        page.lock_live()
    if ApiKey.objects.filter(name=name).exists():
        raise InvalidInput(_("There is a key of this name. Choose another name."), field="name")
    if expires_at and expires_at <= record_time():
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


@service(Verb.EDIT_CATALOGUE, locks=ApiKey)
def revoke_key(key: ApiKey, *, author: User) -> None:
    """From now on the key opens nothing."""
    _revoke(key)


def _revoke(key: ApiKey) -> None:
    key.lock()
    key.change(revoked_at=key.revoked_at or written_at())


def drop_expired() -> None:
    """Drop what is over: sessions, what sign-in need not remember any longer, and tokens of forms sent long ago."""
    import_module(settings.SESSION_ENGINE).SessionStore.clear_expired()
    SignInMemory.objects.filter(expires_at__lte=record_time()).delete()
    Submission.objects.filter(created_at__lt=record_time() - FORM_KEPT_FOR).delete()


def count_request(key: ApiKey, *, most: int) -> bool:
    """Note that a key is used now; False when it was used `most` times within this minute already.

    A conditional UPDATE, so that processes together let no more than that pass.
    """
    now = record_time()
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
