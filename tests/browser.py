"""A real Chromium, and who is signed in in it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connections
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, expect, sync_playwright

from incidents.models import User
from tests.services import CHROMIUM
from tests.waiting import stretched

ARGUMENTS = ["--disable-gpu", "--disable-dev-shm-usage", "--disable-quic", "--no-first-run"]
ARGUMENTS += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]


@contextmanager
def chromium() -> Iterator[Browser]:
    """While it is open, an event loop runs in this thread, beside which Django would refuse to use the database."""
    arguments = [*ARGUMENTS, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()
        connections.close_all()  # those that were opened beside the loop


def new_context(chromium: Browser, **options: Any) -> BrowserContext:
    """A window of its own, which waits as long as this machine needs."""
    context = chromium.new_context(**options)
    context.set_default_timeout(1000 * stretched(10))
    expect.set_options(timeout=1000 * stretched(10))
    return context


def sign_in(context: BrowserContext, user: User, site: str) -> None:
    client = Client()
    client.force_login(user)
    cookie: Any = {"name": "sessionid", "value": client.cookies["sessionid"].value, "url": site}
    context.add_cookies([cookie])


def sign_out(context: BrowserContext) -> None:
    """As when a session ends: the browser learns nothing of it."""
    context.clear_cookies(name="sessionid")
