"""Words that staff keep for updates."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import TypedDict, Unpack

from django.utils import timezone
from django.utils.text import get_text_list
from django.utils.translation import gettext as _

from incidents.authorship import service
from incidents.deletion import taken_along
from incidents.errors import InvalidInput
from incidents.models import Component, Incident, IncidentTemplate, Page, TemplateComponent, User
from incidents.models.base import save_checked
from incidents.permissions import Verb

# The places in a text that the record fills in, or the writer
PLACES = frozenset({
    "components", "data_loss_statement", "impact_started", "last_update", "mitigated_at", "next_update",
    "not_affected", "postmortem_due", "recovered_at", "scope", "symptom", "title", "url", "workaround",
})  # fmt: skip
_PLACE = re.compile(r"\{([a-z_]+)\}")


def facts(incident: Incident | None) -> dict[str, str]:
    """What the record knows for the places in a template; times are in the current time zone."""
    if incident is None:
        return {}
    latest = incident.latest_update()
    ended = (
        incident.timeline.filter(outcome__in=["partial", "full"]).exclude(ended_at=None).order_by("-ended_at").first()
    )
    report = incident.postmortem
    known = {
        "title": incident.public_title,
        "components": listed([component.name for component in incident.components().public()]),
        "impact_started": clock(incident.impact_began_at),
        "recovered_at": clock(incident.impact_ended_at),
        "mitigated_at": clock(ended.ended_at if ended else None),
        "last_update": clock(latest.display_at if latest else None),
        "next_update": clock(incident.next_update_due_at),
        "postmortem_due": f"{report.due_on:%b %-d, %Y}" if report and report.due_on else "",
        "url": f"{incident.page.url}/incidents/{incident.public_id}" if incident.is_public else "",
    }
    return {place: words for place, words in known.items() if words}


def fill(text: str, facts: Mapping[str, str]) -> str:
    """`text` with the places that `facts` know; the others stay for the writer."""
    return _PLACE.sub(lambda place: facts.get(place[1], place[0]), text)


def began(text: str, typed: str) -> bool:
    """Whether `typed` is nothing but `text` with its places filled in, so that it may be replaced."""
    between = re.split(r"\{[a-z_]+\}", text)
    return re.fullmatch(r"[^\n]+?".join(map(re.escape, between)), typed.replace("\r\n", "\n")) is not None


def unfilled(text: str) -> list[str]:
    """The places that nobody has filled in, in their order."""
    return list(dict.fromkeys(name for name in _PLACE.findall(text) if name in PLACES))


def listed(names: list[str]) -> str:
    return get_text_list(names, _("and"))


def clock(at: datetime | None) -> str:
    """ "17:05 CET", with the day when it is another one; "" for no time."""
    if at is None:
        return ""
    local = timezone.localtime(at)
    return f"{local:%H:%M %Z}" if local.date() == timezone.localdate() else f"{local:%b %-d, %Y - %H:%M %Z}"


class TemplateFacts(TypedDict, total=False):
    page: Page | None
    name: str
    title: str
    body: str
    update_status: str
    deliver_notifications: bool
    components: Collection[Component]


@service(Verb.EDIT_CATALOGUE, locks=Page)
def create_template(*, author: User, **facts: Unpack[TemplateFacts]) -> IncidentTemplate:
    """Offer words to begin an update with; without `page` on every page. `components` are all that it names."""
    if page := facts.get("page"):
        page.lock_live()
    return _write(IncidentTemplate(), facts)


@service(Verb.EDIT_CATALOGUE, locks=(Page, IncidentTemplate))
def edit_template(template: IncidentTemplate, *, author: User, **facts: Unpack[TemplateFacts]) -> IncidentTemplate:
    """Change facts of a template; those not named keep their values."""
    if page := facts.get("page"):
        page.lock_live()
    template.lock_live()
    return _write(template, facts)


@service(Verb.EDIT_CATALOGUE, locks=IncidentTemplate)
def delete_template(template: IncidentTemplate, *, author: User) -> dict[str, int]:
    """Offer it no more; it stays in the record."""
    template.lock()
    template.mark_deleted()
    return taken_along(template)


def _write(template: IncidentTemplate, facts: TemplateFacts) -> IncidentTemplate:
    components = facts.pop("components", None)
    if "title" in facts:
        facts["title"] = " ".join(facts["title"].split())
    if "body" in facts:
        facts["body"] = facts["body"].replace("\r\n", "\n").strip()
    save_checked(template, **facts)
    if components is None and "page" in facts:
        components = template.components()  # they are to be on the new page, too
    if components is not None:
        _name(template, components)
    return template


def _name(template: IncidentTemplate, components: Collection[Component]) -> None:
    wanted = {component.pk for component in components}
    if components and template.page is None:
        raise InvalidInput(_("A template for every page names no components. Choose its page."), field="page")
    if template.page and Component.objects.live().on(template.page).filter(pk__in=wanted).count() < len(wanted):
        raise InvalidInput(_("A component is not one of this page's. Choose from the list."), field="components")
    present = {row.component_id: row for row in template.mentions.filter(deleted_at=None)}
    for key in present.keys() - wanted:
        present[key].mark_deleted()
    for key in sorted(wanted - present.keys()):
        save_checked(TemplateComponent(template=template, component_id=key))
