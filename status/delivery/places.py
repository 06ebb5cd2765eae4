"""Where in the console staff deal with what they are nudged of; a test compares it with the console's own addresses."""

from __future__ import annotations

INCIDENT = "/admin/incident/{}/"
POSTMORTEM = "/admin/incidents/postmortem/{}/change/"
NO_CHANGE = "/admin/incidents/incident/{}/no-change/"
CHANNELS = "/admin/status/nudge/channels/"
