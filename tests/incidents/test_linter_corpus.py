"""How well the linter reads: against sentences that were labelled before its rules were written."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml

from incidents.lifecycle import ENDED
from incidents.linter import Facts, Instant, Person, Section, lint_report, lint_update

CORPUS: dict[str, Any] = yaml.safe_load((Path(__file__).parent / "linter_corpus.yaml").read_text())


def facts() -> Facts:
    record = CORPUS["record"]
    times = {Instant(name): (instant,) for name, instant in record["times"].items()}
    return Facts(
        zone=ZoneInfo(record["zone"]),
        page_name=record["page"],
        hosts=frozenset({record["host"]}),
        contacts=frozenset({record["contact"]}),
        components={name: tuple(aliases) for name, aliases in record["components"].items()},
        internal_names=frozenset(record["internal_components"]),
        people=tuple(Person(username, name) for username, name in record["people"].items()),
        times=times | {Instant.NEXT_UPDATE: (record["next_update_due"],)},
        measures=tuple(record["measures"]),
    )


def found_in(case: dict[str, Any]) -> set[str]:
    """The rules that speak of a sentence, which is a report, or an update, of its own."""
    if "status" in case:
        is_over = case["status"] in ENDED
        return {
            found.rule.value for found in lint_update(case["text"], facts(), is_over=is_over, promises_update=False)
        }
    section = Section(case.get("section", "text"), case["text"])
    return {found.rule.value for found in lint_report([section], facts())}


def test_the_corpus_has_enough_of_what_is_to_be_found_and_of_what_only_looks_like_it() -> None:
    sentences = CORPUS["sentences"]
    assert len({case["text"] for case in sentences}) == len(sentences) >= 60
    found = Counter(rule for case in sentences for rule in case.get("find", ()))
    assert min(found.values()) >= 2, found
    assert sum("find" not in case for case in sentences) >= 60


@pytest.mark.long
def test_four_of_five_findings_are_right_and_nine_of_ten_are_found(capsys: pytest.CaptureFixture[str]) -> None:
    right = wrong = missed = 0
    slips = []
    for case in CORPUS["sentences"]:
        found, wanted = found_in(case), set(case.get("find", ()))
        right += len(found & wanted)
        wrong += len(found - wanted)
        missed += len(wanted - found)
        slips += [f"  {case['text']}: found {sorted(found)}, wanted {sorted(wanted)}"] if found != wanted else []
    precision, recall = right / (right + wrong), right / (right + missed)
    with capsys.disabled():
        print(f"\nlinter: precision {precision:.2f}, recall {recall:.2f} over {len(CORPUS['sentences'])} sentences")
    assert precision >= 0.8, slips
    assert recall >= 0.9, slips
