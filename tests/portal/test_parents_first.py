"""A door that locks a row before it calls a service locks what the row is to belong to first, as the services do."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, connections, transaction
from django.test import Client

from incidents import catalogue
from incidents.models import Component, Page, User
from tests.incidents.html_forms import filled
from tests.portal.signing_in import sign_in_anew
from tests.waiting import until

pytestmark = [pytest.mark.postgresql, pytest.mark.django_db(transaction=True)]


@pytest.mark.slow
@pytest.mark.parametrize("door", ["console", "api"])
def test_who_moves_a_component_into_a_group_does_not_block_who_changes_the_group(
    client: Client, page: Page, component: Component, admin: User, root_key: str, door: str
) -> None:
    group = catalogue.create_group(page, name="Core", author=admin)
    if door == "console":
        sign_in_anew(client, admin)
        path = f"/admin/incidents/component/{component.pk}/change/"
        typed = filled(client.get(path), group=group.pk)
    path_of_api = f"/api/v1/pages/{page.public_id}/components/{component.public_id}"
    key = {"authorization": f"OAuth {root_key}", "if-match": "*"}

    def move() -> int:
        try:
            if door == "console":
                return client.post(path, typed).status_code
            sent = {"component": {"group_id": group.public_id}}
            return client.patch(path_of_api, sent, content_type="application/json", headers=key).status_code
        finally:
            connections.close_all()

    def is_waiting() -> bool:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_stat_clear_snapshot()")
            cursor.execute("SELECT 1 FROM pg_stat_activity WHERE pg_backend_pid() = ANY (pg_blocking_pids(pid))")
            return cursor.fetchone() is not None

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            group.lock()
            moved = pool.submit(move)
            until(lambda: is_waiting() or moved.done())
            component.lock()  # as who changes the group does: a deadlock, if the door has locked it already
        assert moved.result() in (200, 302)
    component.refresh_from_db()
    assert component.group == group
