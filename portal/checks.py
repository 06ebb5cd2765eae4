"""What an operator asks: is everything that the portal needs there, and well? One line each, and what to do.

`inside` asks the database and this host, `outside` the mail server, name servers and the pages' own addresses. Neither
changes anything.
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import smtplib
import socket
import ssl
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import partial
from pathlib import Path
from threading import Timer
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core import checks
from django.core.mail import get_connection
from django.core.mail.backends.smtp import EmailBackend
from django.db import Error, connection
from django.utils.translation import gettext as _

from incidents.models import Clock, Page
from incidents.outages import passing_failure
from incidents.record_time import record_time
from portal import __version__, health
from status.publication import files, publisher

TIMEOUT = 5.0  # seconds for whoever is asked outside
SCARCE, SPENT = 2_000_000_000, 200_000_000  # bytes of a disk that are left
EXPIRES = timedelta(days=14)  # before a certificate's end; whoever renews by itself does so earlier
LATE = 300.0  # seconds after which a page says that it is not confirmed any more


class Level(StrEnum):
    OK = "ok"
    LOOK = "look"  # it works, and somebody should look at it
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Line:
    name: str
    level: Level
    words: str


def ok(name: str, words: str) -> Line:
    return Line(name, Level.OK, words)


def look(name: str, words: str) -> Line:
    return Line(name, Level.LOOK, words)


def wrong(name: str, words: str) -> Line:
    return Line(name, Level.WRONG, words)


# --- This host and the database ---------------------------------------------------------------------------------------


def inside() -> list[Line]:
    lines = [ok(_("Version"), f"{__version__}, Python {sys.version.split()[0]}"), *_settings(), *_disks(), *_owners()]
    try:
        connection.ensure_connection()
        lines += _database()
    except Error as error:
        if not passing_failure(error):
            raise
        reason = " ".join(str(error).split())
        lines.append(wrong(_("Database"), _("It cannot be used: %(reason)s") % {"reason": reason}))
    return [*lines, *_redis()]


# What Django says of a site that is not encrypted, which is one thing
UNENCRYPTED = {f"security.W{number:03}" for number in (8, 10, 11, 12, 16)}


def _settings() -> Iterator[Line]:
    name = _("Settings")
    found = [each for each in checks.run_checks(include_deployment_checks=True) if not each.is_silenced()]
    for message in found:
        if message.id not in UNENCRYPTED:
            level = Level.WRONG if message.is_serious() else Level.LOOK
            yield Line(name, level, " ".join(filter(None, [message.msg, message.hint])))
    if settings.DEMO:
        yield look(name, _("This is the demonstration: everybody knows its password, and mail stays here."))
    elif not settings.IS_HTTPS:
        words = _("Staff come by %(url)s, which is not encrypted: set SITE_URL before others than this host do.")
        yield look(name, words % {"url": settings.SITE_URL})
    elif not found:
        yield ok(name, _("They are whole; staff and programs come by %(url)s.") % {"url": settings.SITE_URL})


def _disks() -> Iterator[Line]:
    """Of the folders that are written to; two on one disk are one."""
    seen = set()
    for folder in (settings.DATA_DIR, settings.PUBLICATION_ROOT):
        place = next(each for each in (folder, *folder.parents) if each.exists())
        if (disk := place.stat().st_dev) in seen:
            continue
        seen.add(disk)
        free = shutil.disk_usage(place).free
        words = _("%(free)s GB are free for %(folder)s.") % {"free": round(free / 1e9, 1), "folder": folder}
        if free < SCARCE:
            level = Level.WRONG if free < SPENT else Level.LOOK
            yield Line(_("Disk"), level, words + " " + _("Make room, or nothing can be saved or published."))
        else:
            yield ok(_("Disk"), words)


def _owners() -> Iterator[Line]:
    for folder in (settings.DATA_DIR, settings.PUBLICATION_ROOT):
        try:
            if folder.exists():
                tempfile.TemporaryFile(dir=folder).close()
        except OSError as error:
            words = _("%(folder)s cannot be written to by account %(own)s: %(reason)s.")
            yield wrong(_("Files"), words % {"folder": folder, "own": os.geteuid(), "reason": error.strerror})
    for file in (*settings.DATA_DIR.glob("*-key"), settings.DATA_DIR / ".env", settings.DATA_DIR / "portal.sqlite3"):
        if _is_open(file):
            words = _("Other accounts of this host may read %(file)s. Run: chmod 600 %(file)s")
            yield wrong(_("Files"), words % {"file": file})


def _is_open(file: Path) -> bool:
    """Whether more accounts than its owner's reach a file."""
    try:
        own, above = file.stat().st_mode, file.parent.stat().st_mode
    except OSError:
        return False
    return bool(own & (stat.S_IRWXG | stat.S_IRWXO) and above & (stat.S_IXGRP | stat.S_IXOTH))


