"""Small drawings that other sites show."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from incidents import catalogue
from incidents.lifecycle import ComponentStatus
from incidents.models import Component, Page, User
from status.publication import files
from status.publication.publishing import differences, publish
from status.rendering import badges
from status.rendering.branding import _luminance
from status.rendering.labels import TONES
from tests.status import factory

SVG = "{http://www.w3.org/2000/svg}"


def said(content: bytes) -> str:
    """What a screen reader says of it."""
    return ET.fromstring(content).findtext(f"{SVG}title") or ""


def test_a_page_and_each_component_have_one_that_is_rewritten_with_their_status(
    page: Page, component: Component, author: User, admin: User
) -> None:
    publish(page)
    root = files.folder(page.public_id)
    badge = root / f"badges/{component.public_id}.svg"
    assert said((root / "badge.svg").read_bytes()) == "Acme: All Systems Operational"
    assert said(badge.read_bytes()) == "API: Operational"
    catalogue.set_component_status(component, status=ComponentStatus.MAJOR_OUTAGE, author=author)
    publish(page)
    assert said(badge.read_bytes()) == "API: Major outage"
    assert "Operational" not in said((root / "badge.svg").read_bytes())
    catalogue.delete_component(component, author=admin)
    publish(page)
    assert not badge.exists()
    assert differences(page) == []


def test_a_name_is_text_whatever_it_says_and_a_long_one_is_cut() -> None:
    names = ("</title><script>alert(1)</script> & more", "決済サービス", "x" * 300)
    for content in badges.documents(factory.site([factory.component(name) for name in names])).values():
        drawing = ET.fromstring(content)
        assert {each.tag for each in drawing.iter()} <= {
            f"{SVG}{name}" for name in ("svg", "title", "clipPath", "g", "rect", "text")
        }
        assert int(drawing.attrib["width"]) < 500
        assert b"http" not in content.replace(b"http://www.w3.org/2000/svg", b"")
        assert len(content) < 2000


@pytest.mark.parametrize("tone", [*TONES.values()])
def test_its_words_stand_out_from_their_ground(tone: str) -> None:
    light, dark = sorted(
        (_luminance(colour if len(colour) == 7 else "#ffffff") for colour in badges.COLOURS[tone]), reverse=True
    )
    assert (light + 0.05) / (dark + 0.05) >= 4.5
