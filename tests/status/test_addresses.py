"""Nobody can have us call what is not on the open internet."""

from __future__ import annotations

import socket
import time

import pytest

from status.addresses import Network, Refused, check, is_public, parse
from tests.waiting import stretched


@pytest.mark.parametrize(
    "address",
    [
        *("0.0.0.0", "10.1.2.3", "100.64.0.1", "127.0.0.1", "127.255.255.254", "172.16.0.1", "192.168.1.1"),
        *("169.254.169.254", "100.100.100.200", "192.0.0.192", "168.63.129.16"),  # clouds' metadata
        *("192.0.2.1", "198.51.100.1", "203.0.113.1", "198.18.0.1", "192.88.99.1"),
        *("224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255"),
        *("::", "::1", "fe80::1", "fe80::1%1", "fc00::1", "fd00:ec2::254", "fec0::1", "ff02::1", "100::1"),
        *("::ffff:127.0.0.1", "::ffff:8.8.8.8", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a00:1", "64:ff9b:1::1"),
        *("2002:7f00:1::1", "2002:a00:1::1", "2001:0:a00:1::1", "2001:db8::1", "3fff::1", "5f00::1"),
    ],
)
def test_special_addresses_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "100.128.0.1", "172.32.0.1", "2606:4700:4700::1111", "2001:4860::8888"])
def test_ordinary_addresses_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    ("url", "host", "port", "path"),
    [
        ("https://example.com", "example.com", 443, "/"),
        ("https://Hooks.Example.com:443/a/b?c=d&e#f", "hooks.example.com", 443, "/a/b?c=d&e"),
        ("https://example.com:8443/?x", "example.com", 8443, "/?x"),
        ("https://xn--mnchen-3ya.example/", "xn--mnchen-3ya.example", 443, "/"),
        ("https://my_hook.example.com/", "my_hook.example.com", 443, "/"),
    ],
)
def test_a_web_address_is_taken_apart(url: str, host: str, port: int, path: str) -> None:
    target = parse(url)
    assert (target.host, target.port, target.path) == (host, port, path)


@pytest.mark.parametrize(
    "url",
    [
        *(
            "",
            "example.com",
            "http://example.com/",
            "ftp://example.com/",
            "FILE:///etc/passwd",
            "https://",
            "https:///x",
        ),
        *("https://user@example.com/", "https://user:word@example.com/", "https://example.com\\@10.0.0.1/"),
        *("https://localhost/", "https://intranet/", "https://127.0.0.1/", "https://127.1/", "https://2130706433/"),
        *("https://0x7f.0.0.1/", "https://0177.0.0.01/", "https://127.0.0.0x1/", "https://[::1]/", "https://[::1/"),
        *("https://example.com:22/", "https://example.com:0/", "https://example.com:80/", "https://example.com:99999/"),
        *(
            "https://example.com:x/",
            "https://exa mple.com/",
            "https://example.com/\r\nHost: x",
            "https://example.com/\t",
        ),
        *("https://münchen.example/", "https://①②⑦.0.0.1/", "https://example.com./", "https://-a.example/"),
        "https://example.com/" + "a" * 500,
        *("https://" + "a" * 64 + ".example/", "https://" + "a." * 130 + "example/", "https://a..example/"),
    ],
)
def test_an_address_of_another_kind_is_refused_with_a_sentence(url: str) -> None:
    with pytest.raises(Refused, match=r"\.$"):
        parse(url)


def test_a_name_that_leads_inside_is_refused_even_when_it_also_leads_outside() -> None:
    with pytest.raises(Refused, match="not an address on the public internet"):
        check("https://example.com/", Network(look_up=lambda host, port: ["8.8.8.8", "10.0.0.1"]))
    check("https://example.com/", Network(look_up=lambda host, port: ["8.8.8.8", "2606:4700:4700::1111"]))


def test_a_name_that_nobody_knows_is_refused_with_a_sentence() -> None:
    def nobody(host: str, port: int) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    with pytest.raises(Refused, match=r"The name nobody\.example\.com cannot be found\."):
        check("https://nobody.example.com/", Network(look_up=nobody))


def test_the_way_out_looks_a_name_up_once_and_dials_what_it_checked() -> None:
    asked = []
    with socket.create_server(("127.0.0.1", 0)) as outside, socket.create_server(("127.0.0.2", 0)) as inside:

        def changing(host: str, port: int) -> list[str]:
            asked.append(host)
            return ["127.0.0.1" if len(asked) == 1 else "127.0.0.2"]

        network = Network(look_up=changing, is_open=lambda address: address == "127.0.0.1")
        target = parse(f"https://example.com:{outside.getsockname()[1]}/")
        with network.dial(target, deadline=time.monotonic() + stretched(5)) as line:
            assert line.getpeername() == outside.getsockname()
        assert asked == ["example.com"]
        target = parse(f"https://example.com:{inside.getsockname()[1]}/")
        with pytest.raises(Refused):
            network.dial(target, deadline=time.monotonic() + stretched(5))
        inside.setblocking(False)
        with pytest.raises(BlockingIOError):
            inside.accept()


def test_the_next_address_is_tried_when_one_does_not_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        network = Network(look_up=lambda host, port: ["127.0.0.3", "127.0.0.1"], is_open=lambda address: True)
        target = parse(f"https://example.com:{server.getsockname()[1]}/")
        with network.dial(target, deadline=time.monotonic() + stretched(5)) as line:
            assert line.getpeername() == server.getsockname()
