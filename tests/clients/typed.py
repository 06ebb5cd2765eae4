"""Runs with the clients' own Python: a morning's work with `atlassian-statuspage`. Prints what it was answered."""

import json
import os

import atlassian_statuspage as statuspage

configuration = statuspage.Configuration()
configuration.host = os.environ["BASE"]
configuration.api_key["Authorization"] = os.environ["KEY"]
configuration.api_key_prefix["Authorization"] = "OAuth"
client = statuspage.ApiClient(configuration)
page = os.environ["PAGE"]

pages = statuspage.PagesApi(client)
components = statuspage.ComponentsApi(client)
groups = statuspage.ComponentGroupsApi(client)
incidents = statuspage.IncidentsApi(client)
subscribers = statuspage.SubscribersApi(client)
said = {"page": pages.get_pages_page_id(page).name}

made = components.post_pages_page_id_components({"component": {"name": "Search", "status": "operational"}}, page)
doomed = components.post_pages_page_id_components({"component": {"name": "Old"}}, page)
components.delete_pages_page_id_components_component_id(page, doomed.id)
said["components"] = sorted(each.name for each in components.get_pages_page_id_components(page))
group = groups.post_pages_page_id_component_groups(
    {"component_group": {"name": "Finding", "components": [made.id]}}, page
)
said["group"] = made.id in group.components

opened = incidents.post_pages_page_id_incidents(
    {"incident": {"name": "No results", "body": "Looking.", "components": {made.id: "major_outage"}}}, page
)
said["impact"] = opened.impact
said["unresolved"] = [each.id for each in incidents.get_pages_page_id_incidents_unresolved(page)] == [opened.id]
closed = incidents.patch_pages_page_id_incidents_incident_id(
    {"incident": {"status": "resolved", "components": {made.id: "operational"}}}, page, opened.id
)
said["updates"] = [
    update["status"] if isinstance(update, dict) else update.status for update in closed.incident_updates
]
said["uptime"] = components.get_pages_page_id_components_component_id_uptime(page, made.id).uptime_percentage > 99
ann = {"subscriber": {"email": "ann@example.com", "skip_confirmation_notification": True}}
said["mode"] = subscribers.post_pages_page_id_subscribers(ann, page).mode
try:
    incidents.get_pages_page_id_incidents_incident_id(page, "nosuchincident")
except statuspage.rest.ApiException as error:
    said["missing"] = error.status
incidents.delete_pages_page_id_incidents_incident_id(page, opened.id)
said["left"] = len(incidents.get_pages_page_id_incidents(page))
print(json.dumps(said))
