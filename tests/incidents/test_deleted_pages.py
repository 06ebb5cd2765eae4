"""Nothing is begun, said or changed on a page that was deleted, by whichever service: it is restored first."""

from __future__ import annotations

import pytest
from django.db import transaction

from incidents import catalogue
from incidents.errors import DomainError
from incidents.models import Page, User
from tests.incidents.postmortem_acts import Acts
from tests.incidents.registry import all_services

pytestmark = pytest.mark.long

# Which services do their work all the same, by the reason
ACCEPTED: dict[str, set[str]] = {
    "it takes away or ends": {
        "incidents.catalogue.delete_component",
        "incidents.catalogue.delete_group",
        "incidents.catalogue.delete_listing",
        "incidents.metrics.delete_metric",
        "incidents.templates.delete_template",
        "incidents.people.revoke_key",
        "status.delivery.owing.cancel",
        "status.delivery.staff_channels.remove_channel",
        "status.subscriptions.left_behind.forget_left_behind",
        "status.subscriptions.subscribers.drop_unconfirmed",
        "status.subscriptions.subscribers.forget",
        "status.subscriptions.subscribers.unsubscribe",
        "status.subscriptions.subscribers.unsubscribe_many",
    },
    "it is about no page, or about another one": {
        "incidents.catalogue.create_page",
        "incidents.isolation.try_again",
        "incidents.people.create_staff",
        "incidents.people.edit_staff",
        "incidents.people.note_link",
        "incidents.people.remove_second_factor",
        "incidents.people.unlink_provider",
        "incidents.promises.set_cadence",
        "status.delivery.key_rotation.reencrypt_secrets",
    },
    "it is how the page comes back": {
        "incidents.restoration.restore_page",
    },
    "the clock holds it back, or asks for it on no deleted page": {
        "incidents.planned.post_planned",
        "incidents.maintenance.series.make_ahead",
    },
    "nobody outside reads it": {
        "incidents.metrics.add_points",
        "incidents.postmortems.reviewing.record_reading",
        "incidents.postmortems.reviewing.settle_comment",
    },
    "what is written down is refused when it is taken up": {
        "status.subscriptions.signups.ask",
        "status.subscriptions.signups.ask_for_webhook",
    },
    "it is about an address, which may be needed again": {
        "status.delivery.owing.retry",
        "status.delivery.quarantine.begin_failing",
        "status.delivery.quarantine.quarantine",
        "status.delivery.quarantine.quarantine_address",
        "status.delivery.quarantine.recover",
        "status.delivery.staff_channels.mailbox_for",
        "status.delivery.staff_channels.send_test",
        "status.subscriptions.left_behind.say_left_behind",
        "status.subscriptions.subscribers.confirm",
        "status.subscriptions.subscribers.release_many",
        "status.subscriptions.subscribers.roll_secret",
    },
}


@pytest.mark.slow
def test_a_deleted_page_is_restored_before_anything_is_done_on_it(acts: Acts, admin: User) -> None:
    for page in Page.objects.live():
        catalogue.delete_page(page, author=admin)
    names = {service.function: service.name for service in all_services()}
    accepted = set()
    for function, (_right, act) in acts.items():
        try:
            with transaction.atomic():
                act(admin)
                transaction.set_rollback(True)
            accepted.add(names[function])
        except DomainError:
            continue
    known = set().union(*ACCEPTED.values())
    assert sorted(accepted - known) == [], "they do what they do on a deleted page, and ACCEPTED does not say why"
    assert sorted(known - accepted) == []
