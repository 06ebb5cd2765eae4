"""One list says which addresses are the application's: nginx, the embedded server and Django's URLs agree with it."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.urls import get_resolver

from portal import middleware
from status.publication.prefixes import PROGRAMS, STAFF, SUBSCRIBERS
from tests.front import SHIPPED
from tests.prefixes import is_the_applications

MAPS = SHIPPED / "nginx" / "http.conf"


def routes() -> list[str]:
    """Where each address of Django's begins, as far as it is needed to tell whose it is."""

    def below(prefix: str, patterns: list[Any]) -> list[str]:
        found = []
        for each in patterns:
            path = prefix + str(each.pattern).removeprefix("^").partition("(")[0]
            is_decided = is_the_applications(path) or not hasattr(each, "url_patterns")
            found += [path] if is_decided else below(path, each.url_patterns)
        return found

    return below("/", get_resolver().url_patterns)


@pytest.mark.parametrize(
    ("file", "rule"),
    [
        ("nginx/server.conf", r"location ~ \^/\(([^)]+)\)\(/\|\$\) \{[^}]+proxy_pass"),
        ("Caddyfile", r"@application path_regexp \^/\(([^)]+)\)\(/\|\$\)\n"),
    ],
)
def test_the_front_passes_on_just_these(file: str, rule: str) -> None:
    location = re.search(rule, (SHIPPED / file).read_text())
    assert location
    assert sorted(location[1].split("|")) == sorted([*STAFF, *PROGRAMS, *SUBSCRIBERS])


def test_nginx_says_that_we_are_away_in_the_words_of_who_asks() -> None:
    """JSON for programs; the middleware asks the list itself."""
    words = re.findall(r'"~\^\\w\+ /\(([^)]+)\)\(\[/\?\]\|\$\)" /\$portal_outcome(\S+);', MAPS.read_text())
    listed = {answer: tuple(names.split("|")) for names, answer in words}
    assert listed == {".json": PROGRAMS, "-subscribers.html": SUBSCRIBERS}


def test_every_address_of_the_application_begins_with_one_and_each_is_used() -> None:
    asked = [*routes(), *middleware.HEALTH, "/static/"]
    assert len(asked) > 10
    assert [path for path in asked if not is_the_applications(path)] == []
    for name in (*STAFF, *PROGRAMS, *SUBSCRIBERS):
        assert [path for path in asked if re.match(rf"/{name}(/|$)", path)], f"nothing is at /{name}"


def test_a_name_that_only_begins_like_one_is_a_documents() -> None:
    for path in ("/administration", "/api/v2/summary.json", "/metrics.json", "/subscribers", "/"):
        assert not is_the_applications(path)
    for path in ("/admin", "/metrics", "/metrics/", "/api/v1/pages", "/subscribe/webhook"):
        assert is_the_applications(path)
