"""Addresses below the admin's."""

from __future__ import annotations

from django.urls import path, re_path

from portal.console import numbers
from portal.console.audit import views as audit
from portal.console.room import views

urlpatterns = [
    *audit.urlpatterns,
    *numbers.urlpatterns,
    path("search/", views.search, name="search"),
    path("incident/<slug:public_id>/", views.room, name="room"),
    path("incident/<slug:public_id>/live/", views.live, name="room_live"),
    re_path(rf"^incident/(?P<public_id>\w+)/(?P<name>{'|'.join(views.FORMS)})/$", views.act, name="room_act"),
]
