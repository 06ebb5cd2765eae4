"""Who asks: the first address on the way back that is not one of our proxies'. Nobody can choose it."""

from __future__ import annotations

import pytest
from django.test import RequestFactory
from pytest_django import Settings

from portal import environment
from status.requests import caller, network_of

CONTAINERS, CDN = "172.28.13.0/24", "198.51.100.0/24"


@pytest.mark.parametrize(
    ("peer", "forwarded", "found"),
    [
        # A proxy on this host, or nginx in its container behind it
        ("127.0.0.1", "192.0.2.7", "192.0.2.7"),
        ("172.28.13.5", "192.0.2.7, 172.28.13.1", "192.0.2.7"),
        # Whoever is in a private network is as little believed as anybody else.
        ("172.28.13.5", "203.0.113.9, 10.1.2.3", "10.1.2.3"),
        ("10.1.2.3", "203.0.113.9", "10.1.2.3"),
        ("172.28.13.5", "203.0.113.9, 192.168.1.7, 172.28.13.1", "192.168.1.7"),
        # Readers behind the content delivery network
        ("172.28.13.5", "203.0.113.9, 192.0.2.7, 198.51.100.4", "192.0.2.7"),
        ("172.28.13.5", "2001:db8::7, 198.51.100.4", "2001:db8::7"),
        ("172.28.13.5", "::ffff:192.0.2.7, 198.51.100.4", "192.0.2.7"),
        # With the port, as some gateways write it
        ("172.28.13.5", "203.0.113.9:51234, 198.51.100.4:443", "203.0.113.9"),
        ("172.28.13.5", "[2001:db8::7]:51234, 198.51.100.4", "2001:db8::7"),
        # What is no address ends the way.
        ("172.28.13.5", "192.0.2.7, unknown, 198.51.100.4", "198.51.100.4"),
        ("172.28.13.5", "", "172.28.13.5"),
        ("", "192.0.2.7", "192.0.2.7"),
        ("", "", ""),
    ],
)
def test_the_caller_is_the_first_on_the_way_back_who_is_no_proxy_of_ours(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, peer: str, forwarded: str, found: str
) -> None:
    monkeypatch.setenv("TRUSTED_PROXIES", f"{CONTAINERS}, {CDN}")
    settings.TRUSTED_PROXIES += environment.networks("TRUSTED_PROXIES")
    headers = {"X-Forwarded-For": forwarded} if forwarded else {}
    assert caller(RequestFactory().get("/", headers=headers, REMOTE_ADDR=peer)) == found


def test_by_itself_only_this_host_is_believed(settings: Settings) -> None:
    ask = RequestFactory()
    assert caller(ask.get("/", headers={"X-Forwarded-For": "192.0.2.7"}, REMOTE_ADDR="172.17.0.2")) == "172.17.0.2"
    assert caller(ask.get("/", headers={"X-Forwarded-For": "192.0.2.7"}, REMOTE_ADDR="::1")) == "192.0.2.7"


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.77", "192.0.2.0/24"),
        ("::ffff:192.0.2.77", "192.0.2.0/24"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
    ],
)
def test_an_address_counts_for_its_network(address: str, network: str) -> None:
    assert network_of(RequestFactory().get("/", REMOTE_ADDR=address)) == network
