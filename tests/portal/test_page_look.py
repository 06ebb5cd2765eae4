"""A page's own colour, logo and words, and its preview before anybody else sees it."""

from __future__ import annotations

from base64 import b64encode

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from incidents import catalogue
from incidents.errors import InvalidInput
from incidents.models import Page, User
from status.publication import files, publishing
from status.publication.serving import TYPES
from tests.incidents.html_forms import filled

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 20
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><circle r="9"/></svg>'

# What is published is published after the commit
pytestmark = [pytest.mark.long, pytest.mark.django_db(transaction=True)]


def published(page: Page) -> dict[str, bytes]:
    root = files.folder(page.public_id)
    assets = {str(path.relative_to(root)) for path in root.glob("assets/*") if path.suffix != ".gz"}
    return {path: (root / path).read_bytes() for path in files.tracked(root) | assets}


def change(client: Client, page: Page, **values: object) -> str:
    address = reverse("admin:incidents_page_change", args=[page.pk])
    form = {name: value for name, value in filled(client.get(address)).items() if name != "image"}
    return client.post(address, form | values, follow=True).content.decode()


@pytest.mark.slow
@pytest.mark.parametrize(("content", "suffix"), [(PNG, "png"), (SVG, "svg")])
def test_colour_logo_and_words_are_on_the_published_page(
    administrator: Client, page: Page, content: bytes, suffix: str
) -> None:
    logo = SimpleUploadedFile("logo", content)
    change(administrator, page, brand_colour="#1f56d0", intro="Shops & <tills>.", image=logo)
    documents = published(page)
    index = documents["index.html"].decode()
    (style,) = [path for path in documents if path.startswith("assets/look.")]
    (image,) = [path for path in documents if path.startswith("assets/logo.")]
    assert documents[style] == b":root{--brand:#1f56d0;--brand-ink:#fff}"
    assert documents[image] == content
    assert image.endswith(suffix)
    assert f'href="/{style}"' in index
    assert f'src="/{image}"' in index
    assert "Shops &amp; &lt;tills&gt;." in index
    page.refresh_from_db()
    assert publishing.differences(page) == []

    change(administrator, page, brand_colour="", without_logo="on")
    index = published(page)["index.html"].decode()  # the files stay for those who have an older page open
    assert "/assets/look." not in index
    assert "/assets/logo." not in index


@pytest.mark.parametrize(
    ("content", "sentence"),
    [(b"GIF89a", "not a PNG or SVG image"), (PNG + b"\0" * 70_000, "larger than 64 KB")],
)
def test_another_file_is_refused_with_a_sentence(
    administrator: Client, page: Page, content: bytes, sentence: str
) -> None:
    assert sentence in change(administrator, page, image=SimpleUploadedFile("logo", content))
    page.refresh_from_db()
    assert page.logo == ""


def test_no_other_door_lets_another_kind_of_logo_in(page: Page, admin: User) -> None:
    with pytest.raises(InvalidInput, match="not a PNG or SVG"):
        catalogue.edit_page(page, logo=f"data:text/html;base64,{b64encode(b'<script>').decode()}", author=admin)


@pytest.mark.slow
def test_a_page_that_is_not_live_is_seen_in_its_preview_only(administrator: Client, page: Page) -> None:
    assert "index.html" in published(page)
    change(administrator, page, brand_colour="#ffe000", is_live="")
    assert not published(page)
    root = reverse("page_preview", args=[page.public_id, ""])
    index = administrator.get(root)
    assert "All Systems Operational" in index.text
    (style,) = [part.split('"')[0] for part in index.text.split('href="') if "/assets/look." in part.split('"')[0]]
    assert style.startswith(root)
    assert administrator.get(style).content == b":root{--brand:#ffe000;--brand-ink:#000}"
    assert administrator.get(f"{root}history").status_code == 200
    assert administrator.get(f"{root}history.atom").headers["Content-Type"] == TYPES[".atom"]
    assert administrator.get(f"{root}etc/passwd").status_code == 404
    change(administrator, page, is_live="on")
    assert "index.html" in published(page)


def test_the_preview_is_for_those_who_edit_pages(client: Client, page: Page, author: User) -> None:
    client.force_login(author)
    assert client.get(reverse("page_preview", args=[page.public_id, ""])).status_code == 403
