"""Who leads an incident, who speaks to the public, who writes it down."""

from __future__ import annotations

from django.utils.translation import gettext as _

from incidents.authorship import service
from incidents.errors import InvalidInput, InvalidTransition
from incidents.models import Incident, IncidentRole, User
from incidents.models.base import save_checked
from incidents.permissions import Verb, allows
from incidents.record_time import record_time


@service(Verb.DECLARE_INCIDENT, locks=Incident)
def take_role(incident: Incident, *, role: IncidentRole.Role, author: User, note: str = "") -> IncidentRole:
    """`author` has the role from now on, and whoever had it does not. Harmless for one who has it already."""
    incident.lock_live()
    return _give(incident, role, author, note)


@service(Verb.DECLARE_INCIDENT, locks=Incident)
def hand_over(
    incident: Incident, *, role: IncidentRole.Role, to: User | None, author: User, note: str = ""
) -> IncidentRole | None:
    """Give the role to somebody else, or to nobody, with a note on how things stand."""
    incident.lock_live()
    if to is not None:
        if not allows(to, Verb.DECLARE_INCIDENT):
            raise InvalidInput(
                _("%(who)s may not work on incidents. Choose somebody who may.") % {"who": to}, field="to"
            )
        return _give(incident, role, to, note)
    if _renounce(incident, role, note) is None:
        raise InvalidTransition(_("Nobody has this role."))
    return None


def _give(incident: Incident, role: IncidentRole.Role, user: User, note: str) -> IncidentRole:
    """The incident is locked, so that two who take a role at the same moment come one after the other."""
    holding = incident.roles.active().filter(role=role).first()
    if holding and holding.user == user:
        return holding
    renounced = _renounce(incident, role, note)
    taken = IncidentRole(incident=incident, role=role, user=user)
    if renounced and renounced.renounced_at:
        taken.assumed_at = renounced.renounced_at
    save_checked(taken)
    return taken


def _renounce(incident: Incident, role: IncidentRole.Role, note: str) -> IncidentRole | None:
    holding = incident.roles.active().filter(role=role).first()
    if holding:
        save_checked(holding, renounced_at=max(record_time(), holding.assumed_at), handover_note=note.strip())
    return holding
