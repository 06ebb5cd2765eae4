"""Who may do what."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

import incidents
import status
from incidents import (
    catalogue,
    checking,
    metrics,
    promises,
    templates,
    timeline,
)
from incidents.authorship import SERVICES, authored_by
from incidents.deletion import RESTORES
from incidents.elsewhere.recording import record_elsewhere
from incidents.errors import Forbidden, MissingAuthor
from incidents.history import seals
from incidents.incidents import (
    backfill_incident,
    correct_update,
    declare_incident,
    delete_incident,
    edit_incident,
    post_update,
    publish_incident,
    withdraw_update,
)
from incidents.lifecycle import ComponentStatus, IncidentStatus, Visibility
from incidents.maintenance import clockwork
from incidents.maintenance.plans import (
    cancel_maintenance,
    extend_maintenance,
    move_maintenance,
    plan_maintenance,
    schedule_maintenance,
)
from incidents.maintenance.series import cancel_following, make_ahead, move_following, repeat_maintenance
from incidents.models import (
    ActionItem,
    Component,
    ComponentGroup,
    ComponentListing,
    Incident,
    IncidentRole,
    IncidentTemplate,
    Metric,
    Page,
    Postmortem,
    TimelineEntry,
    UpdateCadence,
    User,
)
from incidents.models.base import Tracked
from incidents.people import create_key, note_link, remove_second_factor, revoke_key, save_staff, unlink_provider
from incidents.permissions import Scope, Verb, allows, require
from incidents.planned import cancel_planned, change_planned, plan_update, post_planned
from incidents.postmortems import action_items, checks, publishing, reviewing, writing
from incidents.roles import hand_over, take_role
from status.delivery import owing, quarantine, resealing, staff_channels
from status.models import Delivery, StaffChannel, Subscriber
from status.subscriptions import choices, csv_files, left_behind, signups, subscribers
from status.subscriptions.choices import Choices
from status.tokens import CONFIRM_WITHIN
from tests.elsewhere import RECORD
from tests.reports import approved, publish_report
from tests.rows import everything

Role = IncidentRole.Role
STAFF = StaffChannel.Channel.STAFF
MAY = {
    "declare_incident": "responder communicator approver administrator clock",
    "note_timeline": "responder communicator approver administrator",
    "post_update": "communicator approver administrator clock",
    "correct_update": "communicator approver administrator",
    "set_component_status": "communicator approver administrator",
    "edit_postmortem": "responder communicator approver administrator",
    "approve_postmortem": "approver administrator",
    "publish_postmortem": "communicator approver administrator",
    "edit_catalogue": "administrator",
    "manage_subscribers": "administrator clock subscriptions",
    "manage_staff": "administrator",
    "read_audit": "administrator",
}
MakeUser = Callable[[str, str], User]


@pytest.mark.parametrize(
    "role", ["viewer", "responder", "communicator", "approver", "administrator", "clock", "subscriptions"]
)
def test_a_role_may_do_just_what_the_table_says(role: str, make_user: MakeUser) -> None:
    user = make_user("someone", role)
    assert {verb.value for verb in Verb if allows(user, verb)} == {
        verb for verb, may in MAY.items() if role in may.split()
    }


def test_an_inactive_user_may_do_nothing_and_a_superuser_everything(make_user: MakeUser) -> None:
    gone, root = make_user("gone", "administrator"), make_user("root", "viewer")
    gone.is_active, root.is_superuser = False, True
    for verb in Verb:
        assert not allows(gone, verb)
        assert allows(root, verb)


def test_a_refusal_names_the_right_that_is_missing(make_user: MakeUser) -> None:
    with pytest.raises(Forbidden, match=r"someone may not do this .* “post update”"):
        require(make_user("someone", "viewer"), Verb.POST_UPDATE)


# A statement that locks or changes rows that were there; to delete a row is to lock it.
CHANGE = re.compile(r'^(?:SELECT .*? FROM "(\w+)".* FOR (?:NO KEY )?UPDATE|DELETE FROM "(\w+)"|UPDATE)', re.MULTILINE)
Acts = dict[Callable[..., object], tuple[Verb, Callable[[Any], object]]]
"""Of each service the right that it asks for, and a call in the name of somebody that would succeed."""


def deleted_rows(page: Page, component: Component, admin: User) -> dict[type[Tracked], Any]:
    """One of each that can be restored."""
    with authored_by(admin):
        old = Page.objects.create(name="Old", url="https://old.example", host="old.example")
        rows: list[Tracked] = [
            old,
            Component.objects.create(page=page, name="Old"),
            ComponentGroup.objects.create(page=page, name="Old"),
            ComponentListing.objects.create(page=old, component=component),
            Metric.objects.create(page=page, name="Old"),
            IncidentTemplate.objects.create(name="Old", body="Old."),
        ]
        for row in rows:
            row.mark_deleted()
    return {type(row): row for row in rows}


def restoring(restore: Callable[..., None], row: Tracked, by: User | None) -> None:
    restore(row, author=by)


def of_postmortems(page: Page, author: User) -> Acts:
    """Each on a report of its own, for most of them move it on."""

    def ended(title: str) -> Incident:
        incident = declare_incident(page, title=title, author=author)
        post_update(incident, status=IncidentStatus.RESOLVED, body="Done.", author=author)
        return incident

    def begun(title: str) -> Postmortem:
        postmortem = writing.start_postmortem(ended(title), author=author)
        writing.write_report(postmortem, body="Why.", author=author)
        return postmortem

    def submitted(title: str) -> Postmortem:
        postmortem = begun(title)
        reviewing.submit_postmortem(postmortem, author=author)
        return postmortem

    new, more, other = ended("New"), ended("More"), ended("Other")
    draft, given_up, read = begun("Draft"), begun("Given up"), submitted("Read")
    returned = submitted("Returned")
    fingerprint = read.fingerprint()
    wrong = begun("Wrong")
    writing.write_report(wrong, body="On Monday, January 17, 2023 it rained.", author=author)
    (finding,) = checks.standing(wrong)
    writing.cover_incident(draft, other, author=author)
    ready = approved(ended("Ready"), "Why.", author)
    public = publish_report(ended("Public"), body="Why.", author=author)
    section, removed = draft.live_sections()[:2]
    item = action_items.add_action_item(draft, text="Alert earlier", author=author)
    gone = action_items.add_action_item(draft, text="Nothing", author=author)
    comment = reviewing.comment_section(section, text="Really?", author=author)
    texts = {"heading": "Summary", "internal": "", "public": "Because.", "withheld": ""}
    done = ActionItem.State.DONE
    edit, publish = Verb.EDIT_POSTMORTEM, Verb.PUBLISH_POSTMORTEM
    return {
        writing.start_postmortem: (edit, lambda by: writing.start_postmortem(new, author=by)),
        writing.edit_postmortem: (edit, lambda by: writing.edit_postmortem(draft, title="Other", author=by)),
        writing.delete_postmortem: (edit, lambda by: writing.delete_postmortem(given_up, reason="No need", author=by)),
        writing.restore_postmortem: (edit, lambda by: writing.restore_postmortem(given_up, author=by)),
        writing.cover_incident: (edit, lambda by: writing.cover_incident(draft, more, author=by)),
        writing.uncover_incident: (edit, lambda by: writing.uncover_incident(draft, other, author=by)),
        writing.edit_section: (edit, lambda by: writing.edit_section(section, **texts, author=by)),
        writing.add_section: (edit, lambda by: writing.add_section(draft, heading="Thanks", author=by)),
        writing.remove_section: (edit, lambda by: writing.remove_section(removed, author=by)),
        writing.restore_section: (edit, lambda by: writing.restore_section(removed, author=by)),
        writing.arrange_sections: (
            edit,
            lambda by: writing.arrange_sections(draft, list(draft.live_sections())[::-1], author=by),
        ),
        writing.write_report: (edit, lambda by: writing.write_report(draft, body="Because.", author=by)),
        action_items.add_action_item: (
            edit,
            lambda by: action_items.add_action_item(draft, text="Watch it", author=by),
        ),
        action_items.edit_action_item: (
            edit,
            lambda by: action_items.edit_action_item(item, text="Alert sooner", author=by),
        ),
        action_items.move_action_item: (
            edit,
            lambda by: action_items.move_action_item(item, state=done, evidence="A test", author=by),
        ),
        action_items.remove_action_item: (edit, lambda by: action_items.remove_action_item(gone, author=by)),
        action_items.restore_action_item: (edit, lambda by: action_items.restore_action_item(gone, author=by)),
        reviewing.comment_section: (edit, lambda by: reviewing.comment_section(section, text="Why?", author=by)),
        reviewing.settle_comment: (edit, lambda by: reviewing.settle_comment(comment, author=by)),
        reviewing.record_reading: (edit, lambda by: reviewing.record_reading(draft, author=by)),
        reviewing.submit_postmortem: (edit, lambda by: reviewing.submit_postmortem(draft, author=by)),
        reviewing.return_postmortem: (edit, lambda by: reviewing.return_postmortem(returned, author=by)),
        reviewing.approve_postmortem: (
            Verb.APPROVE_POSTMORTEM,
            lambda by: reviewing.approve_postmortem(read, fingerprint=fingerprint, author=by),
        ),
        checking.dismiss_finding: (
            Verb.APPROVE_POSTMORTEM,
            lambda by: checking.dismiss_finding(wrong, digest=finding.digest, reason="A quotation.", author=by),
        ),
        publishing.publish_postmortem: (publish, lambda by: publishing.publish_postmortem(ready, author=by)),
        publishing.unpublish_postmortem: (
            publish,
            lambda by: publishing.unpublish_postmortem(public, reason="Wrong", author=by),
        ),
    }


@pytest.fixture
def acts(page: Page, component: Component, incident: Incident, author: User, admin: User) -> Acts:
    """Every service, called so that it would succeed, with the right that it asks for."""
    now = timezone.now()
    update = post_update(incident, status=IncidentStatus.IDENTIFIED, body="A fault.", author=author)
    ended = declare_incident(page, title="Ended", author=author)
    post_update(ended, status=IncidentStatus.RESOLVED, body="Done.", author=author)
    internal = declare_incident(page, title="Internal", author=author, visibility=Visibility.INTERNAL)
    taken = declare_incident(page, title="Taken back", author=author)
    wrong = post_update(taken, status=IncidentStatus.IDENTIFIED, body="Wrong.", author=author)
    _key, row = create_key("robot", scopes=[Scope.INCIDENTS, Scope.COMPONENTS], author=admin)
    window: dict[str, Any] = {"scheduled_for": now, "scheduled_until": now + timedelta(hours=1)}
    later = {name: at + timedelta(days=1) for name, at in window.items()}
    ahead, first, running = (
        schedule_maintenance(page, title="Disks", body="New ones.", **later, author=author) for _number in range(3)
    )
    series = repeat_maintenance(first, rule="FREQ=WEEKLY", author=author)
    reminder = ahead.plan.reminders.first()
    assert reminder
    post_update(running, status=IncidentStatus.IN_PROGRESS, body="Now.", author=author)
    moved = {name: at + timedelta(days=2) for name, at in window.items()} | {"body": "Moved."}
    text: dict[str, Any] = {"status": IncidentStatus.MONITORING, "body": "Better."}
    signups.subscribe(page, address="ann@example.com", author=admin)
    recipient = Subscriber.objects.get()
    bounced, _returned, late, asking = (
        subscribers.invite(page, address=f"{name}@example.com", choices=Choices(), author=admin)
        for name in ("bounced", "returned", "late", "asking")
    )
    quarantine.quarantine(bounced, reason="550", author=admin)
    late.confirmation_sent_at = now - 2 * CONFIRM_WITHIN
    with authored_by(admin):
        late.save()
    staff_channels.add_channel(page, channel=StaffChannel.Channel.CHAT, address="Ops", secret="json://a", author=admin)
    channel = staff_channels.add_channel(page, channel=STAFF, address="night@acme.example", author=admin)
    sent_back = {"reason": "550"}
    hook = {"url": "https://ann.example.com", "contact": "ann@example.com"}
    program = subscribers.add_webhook(page, url="https://bob.example.com", contact="bob@example.com", author=admin)
    template = templates.save_template(IncidentTemplate(name="Slow", body="Slow."), author=admin)
    asked = subscribers.invite(page, address="dora@example.com", choices=Choices(), author=admin)
    metric = metrics.save_metric(Metric(page=page, name="Errors"), author=admin)
    down = ComponentStatus.MAJOR_OUTAGE
    plan: Any = {"due_at": now + timedelta(hours=1), "components": (), "next_update": None, "notify": True} | text
    waiting = plan_update(incident, author=author, **plan)
    mitigation, full = TimelineEntry.Kind.MITIGATION, TimelineEntry.Outcome.FULL
    attempt = timeline.note(incident, text="Restarting.", occurred_at=now, kind=mitigation, author=author)
    author.email = "grace@acme.example"
    author.save()
    with authored_by(admin):
        cadence, _made = UpdateCadence.objects.get_or_create(severity="sev1", status="monitoring")
    deleted: dict[type[Tracked], Any] = deleted_rows(page, component, admin) | {Incident: incident}
    return {
        declare_incident: (Verb.DECLARE_INCIDENT, lambda by: declare_incident(page, title="New", author=by)),
        edit_incident: (Verb.DECLARE_INCIDENT, lambda by: edit_incident(incident, title="Changed", author=by)),
        plan_update: (Verb.POST_UPDATE, lambda by: plan_update(incident, author=by, **plan)),
        change_planned: (Verb.POST_UPDATE, lambda by: change_planned(waiting, author=by, **plan)),
        post_planned: (Verb.POST_UPDATE, lambda by: post_planned(waiting, author=by)),
        cancel_planned: (Verb.POST_UPDATE, lambda by: cancel_planned(waiting, author=by)),
        promises.set_cadence: (Verb.EDIT_CATALOGUE, lambda by: promises.set_cadence(cadence, minutes=7, author=by)),
        take_role: (Verb.DECLARE_INCIDENT, lambda by: take_role(incident, role=Role.SCRIBE, author=by)),
        hand_over: (Verb.DECLARE_INCIDENT, lambda by: hand_over(incident, role=Role.SCRIBE, to=admin, author=by)),
        post_update: (Verb.POST_UPDATE, lambda by: post_update(incident, **text, author=by)),
        withdraw_update: (Verb.POST_UPDATE, lambda by: withdraw_update(wrong, author=by)),
        publish_incident: (
            Verb.POST_UPDATE,
            lambda by: publish_incident(internal, public_title="Slow", **text, author=by),
        ),
        schedule_maintenance: (
            Verb.POST_UPDATE,
            lambda by: schedule_maintenance(page, title="Disks", body="New ones.", **window, author=by),
        ),
        plan_maintenance: (Verb.POST_UPDATE, lambda by: plan_maintenance(ahead, ends_by_itself=True, author=by)),
        move_maintenance: (Verb.POST_UPDATE, lambda by: move_maintenance(ahead, **moved, author=by)),
        repeat_maintenance: (Verb.POST_UPDATE, lambda by: repeat_maintenance(ahead, rule="FREQ=DAILY", author=by)),
        clockwork.start: (Verb.POST_UPDATE, lambda by: clockwork.start(ahead, author=by)),
        clockwork.complete: (Verb.POST_UPDATE, lambda by: clockwork.complete(ahead, author=by)),
        clockwork.tell_overrun: (Verb.POST_UPDATE, lambda by: clockwork.tell_overrun(ahead, author=by)),
        clockwork.remind: (Verb.POST_UPDATE, lambda by: clockwork.remind(ahead, reminder, author=by)),
        cancel_maintenance: (Verb.POST_UPDATE, lambda by: cancel_maintenance(ahead, body="Not now.", author=by)),
        extend_maintenance: (
            Verb.POST_UPDATE,
            lambda by: extend_maintenance(running, expected_until=now + timedelta(days=3), body="Longer.", author=by),
        ),
        make_ahead: (Verb.POST_UPDATE, lambda by: make_ahead(series, author=by)),
        move_following: (Verb.POST_UPDATE, lambda by: move_following(first, **moved, author=by)),
        cancel_following: (Verb.POST_UPDATE, lambda by: cancel_following(first, body="No more.", author=by)),
        correct_update: (Verb.CORRECT_UPDATE, lambda by: correct_update(update, body="Other words.", author=by)),
        timeline.note: (
            Verb.NOTE_TIMELINE,
            lambda by: timeline.note(incident, text="Seen.", occurred_at=now, author=by),
        ),
        timeline.conclude_attempt: (
            Verb.NOTE_TIMELINE,
            lambda by: timeline.conclude_attempt(attempt, outcome=full, author=by),
        ),
        delete_incident: (Verb.POST_UPDATE, lambda by: delete_incident(incident, reason="Wrong", author=by)),
        **{
            restore: (
                Verb.POST_UPDATE if model is Incident else Verb.EDIT_CATALOGUE,
                partial(restoring, restore, deleted[model]),
            )
            for model, restore in RESTORES.items()
        },
        **of_postmortems(page, author),
        catalogue.set_component_status: (
            Verb.SET_COMPONENT_STATUS,
            lambda by: catalogue.set_component_status(component, status=down, author=by),
        ),
        catalogue.save: (Verb.EDIT_CATALOGUE, lambda by: catalogue.save(Component(page=page, name="New"), author=by)),
        catalogue.delete: (Verb.EDIT_CATALOGUE, lambda by: catalogue.delete(component, author=by)),
        backfill_incident: (
            Verb.POST_UPDATE,
            lambda by: backfill_incident(page, title="Old", body="Over.", at=now, author=by),
        ),
        record_elsewhere: (
            Verb.CORRECT_UPDATE,
            lambda by: record_elsewhere(page, RECORD, source="them", author=by),
        ),
        catalogue.save_group: (
            Verb.EDIT_CATALOGUE,
            lambda by: catalogue.save_group(ComponentGroup(page=page, name="G"), components=[], author=by),
        ),
        metrics.save_metric: (Verb.EDIT_CATALOGUE, lambda by: metrics.save_metric(metric, author=by)),
        metrics.delete_metric: (Verb.EDIT_CATALOGUE, lambda by: metrics.delete_metric(metric, author=by)),
        metrics.clear_points: (Verb.EDIT_CATALOGUE, lambda by: metrics.clear_points(metric, author=by)),
        metrics.add_points: (Verb.SET_COMPONENT_STATUS, lambda by: metrics.add_points({metric: {now: 1}}, author=by)),
        templates.save_template: (Verb.EDIT_CATALOGUE, lambda by: templates.save_template(template, author=by)),
        templates.delete_template: (Verb.EDIT_CATALOGUE, lambda by: templates.delete_template(template, author=by)),
        create_key: (Verb.EDIT_CATALOGUE, lambda by: create_key("other", scopes=[Scope.READ], author=by)),
        revoke_key: (Verb.EDIT_CATALOGUE, lambda by: revoke_key(row, author=by)),
        save_staff: (
            Verb.MANAGE_STAFF,
            lambda by: save_staff(User(username="new", email="new@acme.example"), roles=[], author=by),
        ),
        note_link: (Verb.MANAGE_STAFF, lambda by: note_link(author, author=by)),
        unlink_provider: (Verb.MANAGE_STAFF, lambda by: unlink_provider(author, reason="Renamed.", author=by)),
        remove_second_factor: (Verb.MANAGE_STAFF, lambda by: remove_second_factor(author, reason="Lost.", author=by)),
        signups.ask: (
            Verb.MANAGE_SUBSCRIBERS,
            lambda by: signups.ask(page, address="eve@example.com", network="n", author=by),
        ),
        signups.ask_for_webhook: (
            Verb.MANAGE_SUBSCRIBERS,
            lambda by: signups.ask_for_webhook(page, **hook, network="n", author=by),
        ),
        signups.subscribe: (
            Verb.MANAGE_SUBSCRIBERS,
            lambda by: signups.subscribe(page, address="ann@example.com", author=by),
        ),
        signups.subscribe_webhook: (
            Verb.MANAGE_SUBSCRIBERS,
            lambda by: signups.subscribe_webhook(page, url=program.address, contact=program.contact, author=by),
        ),
        subscribers.roll_secret: (Verb.MANAGE_SUBSCRIBERS, lambda by: subscribers.roll_secret(program, author=by)),
        subscribers.confirm: (
            Verb.MANAGE_SUBSCRIBERS,
            lambda by: subscribers.confirm(recipient, asked_at=recipient.confirmation_sent_at, author=by),
        ),
        choices.choose: (
            Verb.MANAGE_SUBSCRIBERS,
            lambda by: choices.choose(recipient, Choices(), author=by),
        ),
        quarantine.quarantine: (
            Verb.MANAGE_SUBSCRIBERS,
            lambda by: quarantine.quarantine(recipient, reason="550", author=by),
        ),
        quarantine.quarantine_address: (
            Verb.MANAGE_SUBSCRIBERS,
            lambda by: quarantine.quarantine_address("returned@example.com", **sent_back, author=by),
        ),
        quarantine.release: (Verb.MANAGE_SUBSCRIBERS, lambda by: quarantine.release(recipient, author=by)),
        staff_channels.mailbox_for: (
            Verb.MANAGE_SUBSCRIBERS,
            lambda by: staff_channels.mailbox_for(author, page, author=by),
        ),
        staff_channels.add_channel: (
            Verb.MANAGE_SUBSCRIBERS,
            lambda by: staff_channels.add_channel(page, channel=STAFF, address="c@acme.example", author=by),
        ),
        staff_channels.send_test: (Verb.MANAGE_SUBSCRIBERS, lambda by: staff_channels.send_test(channel, author=by)),
        staff_channels.remove_channel: (
            Verb.MANAGE_SUBSCRIBERS,
            lambda by: staff_channels.remove_channel(channel, author=by),
        ),
        resealing.reseal_secrets: (Verb.MANAGE_SUBSCRIBERS, lambda by: resealing.reseal_secrets(author=by)),
        left_behind.say_left_behind: (
            Verb.MANAGE_SUBSCRIBERS,
            lambda by: left_behind.say_left_behind(recipient, author=by),
        ),
        left_behind.forget_left_behind: (
            Verb.MANAGE_SUBSCRIBERS,
            lambda by: left_behind.forget_left_behind(recipient, author=by),
        ),
        subscribers.unsubscribe: (Verb.MANAGE_SUBSCRIBERS, lambda by: subscribers.unsubscribe(recipient, author=by)),
        subscribers.add_by_staff: (
            Verb.MANAGE_SUBSCRIBERS,
            lambda by: subscribers.add_by_staff(page, address="bob@example.com", author=by),
        ),
        subscribers.invite: (
            Verb.MANAGE_SUBSCRIBERS,
            lambda by: subscribers.invite(page, address="carl@example.com", choices=Choices(), author=by),
        ),
        subscribers.ask_to_confirm: (Verb.MANAGE_SUBSCRIBERS, lambda by: subscribers.ask_to_confirm(asked, author=by)),
        subscribers.ask_many_to_confirm: (
            Verb.MANAGE_SUBSCRIBERS,
            lambda by: subscribers.ask_many_to_confirm([asking], author=by),
        ),
        subscribers.unsubscribe_many: (
            Verb.MANAGE_SUBSCRIBERS,
            lambda by: subscribers.unsubscribe_many([asking], author=by),
        ),
        subscribers.release_many: (Verb.MANAGE_SUBSCRIBERS, lambda by: subscribers.release_many([bounced], author=by)),
        subscribers.unfollow: (Verb.MANAGE_SUBSCRIBERS, lambda by: subscribers.unfollow(asked, incident, author=by)),
        subscribers.forget: (Verb.MANAGE_SUBSCRIBERS, lambda by: subscribers.forget("ann@example.com", author=by)),
        subscribers.drop_unconfirmed: (Verb.MANAGE_SUBSCRIBERS, lambda by: subscribers.drop_unconfirmed(author=by)),
        owing.retry: (Verb.MANAGE_SUBSCRIBERS, lambda by: owing.retry(Delivery.objects.all(), author=by)),
        subscribers.add_webhook: (
            Verb.MANAGE_SUBSCRIBERS,
            lambda by: subscribers.add_webhook(
                page, url="https://eve.example.com", contact="eve@example.com", author=by
            ),
        ),
        quarantine.begin_failing: (Verb.MANAGE_SUBSCRIBERS, lambda by: quarantine.begin_failing(recipient, author=by)),
        quarantine.recover: (Verb.MANAGE_SUBSCRIBERS, lambda by: quarantine.recover(recipient, author=by)),
        owing.cancel: (Verb.MANAGE_SUBSCRIBERS, lambda by: owing.cancel(Delivery.objects.all(), author=by)),
        csv_files.import_csv: (
            Verb.MANAGE_SUBSCRIBERS,
            lambda by: csv_files.import_csv(page, content="eve@example.com", author=by),
        ),
    }


def test_a_service_refuses_whoever_lacks_just_its_right_and_writes_nothing(acts: Acts, make_user: MakeUser) -> None:
    lacking = {verb: make_user(f"without {verb}", "viewer") for verb in Verb}
    for verb, user in lacking.items():
        rights = Permission.objects.filter(content_type__app_label="incidents")
        user.user_permissions.set(rights.exclude(codename=verb))
    before = everything()
    for right, act in acts.values():
        with pytest.raises(Forbidden):
            act(lacking[right])
    assert everything() == before


def test_a_service_with_its_right_does_its_work(acts: Acts, admin: User) -> None:
    for _right, act in acts.values():
        act(admin)
    with time_machine.travel(timezone.now() + timedelta(minutes=11)):
        assert seals.seal() > 0
    assert list(seals.verify()) == []


@pytest.mark.postgresql
def test_a_service_locks_what_it_says_before_it_changes_anything(acts: Acts, admin: User) -> None:
    lies = {}
    services = {service.function: service for service in SERVICES.values()}
    for function, (_right, act) in acts.items():
        service = services[function]
        with CaptureQueriesContext(connection) as queries:
            act(admin)
        match = CHANGE.search("\n".join(query["sql"] for query in queries))
        locked = match and (match[1] or match[2])
        if locked != (service.locks and service.locks._meta.db_table):
            lies[service.name] = locked
    assert not lies


def test_a_service_without_an_author_writes_nothing(acts: Acts) -> None:
    before = everything()
    for nobody in (None, User(username="unsaved", is_superuser=True)):
        for _right, act in acts.values():
            with pytest.raises(MissingAuthor):
                act(nobody)
    assert everything() == before


def test_every_service_is_in_the_table_above(acts: Acts) -> None:
    """A new one, decorated with `service`, must be added to `acts`."""
    for app in (incidents, status):
        for module in pkgutil.walk_packages(app.__path__, f"{app.__name__}."):
            importlib.import_module(module.name)
    assert {service.function: service.right for service in SERVICES.values()} == {
        function: right for function, (right, _act) in acts.items()
    }
    assert set(Verb) - {Verb.READ_AUDIT} == {right for right, _act in acts.values()}  # to read the audit is no service
    assert set(Verb) == set(MAY)
