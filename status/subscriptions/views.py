"""What subscribers do in a browser: ask, confirm, choose, leave. No cookie is set or looked at here."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

from django.core.signing import BadSignature, SignatureExpired
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import translation
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from incidents.errors import DomainError, InvalidTransition
from incidents.models import Page
from status import addresses, outside, tokens
from status.models import Subscriber
from status.rendering import assets, gone
from status.requests import ASKED_HOST, ASKED_PAGE, HtmxRequest, host_name, network_of
from status.subscriptions import choices, signups, subscribers
from status.subscriptions.forms import ChoicesForm
from status.subscriptions.signups import TooMany
from status.subscriptions.subscribers import State, subscriber

logger = logging.getLogger(__name__)

View = Callable[[HttpRequest, Subscriber], HttpResponse]
reading_and_sending = require_http_methods(["GET", "HEAD", "POST"])


# A published page is a file that is the same for everybody, so its form has no CSRF token. Nothing here acts by a
# cookie; where the form was sent from is checked instead.
@csrf_exempt
@reading_and_sending
def subscribe(request: HtmxRequest) -> HttpResponse:
    """The form of every published page, and its answer, which is the same whether or not an address is subscribed."""

    def ask(page: Page) -> None:
        facts = {"address": request.POST.get("address", ""), "incident_id": request.POST.get("incident", "")}
        signups.ask(page, **facts, network=network_of(request), author=subscriber())

    return _sign_up(request, "subscribe", ask, typed={"address": "address", "incident_id": "incident"})


@csrf_exempt
@reading_and_sending
def subscribe_webhook(request: HtmxRequest) -> HttpResponse:
    """The same for a program, whose owner confirms by mail."""

    def ask(page: Page) -> None:
        url, contact = request.POST.get("url", "").strip(), addresses.mailbox(request.POST.get("contact", ""))
        try:
            addresses.check(url)
        except outside.Unasked:
            signups.admit(network_of(request))  # before a name server is asked for somebody who asks all the time
            raise
        signups.ask_for_webhook(page, url=url, contact=contact, network=network_of(request), author=subscriber())

    return _sign_up(request, "subscribe_webhook", ask, typed={"url": "url", "contact": "contact"})


def _sign_up(
    request: HtmxRequest, template: str, ask: Callable[[Page], None], *, typed: Mapping[str, str]
) -> HttpResponse:
    """A form that anybody may send. `typed` says under which name the template shows again what was sent."""
    page = _page(request)
    if page is None:
        return _nowhere(request)
    with translation.override(page.language):
        if request.method != "POST":
            return _show(request, template, page)
        if _is_from_elsewhere(request):
            return _refusal(request, 403, _("This form was sent from another site. Use the one on our status page."))
        status, error = 200, ""
        try:
            ask(page)
        except TooMany as refusal:
            status, error = 429, str(refusal)
        except DomainError as refusal:
            status, error = 422, str(refusal)
        if error:
            logger.info("a sign-up from %s was refused: %s", network_of(request), error)
        if request.htmx:
            template = f"{template}_form" if error else "subscribe_sent"
        shown = {name: request.POST.get(field, "") for name, field in typed.items()} if error else {}
        response = _show(request, template, page, status=status, error=error, sent=not error, **shown)
        if status == 429:
            response["Retry-After"] = "3600"
        return response


def _asked_for(token: str) -> Subscriber:
    public_id, asked_at = tokens.read_confirmation(token)
    return _subscribers().get(public_id=public_id, confirmation_sent_at=asked_at)


def _subscribed(token: str) -> Subscriber:
    return _subscribers().get(public_id=tokens.read_subscription(token))


def _subscribers() -> QuerySet[Subscriber]:
    return Subscriber.objects.select_related("page")


def _by_token(find: Callable[[str], Subscriber]) -> Callable[[View], Callable[[HttpRequest, str], HttpResponse]]:
    """A page of one subscription, which `find` finds by the token in its address.

    It opens at its own page's address, and at one that is no page's (a page may move), never at another page's.
    """

    def decorate(view: View) -> Callable[[HttpRequest, str], HttpResponse]:
        # The token is the proof; a mail provider that unsubscribes in one click has no cookie, and so no CSRF token.
        @csrf_exempt
        @reading_and_sending
        @wraps(view)
        def answer(request: HttpRequest, token: str) -> HttpResponse:
            advice = _("Subscribe again on the status page.")
            try:
                recipient = find(token)
            except SignatureExpired:
                return _refusal(request, 410, _("This link is more than a week old.") + " " + advice)
            except BadSignature:
                return _refusal(request, 404, _("This link is not whole. Open it from the mail once more."))
            except Subscriber.DoesNotExist:
                ended = _("This subscription has ended, or there is a newer mail about it.")
                return _refusal(request, 410, ended + " " + advice)
            if _is_of_another(request, recipient.page):
                return _refusal(request, 404, _("This link is of another page. Open it from the mail once more."))
            with translation.override(recipient.page.language):
                return view(request, recipient)

        return answer

    return decorate


@_by_token(_asked_for)
def confirm(request: HttpRequest, recipient: Subscriber) -> HttpResponse:
    """A button: programs that open every link of a mail confirm nobody."""
    if request.method != "POST":
        return _show(request, "subscription_confirm", recipient.page, recipient=recipient)
    try:
        subscribers.confirm(recipient, asked_at=recipient.confirmation_sent_at, author=subscriber())
    except InvalidTransition as refusal:
        return _refusal(request, 409, str(refusal))
    return redirect("subscription", token=tokens.subscription(recipient.public_id))


@_by_token(_subscribed)
def subscription(request: HttpRequest, recipient: Subscriber) -> HttpResponse:
    """What a recipient is notified of, to be changed."""
    if recipient.state == State.UNSUBSCRIBED:
        return _show(request, "subscription_leave", recipient.page, recipient=recipient, has_left=True)
    form = ChoicesForm(recipient, request.POST if request.method == "POST" else None)
    is_saved = False
    if request.method == "POST" and form.is_valid():
        try:
            choices.choose(recipient, form.choices, author=subscriber())
            is_saved = True
        except DomainError as refusal:
            form.add_error(None, str(refusal))
    return _show(
        request,
        "subscription",
        recipient.page,
        status=422 if form.errors else 200,
        recipient=recipient,
        form=form,
        is_saved=is_saved,
        token=tokens.subscription(recipient.public_id),
    )


@_by_token(_subscribed)
def unsubscribe(request: HttpRequest, recipient: Subscriber) -> HttpResponse:
    """A button for people; one click for their mail program, which sends `List-Unsubscribe=One-Click` (RFC 8058)."""
    if request.method == "POST":
        subscribers.unsubscribe(recipient, author=subscriber())
    has_left = recipient.state == State.UNSUBSCRIBED
    return _show(request, "subscription_leave", recipient.page, recipient=recipient, has_left=has_left)


@_by_token(_subscribed)
def secret(request: HttpRequest, recipient: Subscriber) -> HttpResponse:
    """Give a webhook another secret; the page of its subscription shows it."""
    if request.method == "POST":
        try:
            subscribers.roll_secret(recipient, author=subscriber())
        except InvalidTransition as refusal:
            return _refusal(request, 409, str(refusal))
    return redirect("subscription", token=tokens.subscription(recipient.public_id))


def _show(request: HttpRequest, template: str, page: Page | None, *, status: int = 200, **context: Any) -> HttpResponse:
    context |= {"page": page, "css": assets.url("status.css"), "icon": assets.url("notice.svg")}
    return render(request, f"status/{template}.html", context, status=status)


def _refusal(request: HttpRequest, status: int, sentence: str) -> HttpResponse:
    # Without the address, which has a token: whoever holds one can act by it.
    logger.info("a subscriber's request from %s was refused: %s", network_of(request), sentence)
    return _show(request, "subscription_refused", _page(request), status=status, sentence=sentence)


def _page(request: HttpRequest) -> Page | None:
    """The page that is published at the host name of this request."""
    return Page.objects.published().filter(public_id=request.META.get(ASKED_PAGE, "")).first()


def _nowhere(request: HttpRequest) -> HttpResponse:
    """Where no page is published: of one that was deleted in the words that its other addresses have."""
    row = Page.objects.filter(public_id=request.META.get(ASKED_PAGE, ""), is_live=True).first()
    if row is None:
        return _refusal(request, 404, _("There is no status page here to subscribe to."))
    with translation.override(row.language):
        return _refusal(request, 410, gone.sentence(row.name))


def _is_of_another(request: HttpRequest, page: Page) -> bool:
    """Whether the host name of this request is another page's."""
    host = host_name(request.META[ASKED_HOST])
    return host != page.host and Page.objects.live().filter(host=host).exists()


def _is_from_elsewhere(request: HttpRequest) -> bool:
    """Whether a browser says that another site's page sent this; what is no browser says nothing, and has no reader."""
    if site := request.headers.get("Sec-Fetch-Site"):
        return site not in {"same-origin", "none"}
    origin = request.headers.get("Origin")
    return origin is not None and origin.partition("://")[2].lower() != request.META[ASKED_HOST].lower()
