"""Which page is published under which host name."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.test import Client
from pytest_django import Settings

from incidents import catalogue
from incidents.models import OutboxEvent, Page, User
from status import relay
from status.publication import files
from status.publication.publishing import differences, publish

pytestmark = pytest.mark.both


def names(publication_root: Path) -> dict[str, str]:
    """What each host name leads to."""
    return {entry.name: entry.resolve().name for entry in (publication_root / "hosts").iterdir()}


def test_a_host_name_leads_to_its_page_and_an_unknown_one_to_the_only_page(
    page: Page, other_page: Page, admin: User, publication_root: Path, settings: Settings
) -> None:
    publish(page)
    catalogue.delete_page(other_page, author=admin)
    relay.relay()
    assert names(publication_root)["_default"] == page.public_id
    third = catalogue.create_page(name="Third", url="https://Third.example:8443/", author=admin)
    relay.relay()
    assert names(publication_root) == {
        "status.acme.example": page.public_id,
        "third.example": third.public_id,
        "status.beta.example": other_page.public_id,
        "_default": "nobody",
    }
    settings.DEFAULT_PAGE = "renamed.example"
    catalogue.edit_page(third, url="https://renamed.example", author=admin)
    relay.relay()
    assert names(publication_root) == {
        "status.acme.example": page.public_id,
        "renamed.example": third.public_id,
        "status.beta.example": other_page.public_id,
        "_default": third.public_id,
    }


def test_of_a_deleted_page_it_is_said_that_it_is_gone(page: Page, admin: User, publication_root: Path) -> None:
    publish(page)
    catalogue.delete_page(page, author=admin)
    relay.relay()
    root = files.folder(page.public_id)
    assert files.tracked(root) == set()
    assert b"This page has been removed" in (files.read(root, ".gone.html") or b"")
    assert names(publication_root) == {page.host: page.public_id, "_default": "nobody"}
    assert relay.relay() == 0
    assert differences(page) == []
    (root / ".gone.json").write_text("{}")
    assert differences(page) == [".gone.json"]


@pytest.mark.parametrize("path", ["/", "/api/v2/summary.json", "/subscribe", "/subscribe/webhook"])
def test_a_deleted_page_says_so_at_each_of_its_addresses(client: Client, page: Page, admin: User, path: str) -> None:
    publish(page)
    catalogue.delete_page(page, author=admin)
    relay.relay()
    answer = client.get(path, headers={"host": page.host})
    assert (answer.status_code, "This page has been removed" in answer.text) == (410, True)
    assert "Current status" not in answer.text, "there is none"
    assert client.post("/subscribe", {"address": "ann@example.com"}, headers={"host": page.host}).status_code == 410


def test_the_name_of_a_page_that_is_not_live_shows_no_other(
    page: Page, other_page: Page, admin: User, publication_root: Path
) -> None:
    catalogue.edit_page(page, is_live=False, author=admin)
    relay.relay()
    assert names(publication_root) == {
        page.host: "nobody",
        other_page.host: other_page.public_id,
        "_default": other_page.public_id,
    }
    catalogue.delete_page(page, author=admin)
    relay.relay()
    assert names(publication_root)[page.host] == "nobody"  # it never was there


def test_a_new_page_takes_the_name_of_one_that_was_deleted(page: Page, admin: User, publication_root: Path) -> None:
    publish(page)
    catalogue.delete_page(page, author=admin)
    new = catalogue.create_page(name="Acme", url=page.url, author=admin)
    relay.relay()
    assert names(publication_root) == {page.host: new.public_id, "_default": new.public_id}


def test_host_names_are_read_and_linked_by_one_at_a_time(page: Page, publication_root: Path) -> None:
    publish(page)
    with files.locked(publication_root, timeout=0), pytest.raises(files.Busy):
        publish(page, timeout=0)
    publish(page, timeout=0)


def test_what_is_said_of_a_page_that_is_not_live_does_not_wait_for_ever(page: Page, admin: User) -> None:
    catalogue.edit_page(page, is_live=False, author=admin)
    publish(page)
    catalogue.edit_page(page, name="Acme Inc.", author=admin)  # and its own publication was busy, say
    assert relay.relay() == 1
    assert not OutboxEvent.objects.unpublished().exists()
    assert relay.relay() == 0
