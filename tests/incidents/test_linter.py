"""What the linter says of a text, where, and what may be published in spite of it."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incidents.linter import Facts, Finding, Instant, Level, Person, Rule, Section, blocking, lint_report, lint_update


def at(hour: int, minute: int, day: int = 17) -> tuple[datetime]:
    return (datetime(2023, 1, day, hour, minute, tzinfo=UTC),)


FACTS = Facts(
    page_name="Commerce Layer",
    components={"Commerce API": ("Core API",), "Dashboard": ()},
    internal_names=frozenset({"Pool Keeper"}),
    people=(Person("mrossi", "Maria Rossi"),),
    times={
        Instant.IMPACT_BEGAN: at(16, 2),
        Instant.DETECTED: at(16, 1),
        Instant.IMPACT_ENDED: at(16, 30),
        Instant.RESOLVED: at(16, 45),
    },
)


def lint(text: str, facts: Facts = FACTS) -> list[Finding]:
    return lint_report([Section("cause", text)], facts)


def only(text: str, facts: Facts = FACTS) -> Finding:
    (finding,) = lint(text, facts)
    return finding


def test_a_finding_names_its_place_and_the_words_in_it() -> None:
    text = "A first line.\n\nThe Dashboard was slow.\nThe Core API was not."
    finding = only(text)
    assert (finding.rule, finding.section, finding.line) == (Rule.ALIAS, "cause", 4)
    assert text[finding.start : finding.end] == finding.quote == "Core API"
    assert finding.sentence == "The Core API was not."
    assert finding.reason == "Customers know “Core API” as “Commerce API”."


@pytest.mark.parametrize(
    ("text", "fixed"),
    [
        ("Errors began at 4:01PM UTC.", "Errors began at 4:02PM UTC."),
        ("Errors began at 17:01 CET.", "Errors began at 17:02 CET."),
        ("Errors began at {{t 2023-01-17T16:01Z}}.", "Errors began at {{t 2023-01-17T16:02Z}}."),
        ("The outage lasted 44 minutes.", "The outage lasted 28 minutes."),
        ("Calls to the Commence Layer failed.", "Calls to the Commerce Layer failed."),
        ("Calls to the Core API failed.", "Calls to the Commerce API failed."),
        ("On Monday, January 17, 2023 it rained.", "On Tuesday, January 17, 2023 it rained."),
        ("Errors began at 18:02 CEST on January 17.", "Errors began at 18:02 CET on January 17."),
        ("Between 4:05PM UTC 4:20PM UTC we ate.", "Between 4:05PM UTC and 4:20PM UTC we ate."),
        ("Between 4:05PM to 4:20PM UTC we ate.", "Between 4:05PM and 4:20PM UTC we ate."),
    ],
)
def test_one_click_puts_it_right(text: str, fixed: str) -> None:
    finding = next(found for found in lint(text) if found.fix)
    assert text[: finding.start] + str(finding.fix) + text[finding.end :] == fixed
    assert not [found for found in lint(fixed) if found.rule is finding.rule]


@pytest.mark.parametrize(
    "text",
    [
        "We restarted db-prod-03.",
        "It was at 10.0.3.17.",
        "Ask maria.rossi@acme.example.",
        "Maria Rossi saw it.",
        "It was OPS-4821.",
        "The Pool Keeper was restarted.",
    ],
)
def test_internal_names_block_until_they_are_dismissed(text: str) -> None:
    finding = only(text)
    assert finding.level is Level.BLOCK
    assert blocking([finding]) == [finding]
    assert blocking([finding], {finding.digest}) == []


def test_a_secret_blocks_and_cannot_be_dismissed() -> None:
    finding = only("The password is Winter2024!")
    assert finding.level is Level.BLOCK
    assert "Winter2024" not in finding.reason
    assert blocking([finding], {finding.digest}) == [finding]


def test_a_contradiction_blocks_until_it_is_dismissed_and_a_warning_never() -> None:
    found = lint("Errors in the Core API began at 4:01PM UTC.")
    assert {finding.level for finding in found} == {Level.CONTRADICTION, Level.WARN}
    (contradiction,) = blocking(found)
    assert contradiction.rule is Rule.TIME_CONFLICT
    assert blocking(found, {contradiction.digest}) == []


def test_a_dismissal_outlives_other_changes_but_not_one_of_its_sentence_or_of_its_fact() -> None:
    said = "Errors began at 4:01PM UTC."
    digest = only(said).digest
    assert only(f"More was written before. {said}").digest == digest
    assert only("Errors suddenly began at 4:01PM UTC.").digest != digest
    corrected = replace(FACTS, times={**FACTS.times, Instant.IMPACT_BEGAN: at(16, 5)})
    assert only(said, corrected).digest != digest


def test_without_a_record_a_report_may_still_contradict_itself() -> None:
    sections = [
        Section("leadup", "Errors began at 4:02PM UTC."),
        Section("detection", "The first error was seen at 4:01PM UTC."),
    ]
    facts = Facts(times={Instant.RESOLVED: at(16, 45)})
    (finding,) = lint_report(sections, facts)
    assert (finding.section, finding.quote) == ("detection", "4:01PM UTC")
    assert "4:02PM UTC" in finding.reason


def test_a_report_on_two_incidents_may_name_the_times_of_either() -> None:
    both = (*at(16, 2), *at(9, 30, day=18))
    facts = replace(FACTS, times={Instant.IMPACT_BEGAN: both})
    assert not lint("Errors began at 16:02 UTC on January 17. They began again at 09:30 UTC on January 18.", facts)
    assert lint("Errors began at 09:45 UTC on January 18.", facts)


def test_an_update_needs_no_promise_in_words_when_the_page_shows_it_or_when_it_is_over() -> None:
    said = "We are looking into it."
    (finding,) = lint_update(said, FACTS, is_over=False, promises_update=False)
    assert finding.rule is Rule.NO_NEXT_UPDATE
    assert not lint_update(said, FACTS, is_over=False, promises_update=True)
    assert not lint_update(said, FACTS, is_over=True, promises_update=False)


def test_markdown_keeps_its_sentences_apart() -> None:
    text = "## What we saw\n\n- Calls to the Core API failed\n- Errors began at 4:01PM UTC\n\n| a | b |\n"
    assert [(found.rule.value, found.line, found.sentence) for found in lint(text)] == [
        ("alias", 3, "- Calls to the Core API failed"),
        ("time_conflict", 4, "- Errors began at 4:01PM UTC"),
    ]


PIECES = """between and from by at on 4:01PM 16:99 UTC CEST January 17 February 30, 2023 {{t 2023-01-17T16:01Z..x}} {{t
}} errors began the Core API Commence Layer #1234 10.0.3.17 :: we will never @mrossi password= is ' . - `"""
WORDS = st.sampled_from([*PIECES.split(), "\n", "\n\n"])


