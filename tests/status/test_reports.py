"""What the public reads of a postmortem: published, amended, taken back, and its promises kept."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
import time_machine

from incidents.authorship import authored_by
from incidents.errors import Forbidden, InvalidInput
from incidents.incidents import declare_incident, delete_incident, post_update
from incidents.lifecycle import IncidentStatus
from incidents.models import ActionItem, Component, Incident, OutboxEvent, Page, Postmortem, User
from incidents.postmortems import action_items, publishing, writing
from status import relay
from status.delivery import owing
from status.delivery.mails import events
from status.models import Follow, SignUp, Subscriber
from status.publication import files
from status.publication.publishing import differences
from status.subscriptions import signups
from status.subscriptions.subscribers import subscriber
from tests.reports import approved, publish_report
from tests.rows import refused

pytestmark = pytest.mark.long

Read = Callable[[Page, str], str]
BODY = "## Summary\n\nIt failed at {{t 2026-03-10T11:00Z}}.\n\n## Root Cause\n\nA *disk*."


@pytest.fixture
def report(resolved: Incident, author: User) -> Postmortem:
    postmortem = writing.start_postmortem(resolved, author=author)
    action_items.add_action_item(
        postmortem, text="db-7", is_commitment=True, public_wording="We alert on full disks.", author=author
    )
    return publish_report(resolved, body=BODY, author=author)


@pytest.fixture
def item(report: Postmortem) -> ActionItem:
    return ActionItem.objects.get(postmortem=report)


def shown(page: Page, read: Read, path: str) -> str:
    relay.relay()
    return read(page, path)


def incident_path(incident: Incident) -> str:
    return f"incidents/{incident.public_id}.html"


def report_path(report: Postmortem) -> str:
    return f"postmortems/{report.public_id}.html"


def in_v2(page: Page, read: Read, incident: Incident) -> Any:
    return json.loads(shown(page, read, f"api/v2/incidents/{incident.public_id}.json"))["incident"]


def test_a_report_has_a_page_of_its_own_with_anchors_and_what_machines_read(
    page: Page, resolved: Incident, report: Postmortem, published: Read
) -> None:
    html = shown(page, published, report_path(report))
    assert f'<link rel="canonical" href="{page.url}/postmortems/{report.public_id}">' in html
    assert '<meta property="og:type" content="article">' in html
    assert '<meta property="og:title" content="Errors' in html
    assert 'itemtype="https://schema.org/Article"' in html
    assert 'itemprop="datePublished"' in html
    assert '<a href="#root-cause">Root Cause</a>' in html
    assert '<h2 id="root-cause">Root Cause</h2>' in html
    assert f'href="/incidents/{resolved.public_id}"' in html
    assert '<time datetime="2026-03-10T11:00:00Z">Mar 10, 2026, 11:00 UTC</time> (12:00 CET)' in html
    assert not re.findall(r"<style|<script(?! src)|\sstyle=", html)
    assert f'href="/postmortems/{report.public_id}"' in shown(page, published, incident_path(resolved))


def test_the_zones_stand_beside_each_other_in_json_feeds_and_mail(
    page: Page, resolved: Incident, report: Postmortem, published: Read
) -> None:
    words = "It failed at Mar 10, 2026, 11:00 UTC (12:00 CET)."
    assert words in str(in_v2(page, published, resolved)["incident_updates"])
    feed = shown(page, published, "history.atom")
    assert "11:00 UTC&lt;/time&gt; (12:00 CET)" in feed
    message = events.event_mail(OutboxEvent.objects.get(kind="postmortem_published"))
    assert message is not None
    assert words in message.content.text
    assert "11:00 UTC</time> (12:00 CET)" in message.content.html


def test_an_amendment_says_in_public_what_changed(
    page: Page, resolved: Incident, report: Postmortem, author: User, published: Read
) -> None:
    approved(resolved, BODY.replace("disk", "network"), author)
    publishing.publish_postmortem(report, what_changed="It was the network.", author=author)
    for path in (incident_path(resolved), report_path(report)):
        html = shown(page, published, path)
        assert "A <em>network</em>." in html
        assert re.search(r"Updated on <time[^>]*>[^<]+</time>: It was the network\.", html), path
    assert "It was the network." in shown(page, published, "history.atom")
    update = in_v2(page, published, resolved)["incident_updates"][0]
    assert update["status"] == "postmortem"
    assert "A *network*." in update["body"]
    message = events.event_mail(OutboxEvent.objects.get(kind="postmortem_amended"))
    assert message is not None
    assert message.content.subject == "[Acme] Postmortem updated: Errors"
    assert "It was the network." in message.content.text
    first, _second = report.revisions.order_by("number")
    assert "A *disk*." in str(first.content)
    assert differences(page) == []


def test_a_draft_that_goes_on_after_publication_shows_nowhere(
    page: Page, resolved: Incident, report: Postmortem, author: User, published: Read
) -> None:
    before = shown(page, published, incident_path(resolved))
    section = report.live_sections()[0]
    writing.edit_section(section, heading="New", internal="", public="Not yet.", withheld="", author=author)
    approved(resolved, "Not yet.", author)
    assert shown(page, published, incident_path(resolved)) == before
    assert differences(page) == []


@pytest.mark.slow
def test_a_report_that_was_taken_back_leaves_a_tombstone(
    page: Page, resolved: Incident, report: Postmortem, author: User, published: Read
) -> None:
    shown(page, published, incident_path(resolved))
    publishing.unpublish_postmortem(report, reason="planted-secret", author=author)
    for path in (incident_path(resolved), report_path(report), "history.atom", "history.rss"):
        text = shown(page, published, path)
        assert "taken back" in text
        assert "disk" not in text
    incident = in_v2(page, published, resolved)
    assert incident["status"] == "resolved"
    assert [update["status"] for update in incident["incident_updates"]] == ["resolved"]
    root = files.folder(page.public_id)
    assert not [path for path in files.tracked(root) if "planted-secret" in (root / path).read_text()]
    assert differences(page) == []
    assert events.event_mail(OutboxEvent.objects.get(kind="postmortem_published")) is None

    approved(resolved, BODY, author)
    publishing.publish_postmortem(report, what_changed="It is back.", author=author)
    assert in_v2(page, published, resolved)["status"] == "postmortem"
    assert "taken back" not in shown(page, published, incident_path(resolved))


@pytest.mark.slow
def test_one_report_about_two_incidents_shows_on_both_and_is_sent_once(
    page: Page, resolved: Incident, component: Component, author: User, published: Read
) -> None:
    other = declare_incident(page, title="Slow", author=author)
    post_update(other, status=IncidentStatus.RESOLVED, body="Done.", author=author)
    writing.cover_incident(writing.start_postmortem(resolved, author=author), other, author=author)
    report = publish_report(resolved, body=BODY, author=author)
    other.refresh_from_db()
    for incident in (resolved, other):
        assert "A <em>disk</em>." in shown(page, published, incident_path(incident))
        assert in_v2(page, published, incident)["status"] == "postmortem"
    html = shown(page, published, report_path(report))
    assert ">Errors</a>, <a" in html
    assert OutboxEvent.objects.filter(kind="postmortem_published", notify=True).count() == 1
    delete_incident(resolved, author=author, reason="Twice")
    assert ">Errors</a>" not in shown(page, published, report_path(report))
    delete_incident(other, author=author, reason="Twice")
    relay.relay()
    assert not (files.folder(page.public_id) / report_path(report)).exists()
    assert differences(page) == []


@pytest.mark.slow
def test_promises_show_how_they_stand_and_whoever_asked_is_notified_when_one_is_kept(
    page: Page, resolved: Incident, report: Postmortem, item: ActionItem, author: User, published: Read
) -> None:
    asked = Subscriber(page=page, address="ann@example.com", state="active", everything=False)
    others = Subscriber(page=page, address="bob@example.com", state="active")
    with authored_by(author):
        asked.save()
        others.save()
    Follow.objects.create(recipient=asked, incident=resolved)
    assert "We alert on full disks. <strong>Not done yet" in shown(page, published, report_path(report))
    with time_machine.travel(datetime(2027, 2, 1, 12, tzinfo=UTC)) as clock:
        action_items.move_action_item(item, state=ActionItem.State.DONE, evidence="planted-secret", author=author)
        assert "<strong>Done Feb 1, 2027" in shown(page, published, report_path(report))
        event = OutboxEvent.objects.get(kind="commitment_fulfilled")
        assert list(owing.recipients_of(event)) == [asked]
        message = events.event_mail(event)
        assert message is not None
        assert message.content.subject == "[Acme] Promise kept: Errors"
        assert "We alert on full disks." in message.content.text
        clock.shift(24 * 3600)
        action_items.move_action_item(item, state=ActionItem.State.VERIFIED, author=author)
        assert "<strong>Done, verified Feb 2, 2027" in shown(page, published, incident_path(resolved))
        assert differences(page) == []
    assert OutboxEvent.objects.filter(kind="commitment_fulfilled").count() == 1, "notified once"
    root = files.folder(page.public_id)
    found = "".join((root / path).read_text() for path in files.tracked(root))
    assert "planted-secret" not in found
    assert "db-7" not in found


def test_new_words_of_a_promise_show_only_when_they_are_approved(
    page: Page, report: Postmortem, item: ActionItem, author: User, published: Read
) -> None:
    action_items.edit_action_item(item, public_wording="We alert on everything.", author=author)
    report.refresh_from_db()
    assert report.state == Postmortem.State.DRAFT
    assert "We alert on full disks." in shown(page, published, report_path(report))
    assert differences(page) == []


def test_an_incident_that_is_open_again_is_not_said_to_have_ended_in_a_postmortem(
    page: Page, resolved: Incident, report: Postmortem, author: User, published: Read
) -> None:
    post_update(resolved, status=IncidentStatus.INVESTIGATING, body="Again.", author=author)
    assert in_v2(page, published, resolved)["status"] == "investigating"


def test_a_reader_of_a_report_may_ask_to_be_notified_of_its_promises(
    page: Page, resolved: Incident, report: Postmortem, item: ActionItem, author: User, published: Read
) -> None:
    facts: dict[str, Any] = {"address": "ann@example.com", "network": "192.0.2.0/24", "author": subscriber()}
    assert f'name="incident" value="{resolved.public_id}"' in shown(page, published, report_path(report))
    signups.ask(page, incident_id=resolved.public_id, **facts)
    assert SignUp.objects.get().incident == resolved
    action_items.move_action_item(item, state=ActionItem.State.DONE, evidence="A test", author=author)
    assert 'name="incident"' not in shown(page, published, report_path(report))
    with pytest.raises(InvalidInput, match="This incident is over"):
        signups.ask(page, incident_id=resolved.public_id, **facts)


def test_what_was_promised_is_said_to_be_done_by_those_who_may_publish(
    item: ActionItem, report: Postmortem, author: User, make_user: Callable[[str, str], User]
) -> None:
    ruth, done = make_user("ruth", "responder"), ActionItem.State.DONE
    with refused(Forbidden, "it needs the right “publish postmortem”"):
        action_items.move_action_item(item, state=done, evidence="A test", author=ruth)
    internal = action_items.add_action_item(report, text="Alert earlier", author=ruth)
    action_items.move_action_item(internal, state=done, evidence="A test", author=ruth)
