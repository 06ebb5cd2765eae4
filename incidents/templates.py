"""Words that staff keep for updates."""

from __future__ import annotations

from collections.abc import Collection

from django.utils import timezone
from django.utils.translation import gettext as _

from incidents.authorship import service
from incidents.errors import InvalidInput
from incidents.models import Component, IncidentTemplate, TemplateComponent, User
from incidents.permissions import Verb
from incidents.services import save_checked


@service(Verb.EDIT_CATALOGUE)
def save_template(
    template: IncidentTemplate, *, author: User, components: Collection[Component] | None = None
) -> IncidentTemplate:
    """Create or change a template. `components` are all that it names; None leaves them as they are."""
    template.title = " ".join(template.title.split())
    template.body = template.body.replace("\r\n", "\n").strip()
    save_checked(template)
    if components is not None:
        _name(template, components)
    return template


@service(Verb.EDIT_CATALOGUE)
def delete_template(template: IncidentTemplate, *, author: User) -> None:
    """Offer it no more; it stays in the record."""
    template.lock()
    template.deleted_at = template.deleted_at or timezone.now()
    template.save(update_fields=["deleted_at", "updated_at"])


def _name(template: IncidentTemplate, components: Collection[Component]) -> None:
    wanted = {component.pk for component in components}
    if components and template.page is None:
        raise InvalidInput(_("A template for every page names no components. Choose its page."), field="page")
    if template.page and Component.objects.live().on(template.page).filter(pk__in=wanted).count() < len(wanted):
        raise InvalidInput(_("A component is not one of this page's. Choose from the list."), field="components")
    standing = {row.component_id: row for row in template.mentions.filter(deleted_at=None)}
    for key in standing.keys() - wanted:
        standing[key].deleted_at = timezone.now()
        standing[key].save(update_fields=["deleted_at", "updated_at"])
    for key in sorted(wanted - standing.keys()):
        save_checked(TemplateComponent(template=template, component_id=key))
