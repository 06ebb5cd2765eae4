"""The Django admin of the record. It reads the input, calls one service and shows the answer."""

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from incidents.admin import cadence, catalogue, incident, outbox, people, template

__all__ = ["cadence", "catalogue", "incident", "outbox", "people", "template"]

admin.site.site_header = admin.site.site_title = _("Incident portal")
admin.site.enable_nav_sidebar = False  # the overview lists it all, and lists and forms get the width
admin.site.index_title = _("Overview")
