"""What was deleted comes back: one verb for each thing that can be deleted. It is what it was, and where it was."""

from __future__ import annotations

from django.utils.translation import gettext as _

from incidents import outbox
from incidents.authorship import service
from incidents.errors import InvalidTransition
from incidents.models import Incident, User
from incidents.models.base import Tracked
from incidents.permissions import Verb


@service(Verb.POST_UPDATE, locks=Incident)
def restore_incident(incident: Incident, *, author: User, reason: str = "") -> None:
    """Undo its deletion: it is on its pages again as it was, and counts for its components. Nobody is notified."""
    _lock_deleted(incident)
    incident.mark_restored(reason)
    outbox.record_incident(outbox.Kind.INCIDENT_EDITED, incident)
    outbox.record_statuses(incident)


def _lock_deleted(row: Tracked) -> None:
    row.lock()
    if row.deleted_at is None:
        raise InvalidTransition(_("This is not deleted: there is nothing to restore."))
