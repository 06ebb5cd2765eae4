"""Addresses in files: brought in, and taken out."""

from __future__ import annotations

import pytest

from incidents import catalogue
from incidents.errors import InvalidInput
from incidents.models import Component, Page, User
from status.models import Subscriber
from status.subscriptions import choices, csv_files, subscribers
from status.subscriptions.choices import Choices


def test_a_file_is_read_line_by_line_and_every_bad_line_is_named(
    page: Page, component: Component, ann: Subscriber, admin: User
) -> None:
    content = """address,components,minimum_impact
bob@example.com,,
carl@example.com,API,major

nobody,,
ann@example.com,,
bob@example.com,,
"eve@example.com,,
dan@example.com,Cable,
dan@example.com,,catastrophe
dan@example.com
fay@example.com,,none"""
    report = csv_files.import_csv(page, content=content, author=admin)
    assert [(line.number, line.fault.partition(".")[0]) for line in report if line.fault] == [
        (5, "This is not an e-mail address"),
        (6, "This address is subscribed already"),
        (7, "This address is in the file twice"),
        (8, "The quotes of this line do not match"),
        (9, "The page has no component “Cable”"),
        (10, "“catastrophe” is not an impact"),
        (11, "This line has 1 cells instead of 3"),
    ]
    assert len(report) == 10
    added = Subscriber.objects.active().exclude(pk=ann.pk).order_by("address")
    assert [row.address for row in added] == ["bob@example.com", "carl@example.com", "fay@example.com"]
    carl = added[1]
    assert (carl.everything, carl.minimum_impact, carl.follows.get().component) == (False, "major", component)
    assert carl.history.get().history_user == admin


def test_what_is_exported_can_be_imported_elsewhere(
    page: Page, other_page: Page, component: Component, ann: Subscriber, admin: User
) -> None:
    subscribers.add_by_staff(page, address="=1+1@example.com", author=admin)
    gone = subscribers.add_by_staff(page, address="gone@example.com", author=admin)
    subscribers.unsubscribe(gone, author=admin)
    choices.choose(ann, Choices(False, [component], postmortems_only=True), author=admin)
    content = csv_files.export_csv(page)
    assert "\n=" not in content, "a spreadsheet would compute it"
    catalogue.edit_component(component, page=other_page, author=admin)
    report = csv_files.import_csv(other_page, content=content, author=admin)
    assert [line.fault for line in report if line.fault] == ["The file says that this address is not active."]
    copy = Subscriber.objects.get(page=other_page, address="ann@example.com")
    assert (copy.everything, copy.postmortems_only, copy.follows.get().component) == (False, True, component)
    assert Subscriber.objects.filter(page=other_page, address="=1+1@example.com").exists()


def test_a_list_of_addresses_needs_no_heading(page: Page, admin: User) -> None:
    report = csv_files.import_csv(page, content="bob@example.com\r\neve@example.com\r\n", author=admin)
    assert [line.fault for line in report] == ["", ""]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [("address,colour\na@example.com,red", "no column “colour”"), ("a@example.com\n" * 2_001, "2001 lines; 2000")],
)
def test_a_file_that_cannot_be_read_as_a_whole_adds_nobody(
    page: Page, admin: User, content: str, sentence: str
) -> None:
    with pytest.raises(InvalidInput, match=sentence):
        csv_files.import_csv(page, content=content, author=admin)
    assert not Subscriber.objects.exists()
