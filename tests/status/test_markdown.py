from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incidents.postmortems import instants
from status.rendering.instants import InstantFormatter, Zones
from status.rendering.markdown import to_html, to_v2
from tests.waiting import within

ALLOWED = set(re.findall(r"\w+", "p br hr em strong b i s code pre blockquote ul ol li a table thead tbody tr th td"))


def test_what_staff_write_is_formatted() -> None:
    assert to_html("We are **rolling back**.\nMore at 10:00.") == (
        "<p>We are <strong>rolling back</strong>.<br>\nMore at 10:00.</p>\n"
    )
    assert "<ul>" in to_html("- one\n- two")
    assert "<td>2</td>" in to_html("|a|b|\n|-|-|\n|1|2|")
    assert "<s>gone</s>" in to_html("~~gone~~")


@pytest.mark.parametrize(
    "source",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "<b onmouseover=alert(1)>bold</b>",
        "<style>body { display: none }</style>",
        "<iframe src='https://example.com'></iframe>",
        "<!-- hidden -->",
        "<ul><li onclick=alert(1)>one</li></ul>",
        "<p>one</p><script>alert(1)</script>",
        '<a href="javascript:alert(1)">here</a>',
        "Set <id> first",
        "p99 < 200 and <p50> is fine",
        "&lt;script&gt;",
    ],
)
def test_html_is_shown_as_text(source: str) -> None:
    assert set(re.findall(r"</?(\w+)", to_html(source))) == {"p"}
    assert "&lt;" in to_html(source)


@pytest.mark.parametrize(
    ("source", "html"),
    [
        ("<ul><li><strong>15:45</strong> - Errors.</li></ul>", "<ul><li><strong>15:45</strong> - Errors.</li></ul>"),
        ("One.<br />Two, **bold**.", "<p>One.<br>Two, <strong>bold</strong>.</p>\n"),
        (
            '<p>See <a href="https://example.com/a?b=1">here</a></p>',
            '<p>See <a href="https://example.com/a?b=1" rel="nofollow noopener">here</a></p>',
        ),
        ("<p>p99 < 200</p>", "<p>p99 &lt; 200</p>"),
        ("<ul><li>one", "<ul><li>one</li></ul>"),
    ],
)
def test_a_text_whose_tags_are_all_harmless_is_shown_as_it_was_meant(source: str, html: str) -> None:
    """As status pages elsewhere have it."""
    assert to_html(source) == html
    assert to_v2(source) == source


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "&#106;avascript:alert(1)",
        "vbscript:msgbox(1)",
        "data:text/html,<script>alert(1)</script>",
        "data:image/png;base64,AAAA",
        "FILE:///etc/passwd",
    ],
)
def test_a_link_leads_to_the_web_or_to_mail_only(address: str) -> None:
    for source in (f"[here]({address})", f"[here][1]\n\n[1]: {address}", f"<{address}>"):
        assert "href=" not in to_html(source)


def test_a_link_carries_no_favours() -> None:
    assert to_html("[x](https://example.com/?a=1&b=2)") == (
        '<p><a href="https://example.com/?a=1&amp;b=2" rel="nofollow noopener">x</a></p>\n'
    )
    assert 'href="mailto:help@example.com"' in to_html("<help@example.com>")


def test_an_attribute_cannot_be_broken_out_of() -> None:
    assert "onclick" not in re.sub(r'"[^"]*"', "", to_html('[x](https://example.com "a\\" onclick=\\"alert(1)")'))


def test_an_image_becomes_a_link_because_it_would_be_a_request_to_another_host() -> None:
    html = to_html("![graph](https://example.com/graph.png)")
    assert "<img" not in html
    assert 'href="https://example.com/graph.png"' in html


def test_headings_fit_below_the_page_s_own() -> None:
    assert re.findall(r"<h\d>", to_html("# a\n\n### b\n\n# c")) == ["<h3>", "<h4>", "<h3>"]
    assert re.findall(r"<h\d>", to_html("### a\n\n#### b", 5)) == ["<h5>", "<h6>"]
    assert set(re.findall(r"<h\d>", to_html("\n\n".join(f"{'#' * n} x" for n in range(1, 7)), 5))) == {"<h5>", "<h6>"}


@pytest.mark.long
@pytest.mark.parametrize(
    "source",
    [">" * 25_000, "[" * 25_000, "*" * 25_000 + "a", "- " * 12_000, "![[" * 8_000, "[a](" * 6_000],
)
def test_huge_nesting_is_rendered_in_time(source: str) -> None:
    with within(5):
        assert len(to_html(source)) < 150_000


@given(st.text(alphabet=st.sampled_from("<>\"'&[]()!*_`#-|\\/:= \nabjs"), max_size=80))
def test_nothing_but_allowed_tags_ever_comes_out(source: str) -> None:
    html = to_html(source)
    assert set(re.findall(r"<\s*/?\s*([^\s>/]+)", html)) <= ALLOWED | {"h3", "h4", "h5", "h6"}
    assert set(re.findall(r"\s(\w+)=\"", html)) <= {"href", "title", "rel", "start"} or '="' in source


def test_programs_get_the_text_as_staff_wrote_it() -> None:
    source = "**Fixed** & tested > 5 times\n\n- see https://example.com/?a=1&b=2"
    assert to_v2(source) == source


def test_programs_never_get_a_tag() -> None:
    assert to_v2("latency < 200 ms & <script>alert(1)</script>") == (
        "latency &lt; 200 ms &amp; &lt;script>alert(1)&lt;/script>"
    )


@pytest.mark.parametrize("inside", [
    "t 2023-01-17T16:02Z", " t  2023-01-17T16:02:30Z ", "t 2023-01-17T16:02Z .. 2023-01-17T18:02+01:00",
    "t 2023-01-17 T16:02Z", "t 2023-01-17T16:02 Z", "t\n2023-01-17T16:02Z", "t", "t 2023-01-17T16:02Z..", "t 16:02",
    "t 2023-02-30T16:02Z", "t 2023-01-17T16:02Z . . 2023-01-17T17:02Z",
])  # fmt: skip
def test_an_instant_that_is_not_refused_is_shown(inside: str) -> None:
    text = f"It began at {{{{{inside}}}}}."
    shown = InstantFormatter(Zones.named("Etc/UTC", "Europe/Rome")).text(text)
    assert bool(instants.wrong(text)) is ("{{" in shown)


@pytest.mark.long
@pytest.mark.parametrize("words", ["[", "**a", "![a](", "_a", "~~a", "1. a\n", "> ", "| a ", "<a href=", "`"])
def test_twice_the_text_takes_about_twice_as_long(words: str) -> None:
    text = words * (25_000 // len(words))

    def seconds(text: str) -> float:
        began = time.process_time()
        to_html(text)
        return time.process_time() - began

    half, whole = (min(seconds(text[:length]) for _time in range(3)) for length in (len(text) // 2, len(text)))
    assert whole < 3 * half or whole < 0.25, f"{half:.3f} s, {whole:.3f} s"
