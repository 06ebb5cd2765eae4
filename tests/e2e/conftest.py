"""One browser for all of these tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from incidents.models import User
from tests import browser

NewContext = Callable[..., BrowserContext]


@pytest.fixture
def new_context(chromium: Browser) -> Iterator[NewContext]:
    """Opens browser windows, which are closed after the test."""
    contexts: list[BrowserContext] = []

    def make(**options: Any) -> BrowserContext:
        contexts.append(browser.new_context(chromium, **options))
        return contexts[-1]

    yield make
    for context in contexts:
        context.close()


@pytest.fixture
def signed_in(new_context: NewContext, live_server: LiveServer, settings: Settings) -> NewContext:
    """Opens windows in which somebody has signed in."""
    settings.ALLOWED_HOSTS = ["*"]

    def make(user: User, **options: Any) -> BrowserContext:
        context = new_context(base_url=live_server.url, **options)
        browser.sign_in(context, user, live_server.url)
        return context

    return make
