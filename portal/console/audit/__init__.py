"""Who changed what: `log` over all tables of the history, `incident_file` with all that is recorded of one incident.

`views` answers with pages, CSV and JSON. Only `console.urls` uses it.
"""