def _database() -> Iterator[Line]:
    version = ".".join(map(str, connection.get_database_version()))
    found = {"found": f"{connection.display_name} {version}", "size": round(_size() / 1e6)}
    if health.lacks_migrations():
        yield wrong(_("Database"), _("%(found)s is not that of this version. Run: migrate") % found)
        return
    yield ok(_("Database"), _("%(found)s, %(size)s MB") % found)
    now, clock = record_time(), Clock.last()
    if clock and clock.is_running:
        yield ok(_("Clock"), _("It ticked %(ago)s seconds ago.") % {"ago": round(health.age(clock.ticked_at, now))})
    else:
        yield wrong(_("Clock"), _("It stands still: nothing happens by itself. Start the worker and the clock."))
    off = clock.worst_skew if clock else 0.0
    words = _("The hosts' clocks differ from the database's by %(seconds)s seconds.") % {"seconds": abs(off)}
    if abs(off) > Clock.SKEWED:
        yield look(_("Time"), words + " " + _("Have them set by a time server."))
    else:
        yield ok(_("Time"), words)
    yield _published(now)
    given_up = sum(health.parked().values())
    if given_up:
        words = _("%(count)s things or messages are given up. Failures and Deliveries in the admin say why.")
        yield look(_("Parked"), words % {"count": given_up})
    else:
        yield ok(_("Parked"), _("Nothing is given up."))
    late = health.oldest_due(now) or 0
    if late > LATE:
        words = _("The latest is %(late)s seconds late: see the worker's log.")
        yield look(_("Messages"), words % {"late": round(late)})
    else:
        yield ok(_("Messages"), _("None is late."))


def _size() -> int:
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT pg_database_size(current_database())")
        else:
            cursor.execute("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size")
        size: int = cursor.fetchone()[0]
    return size


def _published(now: datetime) -> Line:
    if elsewhere := publisher.why_not():
        return wrong(_("Pages"), elsewhere)
    ids = Page.objects.published().values_list("public_id", flat=True)
    if not ids:
        return look(_("Pages"), _("There is none that the public sees."))
    missing = [public_id for public_id in ids if not (files.folder(public_id) / "index.html").exists()]
    oldest = max(health.heartbeat_ages(now), default=None)
    if missing or oldest is None or oldest > LATE:
        return wrong(_("Pages"), _("One is not confirmed to be current. Run tick: it says what is in the way."))
    words = _("%(count)s, each confirmed within the last %(age)s seconds")
    return ok(_("Pages"), words % {"count": len(ids), "age": round(oldest)})


def _redis() -> Iterator[Line]:
    if not settings.REDIS_URL:
        yield ok(_("Redis"), _("None is used: files do its work, on one host."))
    elif (found := health.ask_redis()) == "ok":
        yield ok(_("Redis"), _("It answers."))
    else:
        words = _("It %(found)s: messages and timed work wait. Start it, or correct REDIS_URL.")
        yield wrong(_("Redis"), words % {"found": found})


# --- Others -----------------------------------------------------------------------------------------------------------


def pages() -> tuple[list[str], datetime]:
    """What `outside` takes: where readers read, as far as the database tells, and the time."""
    try:
        urls = [] if health.lacks_migrations() else list(Page.objects.published().values_list("url", flat=True))
        return urls, record_time()
    except Error as error:
        if not passing_failure(error):
            raise
        return [], datetime.now(UTC)


def outside(urls: list[str], now: datetime) -> list[Line]:
    """In about `TIMEOUT` seconds, or as long as a name server is silent."""
    with ThreadPoolExecutor(8) as pool:
        site = partial(_address, _("Site"), settings.SITE_URL, "/readyz", now, _why_not_this_site)
        readers = [
            partial(_address, _("Page"), url, "/heartbeat.json", now, partial(_why_not_ours, now)) for url in urls
        ]
        questions: list[Callable[[], Line]] = [_mail, site, *readers]
        return list(pool.map(lambda question: question(), questions))


