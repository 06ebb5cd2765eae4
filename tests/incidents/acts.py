"""Every service once, called so that it succeeds: for tests that walk all of them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from incidents import (
    catalogue,
    isolation,
    metrics,
    promises,
    templates,
    timeline,
)
from incidents.authorship import authored_by
from incidents.elsewhere.recording import record_elsewhere
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
    Component,
    ComponentListing,
    Failure,
    Incident,
    IncidentRole,
    IncidentTemplate,
    Metric,
    Page,
    TimelineEntry,
    UpdateCadence,
    User,
)
from incidents.models.base import Tracked
from incidents.people import (
    create_key,
    create_staff,
    edit_staff,
    note_link,
    remove_second_factor,
    revoke_key,
    unlink_provider,
)
from incidents.permissions import Scope, Verb
from incidents.planned import cancel_planned, change_planned, plan_update, post_planned
from incidents.restoration import RESTORES
from incidents.roles import hand_over, take_role
from status.delivery import key_rotation, owing, quarantine, staff_channels
from status.models import Delivery, StaffChannel, Subscriber
from status.subscriptions import choices, csv_files, left_behind, signups, subscribers
from status.subscriptions.choices import Choices
from status.tokens import CONFIRM_WITHIN
from tests.elsewhere import RECORD
from tests.incidents.postmortem_acts import Acts, of_postmortems

Role = IncidentRole.Role
STAFF = StaffChannel.Channel.STAFF


def deleted_rows(page: Page, component: Component, admin: User) -> dict[type[Tracked], Any]:
    """One of each that can be restored."""
    facts: Any = {"title": "Old", "body": "Old.", "author": admin}
    with authored_by(admin):
        old = Page.objects.create(name="Old", url="https://old.example", host="old.example")
        member = Component.objects.create(page=page, name="Member")
        group = catalogue.create_group(page, name="Old", components=[member], author=admin)
        catalogue.delete_group(group, author=admin)
        now = timezone.now()  # it is missed while its page is deleted
        schedule_maintenance(old, scheduled_for=now, scheduled_until=now + timedelta(hours=1), **facts)
        rows: list[Tracked] = [
            old,
            Component.objects.create(page=page, name="Old"),
            ComponentListing.objects.create(page=old, component=component),
            Metric.objects.create(page=page, name="Old"),
            IncidentTemplate.objects.create(page=page, name="Old", body="Old."),
        ]
        for row in rows:
            row.mark_deleted()
    return {type(row): row for row in [*rows, group]}


def restoring(restore: Callable[..., None], row: Tracked) -> Callable[[Any], object]:
    return lambda by: restore(row, author=by)


def of_catalogue(page: Page, component: Component, admin: User) -> Acts:
    """The services of the catalogue; what others need stays, whatever is deleted here."""
    edits = Verb.EDIT_CATALOGUE
    third = catalogue.create_page(name="Third", url="https://third.example", author=admin)
    spare = catalogue.create_component(page, name="Spare", author=admin)
    group = catalogue.create_group(page, name="Core", author=admin)
    listing = catalogue.list_component(component, page=third, author=admin)
    moving = catalogue.create_component(third, name="Moving", author=admin)
    catalogue.list_component(moving, page=page, author=admin)
    fourth: Any = {"name": "Fourth", "url": "https://fourth.example"}
    return {
        catalogue.create_page: (edits, lambda by: catalogue.create_page(**fourth, author=by)),
        catalogue.edit_page: (edits, lambda by: catalogue.edit_page(third, intro="Welcome.", author=by)),
        catalogue.edit_embed: (edits, lambda by: catalogue.edit_embed(page, position="top-left", author=by)),
        catalogue.create_component: (
            edits,
            lambda by: catalogue.create_component(page, name="New", group=group, author=by),
        ),
        catalogue.edit_component: (
            edits,
            lambda by: catalogue.edit_component(moving, page=page, group=group, author=by),
        ),
        catalogue.list_component: (edits, lambda by: catalogue.list_component(spare, page=third, author=by)),
        catalogue.edit_listing: (edits, lambda by: catalogue.edit_listing(listing, page=third, position=9, author=by)),
        catalogue.delete_listing: (edits, lambda by: catalogue.delete_listing(listing, author=by)),
        catalogue.create_group: (
            edits,
            lambda by: catalogue.create_group(page, name="New", components=[spare], author=by),
        ),
        catalogue.edit_group: (edits, lambda by: catalogue.edit_group(group, components=[spare], author=by)),
        catalogue.delete_group: (edits, lambda by: catalogue.delete_group(group, author=by)),
        catalogue.delete_component: (edits, lambda by: catalogue.delete_component(spare, author=by)),
        catalogue.delete_page: (edits, lambda by: catalogue.delete_page(third, author=by)),
    }


@pytest.fixture
def acts(page: Page, component: Component, incident: Incident, author: User, admin: User, settings: Settings) -> Acts:
    """Every service, called so that it would succeed, with the right that it asks for."""
    settings.NOTIFY_HOLD = 3600  # so that an update can be taken back, however slow the machine is
    now = timezone.now()
    named = [(component, None)]
    update = post_update(incident, status=IncidentStatus.IDENTIFIED, body="A fault.", components=named, author=author)
    ended = declare_incident(page, title="Ended", author=author)
    post_update(ended, status=IncidentStatus.RESOLVED, body="Done.", author=author)
    internal = declare_incident(page, title="Internal", author=author, visibility=Visibility.INTERNAL)
    taken = declare_incident(page, title="Taken back", author=author)
    wrong = post_update(taken, status=IncidentStatus.IDENTIFIED, body="Wrong.", author=author)
    _key, row = create_key("robot", scopes=[Scope.INCIDENTS, Scope.COMPONENTS], author=admin)
    window: dict[str, Any] = {"scheduled_for": now, "scheduled_until": now + timedelta(hours=1)}
    later = {name: at + timedelta(days=1) for name, at in window.items()}
    ahead, first, running = (
        schedule_maintenance(page, title="Disks", body="New ones.", components=[component], **later, author=author)
        for _number in range(3)
    )
    series = repeat_maintenance(first, rule="FREQ=WEEKLY", author=author)
    reminder = ahead.plan.reminders.first()
    assert reminder
    post_update(running, status=IncidentStatus.IN_PROGRESS, body="Now.", author=author)
    moved = {name: at + timedelta(days=2) for name, at in window.items()} | {"body": "Moved."}
    text: dict[str, Any] = {"status": IncidentStatus.MONITORING, "body": "Better.", "components": named}
    signups.subscribe(page, address="ann@example.com", author=admin)
    recipient = Subscriber.objects.get()
    bounced, _returned, late, asking, _bob, _carl = (
        subscribers.invite(page, address=f"{name}@example.com", choices=Choices(), author=admin)
        for name in ("bounced", "returned", "late", "asking", "bob", "carl")
    )
    quarantine.quarantine(bounced, reason="550", author=admin)
    with authored_by(admin):
        late.change(confirmation_sent_at=now - 2 * CONFIRM_WITHIN)
    staff_channels.add_channel(page, channel=StaffChannel.Channel.CHAT, address="Ops", url="json://a", author=admin)
    staff_channels.mailbox_for(author, page, author=admin)
    channel = staff_channels.add_channel(page, channel=STAFF, address="night@acme.example", author=admin)
    sent_back = {"reason": "550"}
    hook = {"url": "https://ann.example.com", "contact": "ann@example.com"}
    signups.subscribe_webhook(page, url="https://eve.example.com", contact="eve@example.com", author=admin)
    bobs = "https://bob.example.com"
    program = subscribers.add_webhook(page, url=bobs, contact="bob@example.com", author=admin)
    Failure.objects.create(kind="owe", key="7", reason="No.", parked_at=now)
    template = templates.create_template(name="Slow", body="Slow.", author=admin)
    asked = subscribers.invite(page, address="dora@example.com", choices=Choices(), author=admin)
    metric = metrics.create_metric(page, name="Errors", author=admin)
    down = ComponentStatus.MAJOR_OUTAGE
    plan: Any = {"due_at": now + timedelta(hours=1), "next_update": None, "notify": True} | text
    waiting = plan_update(incident, author=author, **plan)
    mitigation, full = TimelineEntry.Kind.MITIGATION, TimelineEntry.Outcome.FULL
    attempt = timeline.note(incident, text="Restarting.", occurred_at=now, kind=mitigation, author=author)
    author.email = "grace@acme.example"
    author.save()
    with authored_by(admin):
        cadence = UpdateCadence.objects.get(severity="sev1", status="monitoring")
    deleted: dict[type[Tracked], Any] = deleted_rows(page, component, admin) | {Incident: incident}
    return {
        declare_incident: (
            Verb.DECLARE_INCIDENT,
            lambda by: declare_incident(page, title="New", caused_by=ended, author=by),
        ),
        edit_incident: (
            Verb.DECLARE_INCIDENT,
            lambda by: edit_incident(internal, title="Changed", caused_by=incident, author=by),
        ),
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
            lambda by: schedule_maintenance(
                page, title="Disks", body="New ones.", components=[component], **window, author=by
            ),
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
            RESTORES[model]: (
                Verb.POST_UPDATE if model is Incident else Verb.EDIT_CATALOGUE,
                restoring(RESTORES[model], row),
            )
            for model, row in deleted.items()
        },
        **of_postmortems(page, author, admin),
        catalogue.set_component_status: (
            Verb.SET_COMPONENT_STATUS,
            lambda by: catalogue.set_component_status(component, status=down, author=by),
        ),
        **of_catalogue(page, component, admin),
        backfill_incident: (
            Verb.POST_UPDATE,
            lambda by: backfill_incident(page, title="Old", body="Over.", at=now, author=by),
        ),
        metrics.create_metric: (Verb.EDIT_CATALOGUE, lambda by: metrics.create_metric(page, name="New", author=by)),
        metrics.edit_metric: (Verb.EDIT_CATALOGUE, lambda by: metrics.edit_metric(metric, suffix="s", author=by)),
        record_elsewhere: (
            Verb.CORRECT_UPDATE,
            lambda by: record_elsewhere(page, RECORD, source="them", author=by),
        ),
        metrics.clear_points: (Verb.EDIT_CATALOGUE, lambda by: metrics.clear_points(metric, author=by)),
        metrics.delete_metric: (Verb.EDIT_CATALOGUE, lambda by: metrics.delete_metric(metric, author=by)),
        metrics.add_points: (Verb.SET_COMPONENT_STATUS, lambda by: metrics.add_points({metric: {now: 1}}, author=by)),
        templates.create_template: (
            Verb.EDIT_CATALOGUE,
            lambda by: templates.create_template(page=page, name="New", body="New.", author=by),
        ),
        templates.edit_template: (
            Verb.EDIT_CATALOGUE,
            lambda by: templates.edit_template(template, page=page, author=by),
        ),
        templates.delete_template: (Verb.EDIT_CATALOGUE, lambda by: templates.delete_template(template, author=by)),
        create_key: (Verb.EDIT_CATALOGUE, lambda by: create_key("other", scopes=[Scope.READ], page=page, author=by)),
        revoke_key: (Verb.EDIT_CATALOGUE, lambda by: revoke_key(row, author=by)),
        create_staff: (
            Verb.MANAGE_STAFF,
            lambda by: create_staff(username="new", email="new@acme.example", author=by),
        ),
        edit_staff: (Verb.MANAGE_STAFF, lambda by: edit_staff(author, last_name="Hopper", author=by)),
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
            lambda by: signups.subscribe_webhook(page, url=bobs, contact=program.contact, author=by),
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
        key_rotation.reencrypt_secrets: (Verb.MANAGE_SUBSCRIBERS, lambda by: key_rotation.reencrypt_secrets(author=by)),
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
        subscribers.drop_unconfirmed: (
            Verb.MANAGE_SUBSCRIBERS,
            lambda by: subscribers.drop_unconfirmed(late, author=by),
        ),
        isolation.try_again: (Verb.EDIT_CATALOGUE, lambda by: isolation.try_again(Failure.objects.all(), author=by)),
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
