"""Writing a postmortem in the admin: with forms alone, and in a browser that saves by itself."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from incidents import timeline
from incidents.incidents import declare_incident
from incidents.models import Incident, Postmortem, PostmortemSection, TimelineEntry, User
from incidents.postmortems import action_items, writing
from tests.reports import approved

HTMX = {"HX-Request": "true"}


@pytest.fixture
def postmortem(incident: Incident, author: User) -> Postmortem:
    return writing.start_postmortem(incident, author=author)


@pytest.fixture
def summary(postmortem: Postmortem) -> PostmortemSection:
    return postmortem.live_sections()[0]


def editor(postmortem: Postmortem) -> str:
    return reverse("admin:incidents_postmortem_change", args=[postmortem.pk])


def address(section: PostmortemSection) -> str:
    return reverse("admin:incidents_postmortem_section", args=[section.postmortem_id, section.pk])


def typed(section: PostmortemSection, **texts: str) -> dict[str, str]:
    return {"title": section.heading, "internal": "", "public": "", "withheld": "", "seen": section.version} | texts


def test_a_section_is_saved_by_a_plain_form(staff: Client, summary: PostmortemSection) -> None:
    answer = staff.post(
        address(summary), typed(summary, internal="db-7 died", public="A *database* failed."), follow=True
    )
    summary.refresh_from_db()
    assert (summary.internal, summary.public) == ("db-7 died", "A *database* failed.")
    assert "A <em>database</em> failed." in answer.text
    assert f"#section-{summary.pk}" in answer.redirect_chain[0][0]


def test_a_fragment_tells_what_was_saved_and_how_it_reads(staff: Client, summary: PostmortemSection) -> None:
    texts = typed(summary, public="It began at {{t 2023-01-17T16:02Z}}.")
    answer = staff.post(address(summary), texts, headers=HTMX).text
    summary.refresh_from_db()
    assert "<html" not in answer
    assert 'data-state="saved"' in answer
    assert summary.version in answer
    assert '<time datetime="2023-01-17T16:02:00Z">Jan 17, 2023, 16:02 UTC</time> (17:02 CET)' in answer


def test_a_fragment_tells_where_the_report_stands_now(
    staff: Client, incident: Incident, postmortem: Postmortem, summary: PostmortemSection, author: User
) -> None:
    approved(incident, "A database failed.", author)
    publish = reverse("admin:incidents_postmortem_publish", args=[postmortem.pk])
    assert publish in staff.get(editor(postmortem)).text
    summary.refresh_from_db()
    answer = staff.post(address(summary), typed(summary, public="password: hunter2secret99"), headers=HTMX).text
    assert 'id="standing" hx-swap-oob="true"' in answer
    assert "The linter found 1 thing that stops the publication." in answer
    assert (">Draft<" in answer, publish in answer) == (True, False)


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_the_second_one_sees_the_first_one_s_text_before_saving_over_it(
    staff: Client, summary: PostmortemSection, admin: User, headers: dict[str, str]
) -> None:
    mine = typed(summary, public="Mine.")
    writing.edit_section(summary, heading="Summary", internal="", public="Theirs.", withheld="", author=admin)
    answer = staff.post(address(summary), mine, headers=headers).text
    assert "Theirs." in answer
    assert "ada changed this section while you typed" in answer
    assert "Mine." in answer
    summary.refresh_from_db()
    assert summary.public == "Theirs."
    staff.post(address(summary), mine | {"over": summary.version})
    summary.refresh_from_db()
    assert summary.public == "Mine."


def test_what_was_saved_already_is_no_conflict(staff: Client, summary: PostmortemSection) -> None:
    """The answer to the first request was lost on its way."""
    texts = typed(summary, public="Once.")
    for _time in range(2):
        assert 'data-state="saved"' in staff.post(address(summary), texts, headers=HTMX).text
    assert summary.history.count() == 2


@pytest.mark.parametrize("headers", [{}, HTMX])
@pytest.mark.parametrize(
    ("texts", "sentence"),
    [
        ({"public": "x" * 2_000_000}, "The text has 2000000 characters; 100000 are allowed."),
        ({"internal": "x" * 2_000_000}, "The text has 2000000 characters; 100000 are allowed."),
        ({"title": " "}, "This field is required."),
        ({"public": "a\x00b"}, "Null characters are not allowed."),
    ],
)
def test_what_cannot_be_saved_comes_back_with_a_sentence(
    staff: Client, summary: PostmortemSection, texts: dict[str, str], sentence: str, headers: dict[str, str]
) -> None:
    answer = staff.post(address(summary), typed(summary, withheld="Kept as typed.") | texts, headers=headers)
    assert answer.status_code == 200
    assert sentence in answer.text
    if not headers:
        assert "Kept as typed." in answer.text
        assert texts.get("public", "")[:1000] in answer.text
    summary.refresh_from_db()
    assert (summary.public, summary.withheld) == ("", "")


@pytest.mark.parametrize("token", ["{{t yesterday}}", "{{t 2023-02-30T10:00Z}}", "{{t 2023-01-17T16:02}}", "{{t}}"])
def test_a_time_that_is_none_is_saved_and_said_beside_the_field(
    staff: Client, summary: PostmortemSection, token: str
) -> None:
    answer = staff.post(address(summary), typed(summary, public=f"At {token}."), headers=HTMX).text
    assert "is not a time:" in answer
    summary.refresh_from_db()
    assert summary.public == f"At {token}."
    assert "is not a time:" in staff.get(editor(summary.postmortem)).text


def test_markup_and_scripts_are_shown_as_text(staff: Client, summary: PostmortemSection) -> None:
    answer = staff.post(address(summary), typed(summary, public="<script>alert(1)</script>"), headers=HTMX).text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in answer
    assert "<script>" not in answer


def test_a_zone_that_does_not_exist_is_said_beside_the_field(staff: Client, postmortem: Postmortem) -> None:
    facts = reverse("admin:incidents_postmortem_facts", args=[postmortem.pk])
    answer = staff.post(facts, {"title": "Kept title", "time_zone": "Europe/Atlantis"})
    assert "“Europe/Atlantis” is not a time zone." in answer.text
    assert "Kept title" in answer.text


@pytest.mark.long
def test_sections_are_added_moved_and_removed(staff: Client, postmortem: Postmortem) -> None:
    def headings() -> list[str]:
        return [section.heading for section in postmortem.live_sections()]

    usual = headings()
    staff.post(reverse("admin:incidents_postmortem_add_section", args=[postmortem.pk]), {"title": "Thanks"})
    added = postmortem.live_sections().last()
    assert added is not None
    for verb, expected in (("up", [*usual[:-1], "Thanks", usual[-1]]), ("remove", usual)):
        staff.post(reverse("admin:incidents_postmortem_arrange", args=[postmortem.pk, added.pk, verb]))
        assert headings() == expected


def test_the_record_offers_a_text_and_one_click_uses_it(
    staff: Client, incident: Incident, postmortem: Postmortem, author: User
) -> None:
    at = datetime(2023, 1, 17, 16, 5, tzinfo=UTC)
    timeline.note(
        incident,
        text="A few restarts.",
        occurred_at=at,
        ended_at=at.replace(minute=20),
        precision=TimelineEntry.Precision.RANGE,
        kind=TimelineEntry.Kind.MITIGATION,
        outcome=TimelineEntry.Outcome.PARTIAL,
        author=author,
    )
    section = postmortem.live_sections().get(key="mitigation_resolution")
    line = "- {{t 2023-01-17T16:05Z..2023-01-17T16:20Z}} A few restarts. (Partial)"
    assert line in staff.get(editor(postmortem)).text
    staff.post(address(section), typed(section, public="We tried:", use="public"))
    section.refresh_from_db()
    assert section.public == f"We tried:\n\n{line}"


def test_who_may_not_write_reads(
    client: Client, make_user: Callable[[str, str], User], summary: PostmortemSection
) -> None:
    client.force_login(make_user("vera", "viewer"))
    page = client.get(editor(summary.postmortem))
    assert page.status_code == 200
    assert "<textarea" not in page.text
    assert client.post(address(summary), typed(summary, public="Mine.")).status_code == 403
    summary.refresh_from_db()
    assert summary.public == ""


def test_the_editor_asks_as_often_for_many_sections_as_for_few(
    staff: Client, postmortem: Postmortem, author: User
) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert staff.get(editor(postmortem)).status_code == 200
        return len(captured)

    queries()
    few = queries()
    for number in range(10):
        writing.add_section(postmortem, heading=f"Section {number}", author=author)
    assert queries() == few


def test_measures_and_incidents_are_taken_off_again_and_what_is_refused_is_said(
    staff: Client, postmortem: Postmortem, incident: Incident, author: User
) -> None:
    item = action_items.add_action_item(postmortem, text="Alert earlier", author=author)
    staff.post(reverse("admin:incidents_postmortem_remove_measure", args=[postmortem.pk, item.pk]))
    assert not postmortem.action_items.filter(deleted_at=None).exists()
    uncover = reverse("admin:incidents_postmortem_uncover", args=[postmortem.pk, incident.pk])
    assert "A report is about at least one incident." in staff.post(uncover, follow=True).text
    other = declare_incident(postmortem.page, title="Slow", author=author)
    writing.cover_incident(postmortem, other, author=author)
    assert "Leave out “Slow”" in staff.get(editor(postmortem)).text
    staff.post(uncover)
    assert list(postmortem.incidents.all()) == [other]


def test_who_may_not_write_is_refused_by_every_button(
    client: Client, make_user: Callable[[str, str], User], summary: PostmortemSection
) -> None:
    client.force_login(make_user("vera", "viewer"))
    for verb in ("up", "remove"):
        button = reverse("admin:incidents_postmortem_arrange", args=[summary.postmortem_id, summary.pk, verb])
        assert "Ask an administrator for a role" in client.post(button, follow=True).text
    summary.refresh_from_db()
    assert summary.deleted_at is None