def _mail() -> Line:
    name = _("Mail")
    backend = get_connection(timeout=TIMEOUT)
    if not isinstance(backend, EmailBackend):
        return look(name, _("It is not sent, but kept in %(folder)s.") % {"folder": settings.EMAIL_FILE_PATH})
    at = f"{settings.EMAIL_HOST}:{settings.EMAIL_PORT}"
    try:
        backend.open()
        assert backend.connection
        code, answer = backend.connection.noop()
        backend.close()
    except (OSError, smtplib.SMTPException) as error:
        words = _("%(at)s: %(reason)s. See SMTP_HOST and what follows it in the settings.")
        return wrong(name, words % {"at": at, "reason": _why(error)})
    if code != 250:
        return wrong(name, f"{at}: {code} {answer.decode(errors='replace')}")
    is_safe = settings.EMAIL_USE_TLS or settings.EMAIL_USE_SSL
    if settings.EMAIL_HOST_USER and not is_safe:
        words = _("%(at)s takes mail, and gets the password unencrypted: set SMTP_STARTTLS or SMTP_TLS.")
        return look(name, words % {"at": at})
    return ok(name, _("%(at)s takes mail from %(sender)s.") % {"at": at, "sender": settings.DEFAULT_FROM_EMAIL})


def _address(what: str, url: str, path: str, now: datetime, why_not: Callable[[Answer], str]) -> Line:
    """What somebody outside meets there: a name, a certificate, and the same files as here."""
    parts, name = urlsplit(url), f"{what} {url}"
    assert parts.hostname
    try:
        rows = socket.getaddrinfo(parts.hostname, None, type=socket.SOCK_STREAM)
    except OSError:
        words = _("Name servers know no %(name)s. Enter it, with this host's address.")
        return wrong(name, words % {"name": parts.hostname})
    try:
        answer = _get(url, path)
    except ssl.SSLCertVerificationError as error:
        return wrong(name, _("Its certificate is not trusted: %(reason)s.") % {"reason": error.verify_message})
    except (OSError, http.client.HTTPException) as error:
        found = ", ".join(sorted({str(row[4][0]) for row in rows}))
        return wrong(name, _("Nothing answers at %(found)s: %(reason)s.") % {"found": found, "reason": _why(error)})
    if why := why_not(answer):
        return wrong(name, why)
    if answer.expires and answer.expires < now + EXPIRES:
        return look(name, _("Its certificate ends on %(day)s. Renew it.") % {"day": f"{answer.expires:%Y-%m-%d}"})
    if parts.scheme == "https" and "Strict-Transport-Security" not in answer.headers:
        return look(name, _("It answers, and lets browsers come without encryption: see HSTS in the settings."))
    return ok(name, _("It answers, and is ours."))


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: http.client.HTTPMessage
    content: Any  # of JSON; None when it is none
    expires: datetime | None  # the certificate


def _get(url: str, path: str) -> Answer:
    parts = urlsplit(url)
    assert parts.hostname
    connect = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    asked = connect(parts.hostname, parts.port, timeout=TIMEOUT)
    with closing(asked):
        asked.connect()
        # TIMEOUT is for each read: whoever answers a byte at a time is cut off.
        cut = Timer(TIMEOUT, asked.sock.shutdown, [socket.SHUT_RDWR])
        cut.start()
        expires = None
        if isinstance(asked.sock, ssl.SSLSocket) and (shown := asked.sock.getpeercert()):
            expires = datetime.fromtimestamp(ssl.cert_time_to_seconds(str(shown["notAfter"])), UTC)
        asked.request("GET", path, headers={"User-Agent": f"incident-portal/{__version__}"})
        try:
            answer = asked.getresponse()
            content = json.loads(answer.read(65_536))
        except ValueError:
            content = None
        finally:
            cut.cancel()
        return Answer(answer.status, answer.headers, content if isinstance(content, dict) else None, expires)


def _why_not_this_site(answer: Answer) -> str:
    if not answer.content or "database" not in answer.content:
        return _("Another program answers there (%(status)s).") % {"status": answer.status}
    if (other := answer.content.get("version", __version__)) != __version__:
        return _("Version %(other)s answers there, and this is %(own)s.") % {"other": other, "own": __version__}
    return ""


def _why_not_ours(now: datetime, answer: Answer) -> str:
    try:
        confirmed_at = datetime.fromisoformat(answer.content["at"])
    except (TypeError, KeyError, ValueError):
        words = _("It does not show this page's files (%(status)s). See the front server's settings.")
        return words % {"status": answer.status}
    if now - confirmed_at > timedelta(seconds=LATE):
        return _("It shows files of %(at)s: another host's, or nobody confirms them.") % {"at": confirmed_at}
    if "Content-Security-Policy" not in answer.headers:
        return _("The front server leaves out the headers that keep readers safe: take them from deploy/nginx.conf.")
    return ""


def _why(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return _("no answer within %(seconds)s seconds") % {"seconds": round(TIMEOUT)}
    return " ".join((getattr(error, "strerror", None) or str(error)).split()).rstrip(".")
