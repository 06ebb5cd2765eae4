"""A status page as staff would publish it, before anybody else sees it."""

from __future__ import annotations

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse

from incidents.models import Page
from incidents.permissions import Verb, allows
from portal.console.requests import acting
from status import projection
from status.publication.serving import HEADERS, content_type
from status.rendering import documents

NAMES = {"": "index.html", "history": "history.html", "uptime": "uptime.html"}


@admin.site.admin_view
def page_preview(request: HttpRequest, public_id: str, path: str) -> HttpResponse:
    """One document of those that the page would have at this moment, its links leading on within the preview."""
    if not allows(acting(request), Verb.EDIT_CATALOGUE):
        raise PermissionDenied
    page = get_object_or_404(Page.objects.live(), public_id=public_id)
    with projection.consistent():
        site = projection.Reader(page, projection.today(page)).site()
    name = NAMES.get(path, path)
    content = documents.of_site(site, None).get(name)
    if content is None:
        raise Http404
    root = reverse("page_preview", args=[public_id, ""]).encode()
    if name.endswith(".html"):
        content = content.replace(b'="/', b'="' + root)
    return HttpResponse(content, content_type=content_type(name), headers=HEADERS)
