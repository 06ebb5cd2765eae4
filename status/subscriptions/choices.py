"""What a subscriber is notified of, and how that is changed."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _

from incidents.authorship import service
from incidents.errors import InvalidInput
from incidents.lifecycle import Impact
from incidents.models import Component, Incident, User
from incidents.permissions import Verb
from status.models import Follow, Subscriber


@dataclass(frozen=True, slots=True)
class Choices:
    """What a subscriber is notified of: everything on the page, or these components and incidents."""

    everything: bool = True
    components: Sequence[Component] = ()
    incidents: Sequence[Incident] = ()
    postmortems_only: bool = False
    minimum_impact: Impact = Impact.NONE


@service(Verb.MANAGE_SUBSCRIBERS, locks=Subscriber)
def choose(recipient: Subscriber, choices: Choices, *, author: User) -> None:
    """Notify of `choices` from now on."""
    recipient.lock_live()
    if not (choices.everything or choices.components or choices.incidents):
        raise InvalidInput(_("Choose at least one component, or everything. To hear nothing more, unsubscribe."))
    offered = Component.objects.public().on(recipient.page)
    followed = set(recipient.follows.values_list("component", flat=True))  # also what is gone, and may come back
    new = [each.pk for each in choices.components if each.pk not in followed]
    if offered.filter(pk__in=new).count() < len(new):
        raise InvalidInput(_("A component is not one of this page's. Choose from the list."), field="components")
    public = Incident.objects.public().on(recipient.page)
    if public.filter(pk__in=[each.pk for each in choices.incidents]).count() < len(choices.incidents):
        raise InvalidInput(_("An incident is not one of this page's. Choose from the list."), field="incidents")
    follow(recipient, choices)


def choices_of(recipient: Subscriber, incidents: Collection[Incident]) -> Choices:
    """What a recipient is notified of now, with `incidents` instead of those that it follows."""
    components = [row.component for row in recipient.follows.select_related("component") if row.component]
    return Choices(
        everything=recipient.everything,
        components=components,
        incidents=list(incidents),
        postmortems_only=recipient.postmortems_only,
        minimum_impact=Impact(recipient.minimum_impact),
    )


def follow(recipient: Subscriber, choices: Choices) -> None:
    """Set what a locked `recipient` is notified of; its history names what it follows."""
    recipient.follows.all().delete()
    followed = [Follow(recipient=recipient, component=component) for component in choices.components]
    followed += [Follow(recipient=recipient, incident=incident) for incident in choices.incidents]
    Follow.objects.bulk_create(followed)
    recipient._change_reason = ", ".join(str(row.component or row.incident) for row in followed)
    recipient.change(
        everything=choices.everything,
        postmortems_only=choices.postmortems_only,
        minimum_impact=choices.minimum_impact,
    )
