"""The pages that are published: the index, the months, and what holds for each of them."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest
from django.utils import translation

from status.rendering import assets, pages
from status.rendering.snapshot import Cause, Incident, Month, Site
from tests.status import factory
from tests.status.reading import words

EVIL = "<script>alert('x')</script> & \"co\""


def every_page(site: Site, incident: Incident) -> Iterator[bytes]:
    month = factory.month(incidents=[incident], page=site.page, previous="2026-10", next="2026-12")
    yield pages.index(site)
    yield pages.summary_fragment(site)
    yield pages.incident(site.page, incident)
    yield pages.month(month)
    yield pages.history(site.page, month)
    yield pages.history(site.page, None)
    yield pages.not_found(site.page)
    yield pages.uptime_formula(site.page)


# --- The index --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("indicator", "description", "symbol"),
    [
        ("none", "All Systems Operational", "✓"),
        ("minor", "Minor Service Outage", "▲"),
        ("major", "Partial System Outage", "✕"),
        ("critical", "Major System Outage", "✕"),
        ("maintenance", "Service Under Maintenance", "⚙"),
    ],
)
def test_the_state_is_shown_by_word_shape_and_colour(indicator: str, description: str, symbol: str) -> None:
    document = pages.index(factory.site(indicator=indicator, description=description)).decode()
    assert f"<title>{symbol} {description} – Acme Status</title>" in document
    assert f'<h1 id="state">{description}</h1>' in document
    assert f'<section class="banner {indicator}"' in document
    assert f'<use href="#{indicator}"/>' in document
    assert f'rel="icon" type="image/svg+xml" href="{assets.url(f"{indicator}.svg")}"' in document


def test_a_name_that_says_status_is_left_alone() -> None:
    assert (
        "– Acme Status Page</title>" in pages.index(factory.site(page=factory.page(name="Acme Status Page"))).decode()
    )


def test_a_busy_index_tells_what_is_open_what_is_planned_and_what_was() -> None:
    read = words(pages.index(factory.busy_site()))
    places = [
        read.index(text)
        for text in (
            "Minor Service Outage As of Nov 22, 2026 - 10:30 CET",
            "Open incidents Card payments are declined in some countries Major impact Affected: Checkout",
            "Identified Nov 22, 2026 - 10:30 CET A card network rejects our certificate.",
            "Maintenance in progress Router replacement in Singapore",
            "Components Core Partial outage API",
            "Asia Pacific 100% uptime Under maintenance",
            "Scheduled maintenance Database upgrade Planned for Nov 24, 2026",
            "Past incidents Nov 22, 2026 An incident of this day is still open, see above.",
            "Nov 20 – Nov 21, 2026 No incidents reported.",
            "Nov 19, 2026 Webhooks were delivered late The backlog is delivered, and nothing was lost.",
            "Resolved Nov 19, 2026 - 09:30 CET · lasted 2 h 12 min · Minor impact",
            "Nov 8 – Nov 18, 2026 No incidents reported.",
        )
    ]
    assert places == sorted(places)


def test_an_empty_page_says_that_all_is_well() -> None:
    read = words(pages.index(factory.site()))
    assert read.startswith("All Systems Operational")
    assert "Nov 22, 2026 No incidents reported today. Nov 8 – Nov 21, 2026 No incidents reported." in read
    assert "Components" not in read


def test_a_component_may_hide_while_it_is_operational() -> None:
    shy, shown = factory.component("Fallback", only_show_if_degraded=True), factory.component("API")
    assert "Fallback" not in words(pages.index(factory.site([shy, shown])))
    assert "Fallback" in words(pages.index(factory.site([replace(shy, status="degraded_performance"), shown])))


def test_quiet_groups_are_folded_on_a_long_page_only() -> None:
    key = factory.public_id("group", "Core")
    for count, is_open in ((3, True), (30, False)):
        parts = [factory.component(f"Part {n}", group_id=key) for n in range(count)]
        document = pages.index(factory.site(parts, groups=(factory.group("Core", parts),)))
        assert (f'<details id="g-{key}" open>' in document.decode()) is is_open


def test_90_days_are_drawn_and_a_bad_one_leads_to_its_incident() -> None:
    api = factory.component("API")
    bad, odd = factory.TODAY - timedelta(days=3), factory.TODAY - timedelta(days=9)
    marks = [factory.day(bad, major_outage=1680, partial_outage=60), factory.day(odd, degraded_performance=90)]
    began = datetime(2026, 11, 19, 23, 30, tzinfo=UTC)  # the 20th in Rome
    past = factory.incident(updates=[factory.update("resolved", "Over.", began)], components=(api,))
    yesterday = factory.incident("Older", [factory.update("resolved", "Over.", factory.NOW - timedelta(days=3))])
    document = pages.index(
        factory.site([api], uptimes=(factory.uptime(api, marks),), recent_incidents=(past, yesterday))
    ).decode()
    bars = document.split('<svg class="bars"', 1)[1].split("</svg>", 1)[0]
    assert sum(path.count("v18") for path in re.findall(r'd="([^"]*)"', bars)) + bars.count("<rect") == 90
    assert 'aria-label="API, the last 90 days: 2 days with trouble"' in bars
    assert "Nov 19, 2026: Major outage 28 min, Partial outage 1 min, 98.03% uptime</title>" in bars
    assert '<g role="img" tabindex="0"><title>Nov 13, 2026: Degraded performance 2 min, 100% uptime</title>' in bars
    assert "<a" not in bars  # neither of the two: one is another day's, one is not about this component
    linked = pages.index(
        factory.site(
            [api],
            uptimes=(factory.uptime(api, marks),),
            recent_incidents=(replace(past, started_at=began - timedelta(hours=2)),),
        )
    ).decode()
    assert f'<a href="/incidents/{past.id}"><title>Nov 19, 2026: Major outage' in linked


def test_what_was_not_perfect_never_reads_as_100() -> None:
    api = factory.component("API")
    for ratio, shown in ((0.999999, "99.99% uptime"), (1.0, "100% uptime"), (0.5, "50.00% uptime")):
        uptime = factory.uptime(api, ratio=ratio)
        assert shown in words(pages.index(factory.site([api], uptimes=(uptime,))))


def test_days_before_a_component_existed_are_empty() -> None:
    api = factory.component("API")
    days = [factory.day(factory.TODAY - timedelta(days=ago), uptime=None) for ago in range(89, -1, -1)]
    document = pages.index(factory.site([api], uptimes=(factory.uptime(api, days),))).decode()
    assert '<path class="empty"' in document
    assert '<path class="none"' not in document
    assert "% uptime" not in document


def test_the_fragment_is_the_index_s_main_and_tells_when_it_changed() -> None:
    site = factory.busy_site()
    fragment, index = pages.summary_fragment(site).decode(), pages.index(site).decode()
    title, main = fragment.split("\n", 1)
    assert main.strip() in index
    assert title in index
    assert pages.summary_fragment(site).decode() == fragment
    version = re.compile(r'data-version="(\w+)"')
    later = pages.summary_fragment(replace(site, description="Major System Outage")).decode()
    assert version.findall(later) != version.findall(fragment)


def test_the_first_view_with_12_components_travels_in_one_round_trip() -> None:
    site = factory.busy_site()
    assert len(site.components) == len(site.uptimes) == 12
    loaded = [assets.ASSETS[assets.url(name)[1:]] for name in ("status.css", "status.js", f"{site.indicator}.svg")]
    assert sum(len(gzip.compress(each, 9)) for each in (pages.index(site), *loaded)) <= 14_600


# --- History and the rest ---------------------------------------------------------------------------------------------
def test_a_month_lists_its_incidents_by_day_with_their_last_word() -> None:
    page, incident = factory.seed()
    read = words(pages.month(factory.month("2023-01", [incident], page=page)))
    assert "January 2023 Jan 17, 2023 Underline infrastructure issue impacting live services" in read
    assert "The issue can be considered as completely resolved. Resolved Jan 17, 2023 - 17:45 CET" in read
    assert "lasted 43 min · Major impact · Postmortem" in read


def test_months_lead_to_each_other() -> None:
    month = factory.month("2023-02", previous="2023-01", next="2023-05")
    document = pages.month(month).decode()
    assert '<a href="/history/2023-01" hx-get="/history/2023-01"' in document
    assert '<a href="/history/2023-05"' in document
    alone = pages.month(factory.month("2023-02")).decode()
    assert "Earlier" not in alone
    assert "Later" not in alone


def test_the_history_begins_with_the_newest_month_or_says_that_there_is_none() -> None:
    newest = factory.month("2026-11", [factory.incident("Slow search")])
    assert "November 2026 Nov 22, 2026 Slow search" in words(pages.history(factory.page(), newest))
    assert "No incidents have been reported yet." in words(pages.history(factory.page(), None))


def test_an_incident_is_filed_by_the_day_in_the_page_s_zone() -> None:
    posted = factory.update("investigating", "We look.", datetime(2026, 10, 31, 23, 30, tzinfo=UTC))
    read = words(pages.month(factory.month(incidents=[factory.incident(updates=[posted])])))
    assert "Nov 1, 2026" in read


def test_an_address_without_a_page_leads_back() -> None:
    document = pages.not_found(factory.page()).decode()
    assert "There is no such page" in words(document.encode())
    assert "canonical" not in document


def test_the_formula_is_explained_with_an_example_that_is_right() -> None:
    read = words(pages.uptime_formula(factory.page()))
    assert "Major outage 1 s Partial outage 0.3 s Degraded performance 0 s Under maintenance 0 s" in read
    downtime = 28 * 60 * 1.0 + 50 * 60 * 0.3
    assert downtime == 2580
    assert f"{100 * (1 - downtime / (90 * 86400)):.6f}" == "99.966821"
    assert "which is 2,580 seconds. Its uptime is 1 − 2,580 ÷ 7,776,000 = 99.966821%, shown as 99.96%" in read


# --- All of them ------------------------------------------------------------------------------------------------------
def test_every_page_says_as_of_when_it_is() -> None:
    for document in every_page(factory.busy_site(), factory.seed()[1]):
        assert "As of Nov 22, 2026 - 10:30 CET" in words(document)


def test_names_are_text_and_never_markup() -> None:
    key = factory.public_id("group", EVIL)
    component = factory.component(EVIL, "major_outage", description=EVIL, group_id=key)
    incident = factory.incident(
        EVIL,
        [factory.update("investigating", EVIL)],
        components=(component,),
        caused_by=Cause(id="0123456789bc", name=EVIL, is_maintenance=False),
        postmortem=factory.postmortem(EVIL, factory.NOW),
    )
    site = factory.site(
        [component],
        page=factory.page(name=EVIL),
        groups=(factory.group(EVIL, [component], status="major_outage"),),
        uptimes=(factory.uptime(component, [factory.day(factory.TODAY, major_outage=60)]),),
        open_incidents=(incident,),
        upcoming_maintenances=(factory.maintenance(EVIL, components=(component,)),),
    )
    for document in every_page(site, incident):
        assert b"alert(" in document
        assert b"<script>" not in document
        assert b'& "co"' not in document


def test_nothing_is_inline_and_nothing_comes_from_elsewhere() -> None:
    for document in every_page(factory.busy_site(), factory.seed()[1]):
        text = document.decode()
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:", text)
        scripts = re.findall(r"<script([^>]*)>(.*?)</script>", text)
        assert all("src=" in attributes and not content for attributes, content in scripts)
        loaded = re.findall(r'(?:src|data-htmx|data-icon|<link rel="(?:icon|stylesheet)"[^>]* href)="([^"]+)"', text)
        assert {address[1:] for address in loaded} <= assets.ASSETS.keys()


def test_assets_carry_the_hash_of_what_they_are() -> None:
    for path, content in assets.ASSETS.items():
        assert re.fullmatch(r"assets/[a-z]+\.[0-9a-f]{10}\.(css|js|svg)", path)
        assert path.split(".")[1] == sha256(content).hexdigest()[:10]
    assert b"htmx" in assets.ASSETS[assets.url("htmx.js")[1:]]


def test_a_page_speaks_its_language_and_leaves_ours_alone() -> None:
    month: Month = factory.month("2026-10", [factory.incident()], page=factory.page(language="de"))
    document = pages.month(month).decode()
    assert '<html lang="de"' in document
    assert "Oktober 2026" in words(document.encode())
    assert translation.get_language() == "en"
