"""What every answer of the application passes through: strict headers, and a guard for when the database is away.

Published files never come here: they are answered before, from disk.
"""

from __future__ import annotations

import logging
import sys
import time
from base64 import b64encode
from collections.abc import Callable
from contextlib import ExitStack
from hashlib import sha256
from threading import BoundedSemaphore, Lock
from typing import Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.core.signals import got_request_exception
from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse, JsonResponse, UnreadablePostError
from django.template.defaultfilters import filesizeformat
from django.utils.html import format_html, format_html_join
from django.utils.safestring import mark_safe
from django.utils.translation import gettext as _

from incidents.outages import passing_failure
from portal import health, metrics
from portal.accounts import known_browsers
from portal.postgresql.deadline import TimeLimit, current_time_limit, server, time_limit
from portal.program_keys import KnownKeys
from status import outside
from status.publication.prefixes import is_for_programs, is_for_strangers

logger = logging.getLogger(__name__)

Handler = Callable[[HttpRequest], HttpResponse]

# Seconds, which together keep every request below four.
ANSWER = 1.0  # for one answer of the database
REQUEST = 2.5  # for all of them
REPEAT = 2.5  # in which an attempt may be repeated, and after which a silent server is only probed
PROBE = 0.25  # between two probes
TURN = 1.0  # for a free slot
# Slots and requests inside; the web server has more threads than all that may be inside
SHARES = {
    "reads": (4, 8),
    "writes": (3, 5),
    "newcomers": (2, 4),
    "programs": (3, 5),
    "strangers": (2, 4),
    "health": (1, 2),
}

# Asked by address, whatever the host's name
HEALTH = {"/healthz": health.healthz, "/readyz": health.readyz, "/metrics": metrics.metrics}
# In request.META: what an attempt ended with
FAILURE = "portal.database_failure"
UNASKED = "portal.unasked"

