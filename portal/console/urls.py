"""Addresses below the admin's."""

from __future__ import annotations

from django.shortcuts import redirect
from django.urls import path, re_path

from portal.console.audit.views import audit, incident_file
from portal.console.forms.planned import ComposeForm
from portal.console.forms.timeline import OutcomeForm, QuickNoteForm
from portal.console.forms.update import PublishIncidentForm, WithdrawalForm
from portal.console.installation import installation
from portal.console.numbers import numbers
from portal.console.overview import overview
from portal.console.page_preview import page_preview
from portal.console.room import views as room
from portal.console.search import search

urlpatterns = [
    path("", overview, name="overview"),
    path("audit/", audit, name="audit"),
    re_path(r"^audit/audit\.(?P<file>csv|json)$", audit, name="audit_file"),
    path("audit/incident/<slug:public_id>/", incident_file, name="incident_file"),
    path("incident/<slug:public_id>/", room.room, name="room"),
    path("incident/<slug:public_id>/live/", room.live, name="room_live"),
    path("incident/<slug:public_id>/update/", room.act, {"form_class": ComposeForm}, name="room_update"),
    path("incident/<slug:public_id>/publish/", room.act, {"form_class": PublishIncidentForm}, name="room_publish"),
    path("incident/<slug:public_id>/withdraw/", room.act, {"form_class": WithdrawalForm}, name="room_withdraw"),
    path("incident/<slug:public_id>/note/", room.act, {"form_class": QuickNoteForm}, name="room_note"),
    path("incident/<slug:public_id>/outcome/", room.act, {"form_class": OutcomeForm}, name="room_outcome"),
    path("installation/", installation, name="installation"),
    path("numbers/", numbers, name="numbers"),
    re_path(r"^page/(?P<public_id>\w{12})/preview/(?P<path>.*)$", page_preview, name="page_preview"),
    # Django's page would neither limit attempts at the old password nor tell the owner.
    path("password_change/", lambda request: redirect("account_change_password")),
    path("search/", search, name="search"),
]
