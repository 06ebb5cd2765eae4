"""Published files over HTTP from this process: the embedded mode. In production a front server reads the same files.

Runs before everything else: no session, no database, no other middleware's opinion.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseNotModified, HttpResponsePermanentRedirect
from django.utils.http import http_date, parse_http_date_safe

from status.publication import prefixes
from status.requests import ASKED_HOST, ASKED_PAGE, host_name

SAFE = re.compile(r"^(?:[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*/)*[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*$")
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".json": "application/json; charset=utf-8",
    ".atom": "application/atom+xml; charset=utf-8",
    ".rss": "application/rss+xml; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".ics": "text/calendar; charset=utf-8",
    ".ndjson": "application/x-ndjson; charset=utf-8",
}
OPEN_DATA = (".json", ".ndjson", ".atom", ".rss", ".ics", ".svg", ".js")  # other sites may read these
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Vary": "Accept-Encoding",
}


def content_type(name: str) -> str:
    return TYPES.get(Path(name).suffix, "application/octet-stream")


class PublishedFilesMiddleware:
    """Answers GET and HEAD for published files, 404 in the page's own words, and 410 for a page that was deleted."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self._answer(request)
        if settings.HSTS and request.is_secure():  # by http nobody may say so (RFC 6797)
            response["Strict-Transport-Security"] = settings.HSTS
        return response

    def _answer(self, request: HttpRequest) -> HttpResponse:
        if prefixes.is_for_subscribers(request.path_info):
            if settings.SECURE_SSL_REDIRECT and not request.is_secure():
                return _by_https(request)
            _name_page(request)
            return self.get_response(request)
        if request.method not in ("GET", "HEAD") or prefixes.is_for_staff_or_programs(request.path_info):
            return self.get_response(request)
        root = _root(_host_name(request))
        if root is None:
            return self.get_response(request)
        if found := _find(root, request.path_info):
            return _send(request, root / found, found)
        gone = ".gone.json" if request.path_info.endswith(".json") else ".gone.html"
        if (root / gone).is_file():
            return _send(request, root / gone, gone, status=410)
        return _send(request, root / "404.html", "404.html", status=404)


def _by_https(request: HttpRequest) -> HttpResponse:
    """The same address, encrypted; Django would lead to the host that staff use."""
    name = _host_name(request)
    if not SAFE.match(name):
        return HttpResponse("Not a host name\n", status=400, content_type="text/plain; charset=utf-8")
    return HttpResponsePermanentRedirect(f"https://{name}{request.get_full_path()}")


def _name_page(request: HttpRequest) -> None:
    """Say which page is published here. Django's list of hosts is of those that staff use, and these are others."""
    root = _root(_host_name(request))
    request.META |= {
        ASKED_HOST: request.META.get("HTTP_HOST", ""),
        ASKED_PAGE: root.resolve().name if root else "",
        "HTTP_HOST": urlsplit(settings.SITE_URL).netloc,
    }


def _host_name(request: HttpRequest) -> str:
    """That was asked, as nginx has it in `$host`."""
    return host_name(str(request.META.get("HTTP_HOST", "")))


def _root(host: str) -> Path | None:
    """The folder of whose host name this is, else of the default page or of nobody; None before any publication."""
    hosts = Path(settings.PUBLICATION_ROOT) / "hosts"
    for candidate in (host, "_default"):
        if SAFE.match(candidate) and (hosts / candidate).exists():
            return hosts / candidate
    return None


def _find(root: Path, path: str) -> str | None:
    path = path.strip("/") or "index.html"
    if not SAFE.match(path):
        return None
    return next((name for name in (path, f"{path}.html") if (root / name).is_file()), None)


def _items(header: str) -> list[str]:
    return [item.strip() for item in header.split(",")]


def _send(request: HttpRequest, file: Path, name: str, *, status: int = 200) -> HttpResponse:
    accepted = _items(request.META.get("HTTP_ACCEPT_ENCODING", ""))
    is_gzipped = any(re.fullmatch(r"gzip(?:;q=(?!0(?:\.0*)?$).*)?", item) for item in accepted)
    for candidate in [Path(f"{file}.gz"), file] if is_gzipped else [file]:
        try:
            with candidate.open("rb") as handle:
                stat, content = os.fstat(handle.fileno()), handle.read()
        except FileNotFoundError:  # replaced or withdrawn this very moment
            continue
        break
    else:
        return HttpResponse("Not found\n", status=404, content_type="text/plain; charset=utf-8")
    is_gzipped = candidate != file
    etag = f'"{stat.st_mtime_ns:x}-{stat.st_size:x}"'
    since = parse_http_date_safe(request.META.get("HTTP_IF_MODIFIED_SINCE", ""))
    match = request.META.get("HTTP_IF_NONE_MATCH")
    is_known = etag in _items(match) if match else since is not None and int(stat.st_mtime) <= since
    suffix = Path(name).suffix
    headers = HEADERS | {
        "ETag": etag,
        "Last-Modified": http_date(stat.st_mtime),
        "Cache-Control": "public, max-age=31536000, immutable" if name.startswith("assets/") else "no-cache",
    }
    if suffix in OPEN_DATA and not name.startswith("assets/"):
        headers["Access-Control-Allow-Origin"] = "*"
    if is_known and status == 200:
        return HttpResponseNotModified(headers=headers)
    headers["Content-Length"] = str(len(content))
    if is_gzipped:
        headers["Content-Encoding"] = "gzip"
    return HttpResponse(content, status=status, content_type=content_type(name), headers=headers)
