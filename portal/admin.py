"""Where Django looks for the admins of the portal; they live in the console."""

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from portal.console.admin import (
    cadence,
    catalogue,
    deliveries,
    failures,
    incident,
    nudges,
    outbox,
    people,
    subscribers,
    template,
)
from portal.console.postmortems import editor

__all__ = [
    "cadence",
    "catalogue",
    "deliveries",
    "editor",
    "failures",
    "incident",
    "nudges",
    "outbox",
    "people",
    "subscribers",
    "template",
]

admin.site.site_header = admin.site.site_title = _("Incident portal")
admin.site.enable_nav_sidebar = False  # the overview lists it all, and lists and forms get the width
admin.site.index_title = _("Overview")
