"""The rows that a new installation begins with; staff change them like their own."""

from collections.abc import Sequence
from typing import Any

from django.contrib.auth.hashers import make_password
from django.utils import timezone

from incidents.marks import mark

# Name, status that the update moves to ("" for any), and text.
TEMPLATES = [
    (
        "Investigating, scope unknown",
        "investigating",
        "We are investigating a problem that may affect {components}. Some customers may see {symptom}. "
        "We will share more by {next_update}.",
    ),
    (
        "Investigating, scope known",
        "investigating",
        "Since {impact_started} {symptom} affects {components} for {scope}. {not_affected} is not affected. "
        "Workaround: {workaround}. Next update by {next_update}.",
    ),
    (
        "Identified",
        "identified",
        "We have identified the cause of {symptom} on {components} and are applying a fix. "
        "Next update by {next_update}.",
    ),
    (
        "No news",
        "",
        "We are still working on {symptom}. There is no change since {last_update}. Next update by {next_update}.",
    ),
    (
        "Partial mitigation",
        "",
        "Errors on {components} are reduced but not gone. We are taking further action. Next update by {next_update}.",
    ),
    (
        "Monitoring",
        "monitoring",
        "A fix was applied at {mitigated_at}. {components} are recovering; we keep watching until recovery is "
        "complete. Next update by {next_update}.",
    ),
    (
        "Resolved",
        "resolved",
        "{components} have worked normally since {recovered_at}. We now consider this resolved. "
        "{data_loss_statement} A report will follow by {postmortem_due}.",
    ),
    ("False alarm", "resolved", "We looked into reports about {components} and found no customer impact."),
    ("Postmortem published", "", "The report on {title} is available: {url}."),
]

# Minutes until the next public update, before the first one and then by status: the defaults of teams that publish
# theirs (GitLab, PagerDuty).
STATUSES = ("", "investigating", "identified", "monitoring")
CADENCES = {
    "sev1": (5, 10, 10, 30),
    "sev2": (10, 15, 30, 60),
    "sev3": (30, 15, 30, 60),
    "sev4": (30, 15, 30, 60),
}


def write(apps: Any, schema_editor: Any) -> None:
    """Templates and cadences, each with its history, in the name of a service user."""
    author = apps.get_model("incidents", "User")(username="setup", is_service=True, password=make_password(None))
    create(apps, author, author, beside_history=[author.password, [], [], [], [], []])
    for name, status, body in TEMPLATES:
        row = apps.get_model("incidents", "IncidentTemplate")(name=name, update_status=status, body=body)
        create(apps, row, author)
    for severity, minutes in CADENCES.items():
        for status, after in zip(STATUSES, minutes):
            row = apps.get_model("incidents", "UpdateCadence")(severity=severity, status=status, minutes=after)
            create(apps, row, author)


def create(apps: Any, row: Any, author: Any, beside_history: Sequence[Any] = ()) -> None:
    """Save a new row, and the history row that a service would have written: a migration's models write none."""
    row.save()
    history = apps.get_model("incidents", f"Historical{type(row).__name__}")
    names = {field.attname for field in history._meta.concrete_fields}
    facts = {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields if field.attname in names}
    code = mark(row._meta.label_lower, row.pk, beside_history) if beside_history else ""
    history.objects.create(**facts, mark=code, history_type="+", history_date=timezone.now(), history_user=author)
