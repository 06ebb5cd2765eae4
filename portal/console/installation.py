"""Whether all that the portal needs is there and well, as `check` says it at a terminal."""

from __future__ import annotations

from functools import partial

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from incidents.permissions import Verb, allows
from portal import checks
from portal.console.requests import acting
from status.outside import ask

TIMEOUT = 15.0  # seconds for all who are asked outside


@admin.site.admin_view
@require_safe
def installation(request: HttpRequest) -> HttpResponse:
    if not allows(acting(request), Verb.READ_AUDIT):
        raise PermissionDenied
    question = partial(checks.outside, *checks.pages())
    try:
        others = ask("checks", question, seconds=TIMEOUT)
    except TimeoutError:
        others = [
            checks.wrong(
                _("Others"), _("Name servers did not answer within %(seconds)s seconds.") % {"seconds": round(TIMEOUT)}
            )
        ]
    context = {
        **admin.site.each_context(request),
        "title": _("Installation"),
        "lines": [*checks.inside(), *others],
    }
    return render(request, "console/installation.html", context)
