"""A new password by mail, for staff who forgot theirs. Included below the admin's own address."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth import views
from django.urls import path

FRAME = {"site_header": admin.site.site_header, "site_title": admin.site.site_title}

# The names are those that the admin's login page and Django's own templates look for.
urlpatterns = [
    path("password_reset/", views.PasswordResetView.as_view(extra_context=FRAME), name="admin_password_reset"),
    path("password_reset/done/", views.PasswordResetDoneView.as_view(extra_context=FRAME), name="password_reset_done"),
    path(
        "reset/<uidb64>/<token>/",
        views.PasswordResetConfirmView.as_view(extra_context=FRAME),
        name="password_reset_confirm",
    ),
    path(
        "reset/done/",
        views.PasswordResetCompleteView.as_view(extra_context=FRAME),
        name="password_reset_complete",
    ),
]
