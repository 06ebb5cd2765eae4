"""Everything below `/api/` that a database answers; `/api/v2/` is published files."""

from __future__ import annotations

import re
from contextlib import suppress

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import Resolver404, include, path, re_path, resolve
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from drf_spectacular.views import SpectacularSwaggerSplitView

from portal.api.documentation import schema
from portal.api.views import (
    additions,
    components,
    elsewhere,
    incidents,
    metrics,
    pages,
    postmortems,
    restoration,
    subscribers,
    templates,
    updates,
    uptime,
)

BELOW_A_PAGE = [
    path("components", components.Components.as_view()),
    path("components/<slug:component_id>", components.OneComponent.as_view()),
    path("components/<slug:component_id>/restore", restoration.RestoredComponent.as_view()),
    path("components/<slug:component_id>/uptime", uptime.ComponentUptime.as_view()),
    path("components/<slug:component_id>/audit", additions.ComponentAudit.as_view()),
    path("component-groups", components.Groups.as_view()),
    path("component-groups/<slug:group_id>", components.OneGroup.as_view()),
    path("component-groups/<slug:group_id>/restore", restoration.RestoredGroup.as_view()),
    path("component-groups/<slug:group_id>/uptime", uptime.GroupUptime.as_view()),
    path("incident_templates", templates.Templates.as_view()),
    path("incidents", incidents.Incidents.as_view()),
    path("incidents/unresolved", incidents.Unresolved.as_view()),
    path("incidents/scheduled", incidents.Scheduled.as_view()),
    path("incidents/upcoming", incidents.Upcoming.as_view()),
    path("incidents/active_maintenance", incidents.ActiveMaintenance.as_view()),
    path("incidents/<slug:incident_id>", incidents.OneIncident.as_view()),
    path("incidents/<slug:incident_id>/restore", restoration.RestoredIncident.as_view()),
    path("incidents/<slug:incident_id>/incident_updates/<slug:update_id>", updates.OneIncidentUpdate.as_view()),
    path("incidents/<slug:incident_id>/incident_updates/<slug:update_id>/deliveries", additions.Deliveries.as_view()),
    path("incidents/<slug:incident_id>/postmortem", postmortems.OnePostmortem.as_view()),
    path("incidents/<slug:incident_id>/postmortem/submit", postmortems.Submission.as_view()),
    path("incidents/<slug:incident_id>/postmortem/approve", postmortems.Approval.as_view()),
    path("incidents/<slug:incident_id>/postmortem/publish", postmortems.Publication.as_view()),
    path("incidents/<slug:incident_id>/postmortem/revert", postmortems.Reversal.as_view()),
    path("incidents/<slug:incident_id>/postmortem/restore", restoration.RestoredPostmortem.as_view()),
    path("incidents/<slug:incident_id>/postmortem/action_items", postmortems.ActionItems.as_view()),
    path("incidents/<slug:incident_id>/postmortem/action_items/<slug:item_id>", postmortems.OneActionItem.as_view()),
    path(
        "incidents/<slug:incident_id>/postmortem/action_items/<slug:item_id>/restore",
        restoration.RestoredActionItem.as_view(),
    ),
    path("incidents/<slug:incident_id>/timeline", additions.Timeline.as_view()),
    path("incidents/<slug:incident_id>/audit", additions.IncidentAudit.as_view()),
    path("incidents/<slug:incident_id>/subscribers", subscribers.IncidentSubscribers.as_view()),
    path("incidents/<slug:incident_id>/subscribers/<slug:subscriber_id>", subscribers.OneIncidentSubscriber.as_view()),
    path(
        "incidents/<slug:incident_id>/subscribers/<slug:subscriber_id>/resend_confirmation",
        subscribers.ResendOfIncident.as_view(),
    ),
    path("metrics", metrics.Metrics.as_view()),
    path("metrics/data", metrics.ManyPoints.as_view()),
    path("metrics/<slug:metric_id>", metrics.OneMetric.as_view()),
    path("metrics/<slug:metric_id>/restore", restoration.RestoredMetric.as_view()),
    path("metrics/<slug:metric_id>/data", metrics.Points.as_view()),
    path("metrics_providers", metrics.Providers.as_view()),
    path("metrics_providers/<slug:provider_id>", metrics.OneProvider.as_view()),
    path("metrics_providers/<slug:provider_id>/metrics", metrics.ProviderMetrics.as_view()),
    path("subscribers", subscribers.Subscribers.as_view()),
    path("subscribers/count", subscribers.SubscriberCounts.as_view()),
    path("subscribers/histogram_by_state", subscribers.SubscriberHistogram.as_view()),
    path("subscribers/unsubscribed", subscribers.Unsubscribed.as_view()),
    path("subscribers/resend_confirmation", subscribers.ResendMany.as_view()),
    path("subscribers/unsubscribe", subscribers.UnsubscribeMany.as_view()),
    path("subscribers/reactivate", subscribers.ReactivateMany.as_view()),
    path("subscribers/<slug:subscriber_id>", subscribers.OneSubscriber.as_view()),
    path("subscribers/<slug:subscriber_id>/resend_confirmation", subscribers.Resend.as_view()),
    path("status_embed_config", templates.StatusEmbedConfig.as_view()),
]

# Statuspage's whole tree below these: the answer is the same for all of it.
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
    path("v1/pages/<slug:page_id>/", include(BELOW_A_PAGE)),
    re_path(rf"^v1/pages/(?P<page_id>[\w-]+)/{AUDIENCES}$", elsewhere.AudienceSpecific.as_view()),
    re_path(r"^v1/organizations/(?:[\w-]+/)+(?:permissions|users)(?:/[\w-]+)?$", elsewhere.NotHere.as_view()),
    path("schema", schema, name="schema"),
    path("docs", SpectacularSwaggerSplitView.as_view(template_name="portal/api_docs.html"), name="api_docs"),
    re_path(r"^v1(?P<rest>[\s\S]*)$", as_clients_write_it),
]
