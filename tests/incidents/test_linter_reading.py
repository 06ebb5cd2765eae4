"""The linter reads a text as the page shows it, and at the same cost however many names the record knows."""

from __future__ import annotations

import time
from html.parser import HTMLParser
from urllib.parse import unquote

import pytest

from incidents.linter import Facts, Finding, Person, Rule, Section, lint_leaks, lint_update
from incidents.linter.prose import as_read
from status.rendering.markdown import to_html

FACTS = Facts(
    internal_names=frozenset({"Pool Keeper", "Ledger"}),
    people=(Person("jdoe2", "Jane Doe"), Person("support", "Mark Will"), Person("a.smith", "Anna Smith")),
)


def leaks(text: str, facts: Facts = FACTS) -> list[Finding]:
    return lint_leaks([Section("body", text)], facts)


@pytest.mark.parametrize(
    "text",
    [
        "![**db**-prod-3](https://a.example)",
        "![the Pool&nbsp;Keeper](https://a.example)",
        "<div>\n**db**-prod-3\n</div>",
        "<p>the **Pool** Keeper fails</p>",
        "<log>\ndb\\-prod\\-3 is down\n</log>",
        'We saw <x y="Pool&#32;Keeper"> fail.',
        "<!-- **db**-prod-3 -->",
        "<![CDATA[Pool&#32;Keeper]]>",
        '[x](https://a.example "db&#45;prod&#45;3")',
        "[x](https://db&#45;prod&#45;3&period;internal/)",
        "[x](https://a.example/?about=Pool%20Keeper)",
        '[x]\n\n[x]: https://a.example "Pool&#32;Keeper"',
        "Led\u034fger",
        "Led\u2061ger",
        "Led\ufe0fger",
        "Led\U000e0041ger",
        "Pool\u3000Keeper",
        "db\u2012prod\u20133",
        "ｄｂ－ｐｒｏｄ－３",
        "Ledgers are slow.\n\n- Led**ger**",  # the same letters stand elsewhere, as a part of another word
        "See /x/db-prod-3/.\n\n| host |\n|---|\n| db\\-prod\\-3 |",
    ],
)
def test_what_the_page_shows_is_found(text: str) -> None:
    assert leaks(text)


def test_each_place_is_found_once_and_each_sentence_for_itself() -> None:
    assert [one.sentence for one in leaks("Jane Doe saw it. J*an*e Doe caused it.")] == [
        "Jane Doe saw it.",
        "Jane Doe caused it.",
    ]
    assert len(leaks("- The Pool\n  Keeper, **all** of it")) == 1
    assert len(leaks("<p>db&#45;prod&#45;3</p>")) == 1
    assert [(one.rule, one.quote) for one in leaks("Pool Keeper Ledger")] == [
        (Rule.INTERNAL_COMPONENT, "Pool Keeper"),
        (Rule.INTERNAL_COMPONENT, "Ledger"),
    ]


class Shown(HTMLParser):
    """What a browser shows of a document: paragraphs, and the addresses and titles of links."""

    INLINE = frozenset({"a", "b", "code", "em", "i", "s", "strong"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text, self.addresses = "", list[str]()
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_endtag(tag)
        self.addresses += [unquote(value) for name, value in attrs if name in ("href", "title") and value]

    def handle_endtag(self, tag: str) -> None:
        self.text += "" if tag in self.INLINE else "\n" if tag == "br" else "\x00"

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self) -> set[str]:
        return {" ".join(each.split()) for each in (*self.text.split("\x00"), *self.addresses)} - {""}


@pytest.mark.parametrize(
    "text",
    [
        "# A heading\n\nA *word* and a\\\nline, ~~no~~ `code`  \n&amp; a [link](https://a.example/%20 'its title').",
        "- one\n- two\n  - three\n\n> four\n> five\n\n1. six\n\n```\nseven\n```\n\n    eight\n",
        "| a | **b** |\n|---|---|\n| c | d |",
        "![an *image*](https://a.example/b.png 'its title')",
        "<p>A <strong>tag</strong> that is harmless,<br>and **Markdown** inside</p>\n",
        'A <a href="https://a.example/x">harmless *link*</a>, <em>all</em> through',
        "<div>\n**other** tags\n</div>\n\nand <x y='&amp;'> <!-- *comments* -->",
        "<log>\n*some* lines\n</log>\n\n<![CDATA[more]]>",
        "<https://a.example/?b=c> and <me@a.example>",
        "[one][1]\n\n[1]: https://a.example '&quot;said&quot;'",
    ],
)
def test_all_that_the_page_shows_is_read(text: str) -> None:
    read = [" ".join(block.text.split()) for block in as_read(text)]
    assert not {shown for shown in Shown(to_html(text)).all() if not any(shown in each for each in read)}


# --- Secrets ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "SECRET_KEY=9f8e7d6c5b4a39281706f5e4d3c2b1a0",
        "DJANGO_SECRET_KEY='abc123def456x'",
        "secret_key_base: abc123def456",
        "password: Acme-2024",
        "The password is Summer-2024.",
        "password: Winter-2024!",
        "password: 12345678",
        "password: 123456abc.",
        "token: https://a.example/?token=abc123def456",
        "**Password:**\n\nhunter2xyz",
        "Use this token:\n\n```\nabc123def456\n```",
        "- Password:\n  - hunter2xyz",
    ],
)
def test_a_secret_is_found(text: str) -> None:
    assert Rule.SECRET in {finding.rule for finding in leaks(text)}


@pytest.mark.parametrize(
    "text",
    [
        "Reset your password: https://example.com/reset/2fa",
        "Rotate your API keys: https://example.com/v2/keys",
        "token: /oauth2/token returns 500",
        "The token is github.com/login/oauth2",
        "Access keys: us-east-1 is affected.",
        "Tokens: us-central1 is affected.",
        "Tokens: 120000ms, passwords: 120000ms",
        "Your password was 120000ms old, the token at 10:15UTC.",
        "Passwords: PBKDF2-SHA256 hashing is slow",
        "The password is 24-hour.",
        "Choose a new password:\n\n- https://example.com/reset/2fa\n",
    ],
)
def test_an_address_a_path_or_a_word_beside_it_is_none(text: str) -> None:
    assert not leaks(text)


# --- Cost -------------------------------------------------------------------------------------------------------------


def knowing(count: int) -> Facts:
    return Facts(
        page_name="Acme",
        components={f"Component Number {number} Service": (f"comp{number}",) for number in range(count)},
        internal_names=frozenset(f"Internal Service {number}" for number in range(count)),
        people=tuple(Person(f"user{number}.name", f"First{number} Last{number}") for number in range(count)),
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "text",
    [
        "\n".join(f"- **Region {number}** is slow" for number in range(200)),
        "The Cat Sat On A Mat And Ran Away From Every Other Dog. " * 50,
        "Cats Come Close. Some Internal Cats of User5 and First7 Call. " * 40,
    ],
)
def test_many_accounts_and_names_cost_about_as_much_as_few(text: str) -> None:
    def seconds(facts: Facts) -> float:
        began = time.process_time()
        lint_update(text, facts, is_over=False, promises_update=True)
        return time.process_time() - began

    few, many = (min(seconds(knowing(count)) for _time in range(3)) for count in (10, 300))
    assert many < 2 * few + 0.05, f"{few:.3f} s, {many:.3f} s"
