"""Published postmortems of one text become sections with one revision; who wrote them is on record as approving alone."""

import json
import re
from hashlib import sha256

from django.db import migrations

from incidents.models.base import new_public_id

KEYS = {
    "summary": "summary",
    "leadup": "leadup",
    "fault": "fault",
    "detection": "detection",
    "root cause": "root_cause",
    "mitigation and resolution": "mitigation_resolution",
    "corrective and preventative measures": "corrective_preventative",
}
REASON = "Published before postmortems were approved."


def split(body):
    """(heading, text) pairs; what stands before the first heading is the summary."""
    level = min((len(mark) for mark in re.findall(r"(?m)^(#{1,6})[ \t]+\S", body)), default=1)
    parts = re.split(rf"(?m)^#{{{level}}}[ \t]+(.+?)[ \t#]*$", body)
    pairs = [("Summary", parts[0])] if parts[0].strip() else []
    return [(heading.strip(), text.strip()) for heading, text in [*pairs, *zip(parts[1::2], parts[2::2])]]


def carry_over(apps, schema_editor):
    Postmortem = apps.get_model("incidents", "Postmortem")
    for postmortem in Postmortem.objects.select_related("incident__page", "author"):
        incident, author = postmortem.incident, postmortem.author
        postmortem.page, postmortem.title = incident.page, incident.title
        postmortem.edited_by, postmortem.edited_at = author, postmortem.published_at
        sections, used = [], set()
        for position, (heading, text) in enumerate(split(postmortem.body), start=1):
            key = KEYS.get(heading.casefold(), "other")
            key = "other" if key in used else key
            used.add(key)
            sections.append(
                apps.get_model("incidents", "PostmortemSection").objects.create(
                    public_id=new_public_id(), postmortem=postmortem, key=key, heading=heading[:200],
                    position=position, public=text,
                )
            )
        content = {
            "title": postmortem.title,
            "time_zone": "Etc/UTC",
            "sections": [{"key": s.key, "heading": s.heading, "text": s.public} for s in sections],
            "commitments": [],
        }
        inside = [[s.key, s.heading, s.internal, s.withheld] for s in sections]
        fingerprint = sha256(json.dumps([content, inside], sort_keys=True).encode()).hexdigest()
        postmortem.state, postmortem.approved_by, postmortem.approved_at = "published", author, postmortem.published_at
        postmortem.approved_hash, postmortem.break_glass = fingerprint, REASON
        postmortem.save()
        apps.get_model("incidents", "PostmortemRevision").objects.create(
            postmortem=postmortem, number=1, content=content, content_hash=fingerprint, edited_by=author,
            approved_by=author, break_glass=REASON, author=author, display_at=postmortem.display_at,
            created_at=postmortem.published_at, deliver_notifications=False,
        )
        incident.postmortem = postmortem
        incident.save()
        for row, kind in ((postmortem, "~"), (incident, "~"), *((section, "+") for section in sections)):
            note(apps, row, kind, author)


def note(apps, row, kind, author):
    """The history row that a service would have written."""
    History = apps.get_model("incidents", f"Historical{type(row).__name__}")
    names = {field.attname for field in type(row)._meta.concrete_fields}
    values = {f.attname: getattr(row, f.attname) for f in History._meta.concrete_fields if f.attname in names}
    History.objects.create(
        **values, history_date=row.updated_at, history_type=kind, history_user=author, history_change_reason=REASON
    )


class Migration(migrations.Migration):
    dependencies = [("incidents", "0010_postmortem_workflow")]
    operations = [migrations.RunPython(carry_over, migrations.RunPython.noop)]
