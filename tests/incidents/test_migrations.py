"""What was written before an upgrade is there after it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from incidents.models import Incident

AT = datetime(2026, 3, 10, 12, tzinfo=UTC)


@pytest.mark.timeout(300)  # it migrates back and forth, which is all that a busy machine does for minutes
@pytest.mark.django_db(transaction=True)
def test_a_postmortem_of_one_text_becomes_sections_with_a_revision() -> None:
    graph = MigrationExecutor(connection).loader.graph
    newest = graph.leaf_nodes()
    (begun,) = [node for node in graph.nodes if node[1].endswith("_postmortem_workflow")]
    earlier = [parent.key for parent in graph.node_map[begun].parents if parent.key[0] == "incidents"]
    before = MigrationExecutor(connection)
    before.migrate(earlier)
    old: Any = before.loader.project_state(earlier).apps
    try:
        page = old.get_model("incidents", "Page").objects.create(name="Acme", url="https://a.example", host="a.example")
        user = old.get_model("incidents", "User").objects.create(username="grace")
        incident = old.get_model("incidents", "Incident").objects.create(page=page, title="Errors", status="resolved")
        old.get_model("incidents", "Postmortem").objects.create(
            incident=incident, body="It broke.\n\n## Root Cause\n\nA disk.", author=user, display_at=AT, published_at=AT
        )
    finally:
        after = MigrationExecutor(connection)
        after.migrate(newest)
    postmortem = Incident.objects.get().postmortem
    assert postmortem is not None
    assert postmortem.state == "published"
    assert [(s.key, s.heading, s.public) for s in postmortem.live_sections()] == [
        ("summary", "Summary", "It broke."),
        ("root_cause", "Root Cause", "A disk."),
    ]
    assert postmortem.revisions.get().content == postmortem.content()
    assert postmortem.fingerprint() == postmortem.approved_hash
    assert postmortem.history.latest().history_user.username == "grace"