@pytest.mark.slow
@given(st.one_of(st.text(max_size=80), st.lists(WORDS, max_size=25).map(" ".join)))
def test_whatever_is_written_is_read_the_same_way_twice_and_places_are_in_the_text(text: str) -> None:
    found = lint(text)
    assert found == lint(text)
    for finding in found:
        assert text[finding.start : finding.end] == finding.quote != ""
        assert 1 <= finding.line <= text.count("\n") + 1


# What made some pattern read the rest of the text again at each of its words, when it was found
ONCE_SLOW = [
    "16:02 ",
    "1.",
    "a ",
    "eyJ-",
    "token=",
    "-----BEGIN PRIVATE KEY-----",
    "for 10 minutes ",
    "between 16:02 and ",
    "\n- ",
    "A. ",
    "#1 ",
    "some ",
]


@pytest.mark.slow
@pytest.mark.parametrize("words", ONCE_SLOW)
def test_twice_the_text_takes_about_twice_as_long(words: str) -> None:
    text = words * (25_000 // len(words))

    def seconds(text: str) -> float:
        began = time.process_time()
        lint(text)
        return time.process_time() - began

    half, whole = (min(seconds(text[:length]) for _time in range(3)) for length in (len(text) // 2, len(text)))
    assert whole < 3 * half or whole < 0.05, f"{half:.3f} s, {whole:.3f} s"
    assert whole < 5


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("It answers at 10.0.0.5:5432.", Rule.IP_ADDRESS),
        ("DB-PROD-3 is slow.", Rule.HOSTNAME),
        ("We restarted db_prod_3.", Rule.HOSTNAME),
        ("We restarted db‑prod‑3.", Rule.HOSTNAME),  # hyphens at which no line breaks
        ("The pool keeper is down.", Rule.INTERNAL_COMPONENT),
        ("POOL KEEPER is down.", Rule.INTERNAL_COMPONENT),
        ("The Pool\nKeeper is down.", Rule.INTERNAL_COMPONENT),
        ("The Pool **Keeper** is down.", Rule.INTERNAL_COMPONENT),
        ("The Pool <em>Keeper</em> is down.", Rule.INTERNAL_COMPONENT),
        ("The Pool<br>Keeper is down.", Rule.INTERNAL_COMPONENT),
        ("<p>The Pool\n<em>Keeper</em> is down.</p>", Rule.INTERNAL_COMPONENT),
        ("The Pool&nbsp;Keeper is down.", Rule.INTERNAL_COMPONENT),
        ("The [Pool](https://example.com) Keeper is down.", Rule.INTERNAL_COMPONENT),
        ("> The Pool\n> Keeper is down.", Rule.INTERNAL_COMPONENT),
        ("The Pool\\\nKeeper is down.", Rule.INTERNAL_COMPONENT),
        ('The [Pool](https://a.example "t") Keeper is down.', Rule.INTERNAL_COMPONENT),
        ("The [Pool](<https://a.example/(b)>) Keeper is down.", Rule.INTERNAL_COMPONENT),
        ("The [Pool][1] Keeper is down.\n\n[1]: https://a.example", Rule.INTERNAL_COMPONENT),
        ("The P&shy;ool Keeper is down.", Rule.INTERNAL_COMPONENT),
        ("The Pool&#8203; Keeper is down.", Rule.INTERNAL_COMPONENT),
        ("db\\-prod\\-3 is slow.", Rule.HOSTNAME),
        (f'The <a href="https://a.example/{"x" * 600}">Pool</a> Keeper is down.', Rule.INTERNAL_COMPONENT),
        ("> Maria\n> Rossi looks at it.", Rule.PERSON),
        ("> password:\n> Winter2024x", Rule.SECRET),
        ("**password**: Winter2024!", Rule.SECRET),
        ("Use pwd=Winter2024!", Rule.SECRET),
        ("The secret Winter2024! is not one.", Rule.SECRET),
        ("Das Passwort ist Winter2024!", Rule.SECRET),
        ("The token “abc123def456” was used.", Rule.SECRET),
        ("&#65;KIAIOSFODNN7EXAMPLE was used.", Rule.SECRET),
    ],
)
def test_what_a_reader_would_see_is_found_however_it_is_written(text: str, rule: Rule) -> None:
    assert rule in {finding.rule for finding in lint(text)}


@pytest.mark.parametrize(
    "text",
    [
        *("The secret of 2024 is out.", "Tokens expire after 24h.", "Node-18 is not affected.", "*We* look_into_it."),
        *("Tokens: 3rd-party tokens are affected.", "The secret was 24-hours old.", "The token is 30-day.", "API-2"),
        *(
            "Tokens = 100k/min",
            "Your password was SHA-256 hashed.",
            "Api tokens: v2.1.0 only.",
            "Basic troubleshooting123",
        ),
        *("Bearer authentication-with-oauth2", "sk-learn-1.2.3-compatible"),
        "ThisIsAVeryLongCamelCaseIdentifierWith2Digits",
    ],
)
def test_prose_is_no_secret_and_no_machine(text: str) -> None:
    assert not {Rule.SECRET, Rule.HOSTNAME} & {finding.rule for finding in lint(text)}