# A mail carries its style inside, and is shown to staff as it is before it is sent.
MAIL_STYLE_HASH = b64encode(sha256((settings.BASE_DIR / "templates/email/style.css").read_bytes()).digest()).decode()
CONTENT_SECURITY_POLICY = (
    f"default-src 'none'; script-src 'self'; style-src 'self' 'sha256-{MAIL_STYLE_HASH}'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
STYLE = (
    ":root{color-scheme:light dark}"
    "body{font:1.125rem/1.5 system-ui,sans-serif;max-width:34rem;margin:15vh auto;padding:0 1.5rem}"
    "button{font:inherit;padding:.5rem 1.25rem}"
)
STYLE_HASH = b64encode(sha256(STYLE.encode()).digest()).decode()


class SecurityHeadersMiddleware:
    """Sets what a view has not set itself. Nothing that passes here may be kept by a cache unless it says so."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        response.headers.setdefault("Content-Security-Policy", CONTENT_SECURITY_POLICY)
        response.headers.setdefault(
            "Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()"
        )
        response.headers.setdefault("Cache-Control", "no-store")
        return response


class Share:
    """What one kind of requests has of what all need, so that no kind takes another's."""

    def __init__(self, slots: int, inside: int) -> None:
        self.slots = BoundedSemaphore(slots)  # requests that may use the database at once
        self.inside = BoundedSemaphore(inside)  # those, and the ones that wait or publish: each holds a thread
        self.questions = BoundedSemaphore(slots)  # to somebody outside


class DatabaseGuardMiddleware:
    """Answers 503 with a sentence, and soon, when the database does not answer.

    A request that is safe is repeated until it succeeds or REPEAT ends, and so is one with an Idempotency-Key as
    long as nothing of it can have been saved. Few requests may wait for the database at once, and once the server
    has been silent for REPEAT only one per PROBE may try, so that threads are left for what needs no database.
    """

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response
        self._shares = {kind: Share(*counts) for kind, counts in SHARES.items()}
        self._keys = KnownKeys()
        self._lock = Lock()
        self._next_probe = 0.0
        # Not every failure is a view's: the session, for one, is saved after it.
        got_request_exception.connect(self._note)

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if answer := HEALTH.get(request.path_info):
            return answer(request) if answer is health.healthz else self._of_few(answer, request)
        try:
            request.body  # noqa: B018  (read before a slot is taken, and kept for another attempt)
        except RequestDataTooBig:
            return _too_large(request)
        except UnreadablePostError:
            return HttpResponse(status=400)  # the client went away; nobody reads this
        share, answers = self._share_of(request), outside.Answers()
        if not share.inside.acquire(blocking=False):
            return _busy(request)
        try:
            while True:
                response = self._answer(request, share, answers)
                unasked: outside.Unasked | None = request.META.pop(UNASKED, None)
                if unasked is None:
                    return response
                if not unasked.ask(answers, share.questions):
                    return _busy(request)
        finally:
            share.inside.release()

    def _of_few(self, answer: Handler, request: HttpRequest) -> HttpResponse:
        """Anybody may ask whether it is well, and each answer takes a thread for as long as the database is silent."""
        share = self._shares["health"]
        if not share.inside.acquire(blocking=False):
            return _busy(request)
        try:
            if not share.slots.acquire(timeout=TURN):
                return _busy(request)
            try:
                return answer(request)
            finally:
                share.slots.release()
        finally:
            share.inside.release()

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if isinstance(exception, outside.Unasked):
            request.META[UNASKED] = exception
            return HttpResponse(status=503)  # which nobody sees
        return HttpResponse(status=503) if self._note(request=request, exception=exception) else None

    def _note(self, *, request: HttpRequest, exception: BaseException | None = None, **_signal: Any) -> bool:
        failure = passing_failure(exception or sys.exception())
        if failure is not None:
            request.META[FAILURE] = failure
        return failure is not None

    def _share_of(self, request: HttpRequest) -> Share:
        if is_for_strangers(request.path_info):
            return self._shares["strangers"]
        if is_for_programs(request.path_info):
            # Else whoever comes without a key, or with any word for one, could keep programs out.
            return self._shares["programs" if self._keys.fit(request) else "strangers"]
        if not known_browsers.is_known(request):  # else whoever guesses passwords could keep staff out
            return self._shares["newcomers"]
        return self._shares["reads" if _is_read(request) else "writes"]

    def _answer(self, request: HttpRequest, share: Share, answers: outside.Answers) -> HttpResponse:
        if not self._may_try():
            return _unavailable(request, TimeLimit())
        with ExitStack() as slot:
            if not share.slots.acquire(timeout=TURN if server.silent_since is None else 0):
                return _busy(request)
            slot.callback(share.slots.release)
            with outside.holding(slot, answers), time_limit(ANSWER, total=REQUEST) as allowed:
                return self._try(request, allowed) or _unavailable(request, allowed)

    def _may_try(self) -> bool:
        if not _is_silent():
            return True
        with self._lock:
            now = time.monotonic()
            is_probe = now >= self._next_probe
            if is_probe:
                self._next_probe = now + PROBE
        return is_probe

    def _try(self, request: HttpRequest, allowed: TimeLimit) -> HttpResponse | None:
        """The application's answer, or None when the database let it down."""
        is_keyed = "Idempotency-Key" in request.headers
        pause, began_at = 0.05, time.monotonic()
        while True:
            response = self.get_response(request)
            failure = request.META.pop(FAILURE, None)
            if failure is None:
                if _is_silent():
                    self._next_probe = 0.0  # it needed no database, so the next one may find out
                return response
            logger.error("%s %s: %s", request.method, request.path, str(failure).partition("\n")[0])
            may_repeat = _is_read(request) or (is_keyed and not allowed.commit_sent)
            if not may_repeat or _is_silent() or time.monotonic() + pause > began_at + REPEAT:
                return None
            time.sleep(pause)
            pause *= 2
            allowed.left = began_at + REQUEST - time.monotonic()
            if connection.errors_occurred:
                connection.close_if_unusable_or_obsolete()


@receiver(connection_created)
def _watch_sqlite(*, connection: BaseDatabaseWrapper, **_signal: Any) -> None:
    """Do for a request's own connection to SQLite what `portal.postgresql` does for the other database.

    A writer waits for another one no longer than leaves time for a second try, and it is noted when it commits.
    """
    if connection.vendor == "sqlite" and current_time_limit().wait == ANSWER:
        with connection.cursor() as cursor:
            cursor.execute(f"PRAGMA busy_timeout = {int(REPEAT / 2 * 1000)}")
        connection.connection.set_trace_callback(_note_commit)


def _note_commit(statement: str) -> None:
    if statement == "COMMIT":
        current_time_limit().commit_sent = True


def _is_read(request: HttpRequest) -> bool:
    return request.method in {"GET", "HEAD", "OPTIONS"}


def _is_silent() -> bool:
    since = server.silent_since
    return since is not None and time.monotonic() - since > REPEAT


def _unavailable(request: HttpRequest, allowed: TimeLimit) -> HttpResponse:
    if allowed.commit_sent and not _is_read(request):
        sentence = _("It may have been saved. Look before you send it again.")
        if is_for_programs(request.path_info):
            sentence += " " + _("With the same Idempotency-Key it is done once.")
        return _respond(request, 504, sentence, _resend(request))
    return _later(request, _("The database did not answer in time."))


def _busy(request: HttpRequest) -> HttpResponse:
    return _later(request, _("Too many ask at this moment."))


def _later(request: HttpRequest, reason: str) -> HttpResponse:
    """An answer to what certainly was not done."""
    parts = [reason, _("Try again in a moment.")]
    if _is_read(request):
        advice = _("This page tries again by itself. The public pages are up, as they were last published.")
    else:
        parts.insert(1, _("Nothing was saved."))
        advice = _resend(request)
    response = _respond(request, 503, " ".join(parts), advice)
    response["Retry-After"] = "2"
    if _is_read(request):
        response["Refresh"] = "5"
    return response


def _resend(request: HttpRequest) -> str:
    """A form that sends the same once more; a password is not kept.

    The browser's way back would ask for the form anew, and lose what was typed.
    """
    fields = [(name, value) for name, values in request.POST.lists() for value in values if "password" not in name]
    return format_html(
        '<form method="post"><p>{}</p>{}<button>{}</button></form>',
        _("What you typed is kept on this page."),
        format_html_join("", '<input type="hidden" name="{}" value="{}">', fields),
        _("Send it again"),
    )


def _too_large(request: HttpRequest) -> HttpResponse:
    most = filesizeformat(settings.DATA_UPLOAD_MAX_MEMORY_SIZE)
    sentence = _("The request is larger than the %(most)s that are allowed. Nothing was saved.") % {"most": most}
    return _respond(request, 413, sentence, _("Shorten it, and send it again."))


def _respond(request: HttpRequest, status: int, sentence: str, advice: str) -> HttpResponse:
    """One sentence for a program; for a person a page that needs nothing else from here."""
    if is_for_programs(request.path_info):
        return JsonResponse({"error": sentence}, status=status)
    title, _space, rest = sentence.partition(". ")
    page = format_html(
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        "<title>{}</title><style>{}</style><h1>{}.</h1><p>{}</p><div>{}</div>",
        *(title, mark_safe(STYLE), title, rest, advice),  # noqa: S308  (a constant of this module)
    )
    response = HttpResponse(page, status=status)
    response["Content-Security-Policy"] = (
        f"default-src 'none'; style-src 'sha256-{STYLE_HASH}'; form-action 'self'; frame-ancestors 'none'"
    )
    return response
