"""The report that follows an incident."""

from __future__ import annotations

from datetime import datetime

from django.utils import timezone
from django.utils.translation import gettext as _

from incidents import outbox
from incidents.authorship import service
from incidents.errors import InvalidInput, InvalidTransition
from incidents.models import Incident, Postmortem, User
from incidents.permissions import Verb
from incidents.services import check_display_at, lock_live, save_checked


@service(Verb.PUBLISH_POSTMORTEM)
def publish_postmortem(
    incident: Incident, *, body: str, author: User, display_at: datetime | None = None, notify: bool = True
) -> Postmortem:
    """Publish the report on an incident that is over. There is one for each incident."""
    lock_live(incident)
    if not incident.is_ended:
        raise InvalidTransition(_("A postmortem is published once the incident is resolved. Resolve it first."))
    if Postmortem.objects.filter(incident=incident).exists():
        raise InvalidTransition(_("This incident has a published postmortem already."))
    body = body.replace("\r\n", "\n").strip()
    if not body:
        raise InvalidInput(_("Write the report first."), field="body")
    now = timezone.now()
    check_display_at(display_at or now, now, incident.latest_update())
    postmortem = Postmortem(incident=incident, body=body, author=author, display_at=display_at or now, published_at=now)
    save_checked(postmortem)
    incident.save(update_fields=["updated_at"])
    outbox.record_incident(outbox.Kind.POSTMORTEM_PUBLISHED, incident, notify=notify)
    return postmortem
