"""Where a page can be read: what could never be served there is refused with a sentence, whatever the door."""

from __future__ import annotations

import pytest
from pytest_django import Settings

from incidents import catalogue
from incidents.errors import InvalidInput
from incidents.models import Page, User


def add(url: str, author: User) -> Page:
    return catalogue.create_page(name="Acme", url=url, author=author)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("https://ann@status.acme.example", "user name or a password"),
        ("https://ann:secret@status.acme.example", "user name or a password"),
        ("https://portal.acme.example", "one of its own"),
        ("https://PORTAL.acme.example:8443/", "one of its own"),
        ("https://admin.acme.example", "one of its own"),
        ("https://status.acme.example.", "dot behind"),
        ("https://status.acme.example:0", "at this port"),
        ("https://status.acme.example:80", "at this port"),
        ("http://status.acme.example:443", "at this port"),
        ("https://status.acme.example:99999", "not a web address"),
        ("https://acme.example/status", "host name of its own"),
        ("https://acme.example/?page=1", "host name of its own"),
        ("https://acme.example/#page", "host name of its own"),
        ("https://[2001:db8::1]", "status.example.com"),
        ("https://stätus.acme.example", "xn--"),
        ("ftp://status.acme.example", "valid URL"),
    ],
)
def test_an_address_that_cannot_work_is_refused_with_a_sentence(
    admin: User, settings: Settings, url: str, said: str
) -> None:
    settings.SITE_URL = "https://portal.acme.example"
    settings.ALLOWED_HOSTS = ["portal.acme.example", "admin.acme.example"]
    with pytest.raises(InvalidInput, match=said) as refused:
        add(url, admin)
    assert refused.value.field == "url"
    assert not Page.objects.exists()


@pytest.mark.parametrize(
    "url", ["https://status.acme.example", "http://Status.acme.example:8080/", "https://192.0.2.1"]
)
def test_a_host_name_of_its_own_is_enough(admin: User, url: str) -> None:
    assert add(url, admin).host in {"status.acme.example", "192.0.2.1"}


def test_on_one_machine_the_portal_and_its_page_have_the_same(admin: User, settings: Settings) -> None:
    assert settings.SITE_URL == "http://127.0.0.1:8000"
    assert add("http://127.0.0.1:8000", admin).host == "127.0.0.1"
