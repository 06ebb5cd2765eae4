"""Everything below `/api/` that a database answers; `/api/v2/` is published files."""

from __future__ import annotations

import re
from contextlib import suppress

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import Resolver404, path, re_path, resolve
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from portal.api.documentation import SETTINGS
from portal.api.views import (
    components,
    elsewhere,
    incidents,
    metrics,
    ours,
    pages,
    postmortems,
    subscribers,
    templates,
    uptime,
)

INCIDENT = "incidents/<slug:incident_id>"
BELOW_A_PAGE = {
    "components": components.Components,
    "components/<slug:component_id>": components.OneComponent,
    "components/<slug:component_id>/uptime": uptime.ComponentUptime,
    "components/<slug:component_id>/audit": ours.ComponentAudit,
    "component-groups": components.Groups,
    "component-groups/<slug:group_id>": components.OneGroup,
    "component-groups/<slug:group_id>/uptime": uptime.GroupUptime,
    "incident_templates": templates.Templates,
    "incidents": incidents.Incidents,
    "incidents/unresolved": incidents.Unresolved,
    "incidents/scheduled": incidents.Scheduled,
    "incidents/upcoming": incidents.Upcoming,
    "incidents/active_maintenance": incidents.ActiveMaintenance,
    INCIDENT: incidents.OneIncident,
    f"{INCIDENT}/incident_updates/<slug:update_id>": incidents.OneIncidentUpdate,
    f"{INCIDENT}/incident_updates/<slug:update_id>/deliveries": ours.Deliveries,
    f"{INCIDENT}/postmortem": postmortems.OnePostmortem,
    f"{INCIDENT}/postmortem/submit": postmortems.Submission,
    f"{INCIDENT}/postmortem/approve": postmortems.Approval,
    f"{INCIDENT}/postmortem/publish": postmortems.Publication,
    f"{INCIDENT}/postmortem/revert": postmortems.Reversal,
    f"{INCIDENT}/postmortem/action_items": postmortems.ActionItems,
    f"{INCIDENT}/postmortem/action_items/<slug:item_id>": postmortems.OneActionItem,
    f"{INCIDENT}/timeline": ours.Timeline,
    f"{INCIDENT}/audit": ours.IncidentAudit,
    f"{INCIDENT}/subscribers": subscribers.IncidentSubscribers,
    f"{INCIDENT}/subscribers/<slug:subscriber_id>": subscribers.OneIncidentSubscriber,
    f"{INCIDENT}/subscribers/<slug:subscriber_id>/resend_confirmation": subscribers.ResendOfIncident,
    "metrics": metrics.Metrics,
    "metrics/data": metrics.ManyPoints,
    "metrics/<slug:metric_id>": metrics.OneMetric,
    "metrics/<slug:metric_id>/data": metrics.Points,
    "metrics_providers": metrics.Providers,
    "metrics_providers/<slug:provider_id>": metrics.OneProvider,
    "metrics_providers/<slug:provider_id>/metrics": metrics.ProviderMetrics,
    "subscribers": subscribers.Subscribers,
    "subscribers/count": subscribers.Counts,
    "subscribers/histogram_by_state": subscribers.Histogram,
    "subscribers/unsubscribed": subscribers.Unsubscribed,
    "subscribers/resend_confirmation": subscribers.ResendMany,
    "subscribers/unsubscribe": subscribers.UnsubscribeMany,
    "subscribers/reactivate": subscribers.ReactivateMany,
    "subscribers/<slug:subscriber_id>": subscribers.OneSubscriber,
    "subscribers/<slug:subscriber_id>/resend_confirmation": subscribers.Resend,
    "status_embed_config": templates.StatusEmbedConfig,
}

# What Statuspage has below them is not told apart: the answer is the same.
AUDIENCES = r"(?:components/[\w-]+/)?page_access_(?:users|groups)(?:/[\w-]+)*"


@csrf_exempt
def as_clients_write_it(request: HttpRequest, rest: str) -> HttpResponse:
    """A path with `.json` at its end, or slashes too many, is the one without; there is nothing else below `/api/`."""
    plain = re.sub(r"\.json$", "", re.sub(r"/+", "/", request.path_info).rstrip("/"))
    if plain != request.path_info:
        with suppress(Resolver404):
            match = resolve(plain)
            if match.func is not as_clients_write_it:
                answer: HttpResponse = match.func(request, *match.args, **match.kwargs)
                return answer
    return JsonResponse({"error": _("There is no such address. /api/docs lists those that there are.")}, status=404)


urlpatterns = [
    path("v1/pages", pages.Pages.as_view()),
    path("v1/pages/<slug:page_id>", pages.OnePage.as_view()),
    *(path(f"v1/pages/<slug:page_id>/{route}", view.as_view()) for route, view in BELOW_A_PAGE.items()),
    re_path(rf"^v1/pages/(?P<page_id>[\w-]+)/{AUDIENCES}$", elsewhere.AudienceSpecific.as_view()),
    re_path(r"^v1/organizations/(?:[\w-]+/)+(?:permissions|users)(?:/[\w-]+)?$", elsewhere.NotHere.as_view()),
    path("schema", SpectacularAPIView.as_view(custom_settings=SETTINGS), name="schema"),
    path("docs", SpectacularSwaggerSplitView.as_view(template_name="portal/api_docs.html"), name="api_docs"),
    re_path(r"^v1(?P<rest>[\s\S]*)$", as_clients_write_it),
]
