"""How well the linter reads: against sentences that were labelled before its rules were written."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import yaml

CORPUS: dict[str, Any] = yaml.safe_load((Path(__file__).parent / "linter_corpus.yaml").read_text())


def test_the_corpus_has_enough_of_what_is_to_be_found_and_of_what_only_looks_like_it() -> None:
    sentences = CORPUS["sentences"]
    assert len({case["text"] for case in sentences}) == len(sentences) >= 60
    found = Counter(rule for case in sentences for rule in case.get("find", ()))
    assert min(found.values()) >= 2, found
    assert sum("find" not in case for case in sentences) >= 60
