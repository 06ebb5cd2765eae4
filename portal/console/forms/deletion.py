"""Deleting a row, and restoring it: each kind of row in the same words."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from incidents.deletion import taken_along
from incidents.models import ActionItem, Component, Page, PostmortemSection, User
from incidents.models.base import Tracked
from incidents.permissions import Verb
from incidents.postmortems import action_items, writing
from incidents.restoration import RESTORES
from portal.console.forms.fields import one_line
from portal.console.forms.postmortem import PostmortemForm
from portal.console.forms.verb import REASON_LENGTH, VerbForm
from status.models import Subscriber
from status.subscriptions.left_behind import would_leave_behind

if TYPE_CHECKING:
    from portal.console.forms.verb import Data


def goes_along(row: Tracked) -> dict[str, int]:
    """What the record says of it, and what subscribers lose."""
    along = taken_along(row)
    if isinstance(row, Page) and (count := Subscriber.objects.active().filter(page=row).count()):
        along[gettext("subscribers, who hear nothing meanwhile")] = count
    if isinstance(row, (Component, Page)) and (count := would_leave_behind(row)):
        along[gettext("subscribers who follow nothing else, and are notified of it")] = count
    return along


class CatalogueDeletionForm(VerbForm):
    """Calls `delete`, the service, with a row of the catalogue."""

    verb = Verb.EDIT_CATALOGUE
    heading = _("Delete")

    def __init__(self, author: User, row: Tracked, delete: Callable[..., object], data: Data = None) -> None:
        super().__init__(author, data)
        self.row, self.delete, self.along = row, delete, goes_along(row)
        words = gettext("“%(name)s” is deleted. “Deleted: Yes” lists it, with a button to restore it.")
        self.done = words % {"name": row}

    def act(self) -> None:
        self.delete(self.row, author=self.author)


class SectionDeletionForm(PostmortemForm):
    verb = Verb.EDIT_POSTMORTEM
    heading = _("Remove section")
    done = _("The section is removed. The record keeps it: it can be restored below.")

    def __init__(self, author: User, section: PostmortemSection, data: Data = None) -> None:
        super().__init__(author, section.postmortem, data)
        self.row, self.along = section, goes_along(section)

    def act(self) -> None:
        writing.delete_section(self.row, author=self.author)


class ActionItemDeletionForm(PostmortemForm):
    verb = Verb.EDIT_POSTMORTEM
    heading = _("Remove action item")
    done = _("The action item is removed. The record keeps it: it can be restored below.")

    def __init__(self, author: User, item: ActionItem, data: Data = None) -> None:
        super().__init__(author, item.postmortem, data)
        self.row, self.along = item, goes_along(item)

    def act(self) -> None:
        action_items.delete_action_item(self.row, author=self.author)


class RestoreForm(VerbForm):
    verb = Verb.EDIT_CATALOGUE
    heading = _("Restore")

    reason = one_line(_("Reason"), required=False, most=REASON_LENGTH, help_text=_("Internal."))

    def __init__(self, author: User, row: Tracked, data: Data = None) -> None:
        super().__init__(author, data)
        self.row = row
        self.done = gettext("“%(name)s” is restored.") % {"name": row}

    @property
    def zone(self) -> ZoneInfo | None:
        page = getattr(self.row, "page", None)
        return page.zone if page else None

    def act(self) -> None:
        RESTORES[type(self.row)](self.row, author=self.author, **self.cleaned_data)


class IncidentRestoreForm(RestoreForm):
    verb = Verb.POST_UPDATE
    heading = _("Restore incident")


class PostmortemRestoreForm(RestoreForm):
    verb = Verb.EDIT_POSTMORTEM
    heading = _("Restore postmortem")
