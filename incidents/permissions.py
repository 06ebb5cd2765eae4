"""Who may do what: the rights that services ask for, and which of them a role and an API key give."""

from __future__ import annotations

import logging
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from django.db.models import TextChoices
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from incidents.errors import Forbidden, MissingAuthor

if TYPE_CHECKING:
    from incidents.models import User


logger = logging.getLogger(__name__)

APP = "incidents"


class Verb(StrEnum):
    """Rights, as Django permissions of the `incidents` app (declared on the models' Meta)."""

    DECLARE_INCIDENT = "declare_incident"
    POST_UPDATE = "post_update"
    CORRECT_UPDATE = "correct_update"
    NOTE_TIMELINE = "note_timeline"
    EDIT_POSTMORTEM = "edit_postmortem"
    APPROVE_POSTMORTEM = "approve_postmortem"
    PUBLISH_POSTMORTEM = "publish_postmortem"
    SET_COMPONENT_STATUS = "set_component_status"
    EDIT_CATALOGUE = "edit_catalogue"
    MANAGE_SUBSCRIBERS = "manage_subscribers"
    MANAGE_STAFF = "manage_staff"
    READ_AUDIT = "read_audit"


_RESPONDER = frozenset({Verb.DECLARE_INCIDENT, Verb.NOTE_TIMELINE, Verb.EDIT_POSTMORTEM})
_COMMUNICATOR = _RESPONDER | {Verb.POST_UPDATE, Verb.CORRECT_UPDATE, Verb.SET_COMPONENT_STATUS, Verb.PUBLISH_POSTMORTEM}
_APPROVER = _COMMUNICATOR | {Verb.APPROVE_POSTMORTEM}

ROLES: dict[str, frozenset[Verb]] = {
    "viewer": frozenset(),
    "responder": _RESPONDER,
    "communicator": _COMMUNICATOR,
    "approver": _APPROVER,
    "administrator": _APPROVER | {Verb.EDIT_CATALOGUE, Verb.MANAGE_SUBSCRIBERS, Verb.MANAGE_STAFF, Verb.READ_AUDIT},
    # In whose name what is due is done; a maintenance that repeats is declared anew.
    "clock": frozenset({Verb.DECLARE_INCIDENT, Verb.POST_UPDATE, Verb.MANAGE_SUBSCRIBERS}),
    "subscriptions": frozenset({Verb.MANAGE_SUBSCRIBERS}),  # in whose name subscribers act, and mail that comes back
}
STAFF_ROLES = [name for name in ROLES if name not in ("clock", "subscriptions")]  # what people may be given

# The rights that make something public at once: whoever has one of them signs in with a second factor, where the
# settings ask for one.
PUBLISHING = frozenset({
    Verb.POST_UPDATE, Verb.CORRECT_UPDATE, Verb.PUBLISH_POSTMORTEM, Verb.SET_COMPONENT_STATUS, Verb.EDIT_CATALOGUE,
})  # fmt: skip


class Scope(TextChoices):
    """What an API key may be used for. A key acts with the rights below, never with those of whoever made it."""

    READ = "read", gettext_lazy("Read pages, components and incidents (every key may)")
    INCIDENTS = "incidents", gettext_lazy("Incidents, updates, maintenance, postmortems and timelines")
    COMPONENTS = "components", gettext_lazy("Components, their groups and their status, and metrics")
    SUBSCRIBERS = "subscribers", gettext_lazy("Subscribers, whom it can read too")
    ADMIN = "admin", gettext_lazy("Everything, pages and templates too")


SCOPES: dict[Scope, frozenset[Verb]] = {
    Scope.READ: frozenset(),
    Scope.INCIDENTS: _COMMUNICATOR - {Verb.SET_COMPONENT_STATUS},
    Scope.COMPONENTS: frozenset({Verb.SET_COMPONENT_STATUS, Verb.EDIT_CATALOGUE}),
    Scope.SUBSCRIBERS: frozenset({Verb.MANAGE_SUBSCRIBERS}),
    Scope.ADMIN: ROLES["administrator"] - {Verb.MANAGE_STAFF},
}


def group_of(scope: Scope) -> str:
    """The Django group that gives a key's service user the rights of a scope."""
    return f"API: {scope.value}"


def allows(actor: User | None, verb: Verb) -> bool:
    return actor is not None and actor.is_active and actor.has_perm(f"incidents.{verb}")


def may_read(actor: User | None) -> bool:
    """Whether `actor` may read incidents, internal ones too."""
    return actor is not None and actor.is_active and actor.has_perm("incidents.view_incident")


def require(actor: User | None, verb: Verb) -> None:
    """Raises `MissingAuthor` without an actor, `Forbidden` when the actor has no right to `verb`."""
    if actor is None or actor.pk is None:
        raise MissingAuthor(_("Every change needs an author: say who is acting."))
    if not allows(actor, verb):
        logger.warning("%s was refused: no right to %s", actor.get_username(), verb.value)
        raise Forbidden(
            _("%(who)s may not do this (it needs the right “%(verb)s”). Ask an administrator for a role that has it.")
            % {"who": actor, "verb": verb.value.replace("_", " ")}
        )


def install_roles(**_kwargs: Any) -> None:
    """Make Django groups out of the tables above: run after every migration, so that they are what holds."""
    from django.contrib.auth.models import Group, Permission

    every = {right.codename: right for right in Permission.objects.filter(content_type__app_label=APP)}
    for name, rights in rights_of_groups().items():
        group, _created = Group.objects.get_or_create(name=name)
        group.permissions.set([every[codename] for codename in map(_codename, rights) if codename in every])


def rights_of_groups() -> dict[str, set[str]]:
    """What each Django group gives, as "incidents.post_update"; every one of them lets its members look."""
    from django.apps import apps

    views = {f"{APP}.view_{model._meta.model_name}" for model in apps.get_app_config(APP).get_models()}
    verbs = {**ROLES, **{group_of(scope): verbs for scope, verbs in SCOPES.items()}}
    return {name: views | {f"{APP}.{verb}" for verb in rights} for name, rights in verbs.items()}


def _codename(right: str) -> str:
    return right.partition(".")[2]
