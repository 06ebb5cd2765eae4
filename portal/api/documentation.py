"""The OpenAPI document, and what it says beside what it learns from the views: the public v2, and examples of all."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.settings import patched_settings
from rest_framework.renderers import JSONRenderer

from portal.api.idempotency import HEADER

DESCRIPTION = _("""
Two interfaces, both in the shapes of Atlassian Statuspage, so that programs written for it work here when their base
address is changed.

**Reading, for everybody**: `/api/v2/...` on the address of a status page. No key, any origin, and no limit: these are
files, written when something changes, with an `ETag`.

**Writing, with a key**: `/api/v1/...` on the address of this site. Staff make keys in the admin, with scopes (`read`,
`incidents`, `components`, `subscribers`, `admin`), for one page or all, and until some day or for good. Send the key
as `Authorization: OAuth <key>`, or `Bearer`; what it writes is recorded in its name. Each answer says how many
requests are left: `RateLimit-Limit`, `RateLimit-Remaining` and `RateLimit-Reset`, in seconds.

- Bodies are JSON like `{"incident": {"name": "..."}}`, with or without a `Content-Type`, or forms like
  `incident[name]=...`. Every path works with `.json` at its end, too.
- A refusal is `{"error": "a sentence"}`, and then nothing was written: 401 without a key that fits, 403 when its
  scopes or page do not, 404, 409 and 412 when somebody else was faster, 422 for what cannot be, 429 with
  `Retry-After`, and 501 for what Statuspage has and this product does not.
- Lists that Statuspage has are read by `page` and `per_page`. Those that we add answer `results` and `next`, the
  address of what comes after them, which the header `Link` has, too: what is added meanwhile moves nothing.
- Send every write with an `Idempotency-Key`, such as a UUID: it is done once, however often it is sent within a day.
  After a timeout, a lost connection or a 504 it may have been done; send it again with the same key, and be sure. A 503
  says that nothing was done.
- A single object has an `ETag`. Send it back as `If-Match`, and a write over somebody else's change is answered 412,
  with how the object is now in `current`.
""")

TAGS = (
    *("pages", "components", "component groups", "uptime", "incidents", "incident updates"),
    *("postmortems", "timeline", "incident templates", "subscribers", "metrics", "status embed", "audit"),
    "public (v2)",
)
EXAMPLES: dict[str, dict[str, Any]] = json.loads((Path(__file__).parent / "examples.json").read_text())
V2 = {
    "summary.json": _("How everything is now, with what is open and what is ahead"),
    "status.json": _("One word and one sentence"),
    "components.json": _("Every component, each group right before its own"),
    "incidents.json": _("The 50 newest incidents"),
    "incidents/unresolved.json": _("The incidents that are open"),
    "incidents/{incident_id}.json": _("One incident or maintenance"),
    "scheduled-maintenances.json": _("The 50 newest maintenances"),
    "scheduled-maintenances/upcoming.json": _("The maintenances that have not begun"),
    "scheduled-maintenances/active.json": _("The maintenances that are in progress or verifying"),
}


REFUSED = {
    "400": (_("The body cannot be read."), "The body is not JSON: it goes wrong in line 1 at character 14."),
    "401": (_("There is no key, or none that fits."), "This key has expired. Ask an administrator for another."),
    "403": (
        _("The key does not open this."),
        "This key is for another page. Ask an administrator for one of this page.",
    ),
    "404": (_("It is not on this page."), "There is no such thing here. Ask for the list of them to see their ids."),
    "409": (_("Somebody else was faster."), "The text was changed since you read it. Read it again, then approve it."),
    "412": (
        _("It is not as `If-Match` says; `current` is how it is."),
        "Somebody has changed this since you read it. Look at “current”, and decide anew.",
    ),
    "413": (_("The body is too large."), "The request is larger than the 5 MB that are allowed. Nothing was saved."),
    "422": (_("It cannot be so."), 'incident.status: "fixed" is not a valid choice.'),
    "429": (
        _("This minute's requests are used up; `Retry-After` says for how long."),
        "Request was throttled. Expected available in 40 seconds.",
    ),
    "501": (_("Statuspage has this, and this product does not."), "Pages are public here."),
    "503": (
        _("The database is away; `Retry-After` says for how long."),
        "The database did not answer in time. Nothing was saved. Try again in a moment.",
    ),
    "504": (
        _("It may have been done: send it again with the same `Idempotency-Key`, or look."),
        "It may have been saved. Look before you send it again. With the same Idempotency-Key it is done once.",
    ),
}
IDEMPOTENCY_KEY = {
    "name": HEADER,
    "in": "header",
    "description": str(_("The same write with the same key is done once.")),
    "schema": {"type": "string", "maxLength": 255},
    "example": "7d3f0c5e-6a55-4a53-9d5a-3a3d6f1c2b41",
}
WRITES = ("post", "put", "patch", "delete")


def complete(result: dict[str, Any], **_kwargs: Any) -> dict[str, Any]:
    """drf-spectacular's hook: add what no view of Django serves, and examples that were answers once."""
    for name, schema in result["components"]["schemas"].items():
        if example := EXAMPLES["v1"].get(name, EXAMPLES["v1"].get(name.removeprefix("Patched"))):
            schema["example"] = example
    for method, operation in (each for path in result["paths"].values() for each in path.items()):
        if method in WRITES:
            operation.setdefault("parameters", []).append(IDEMPOTENCY_KEY)
        if body := operation.get("requestBody"):  # forms are for old clients; generators stumble over three kinds
            body["content"] = {"application/json": body["content"]["application/json"]}
        for code in REFUSED.keys() & operation["responses"].keys():
            summary, sentence = REFUSED[code]
            response = operation["responses"][code]
            response["description"] = str(summary)
            response["content"]["application/json"]["example"] = {"error": sentence}
    for name, summary in V2.items():
        example = EXAMPLES["v2"][name]
        parameter = {"name": "incident_id", "in": "path", "required": True, "schema": {"type": "string"}}
        result["paths"][f"/api/v2/{name}"] = {
            "get": {
                "operationId": "v2_" + "".join(each if each.isalpha() else "_" for each in name.removesuffix(".json")),
                "summary": str(summary),
                "tags": ["public (v2)"],
                "security": [{}],
                "parameters": [parameter] if "{incident_id}" in name else [],
                "responses": {
                    "200": {
                        "description": "",
                        "content": {"application/json": {"schema": _shape(example), "example": example}},
                    }
                },
            }
        }
    return result


def _shape(example: Any) -> dict[str, Any]:
    """The schema of what looks like this."""
    match example:
        case dict():
            shapes = {name: _shape(value) for name, value in example.items()}
            return {"type": "object", "properties": shapes, "required": list(shapes)}
        case list():
            return {"type": "array", "items": _shape(example[0]) if example else {}}
        case bool():
            return {"type": "boolean"}
        case int():
            return {"type": "integer"}
        case str():
            return {"type": "string"}
    return {}


SETTINGS: dict[str, Any] = {
    "DESCRIPTION": DESCRIPTION,
    "TAGS": [{"name": name} for name in TAGS],
    "POSTPROCESSING_HOOKS": ["drf_spectacular.hooks.postprocess_schema_enums", "portal.api.documentation.complete"],
}


@cache
def _document() -> bytes:
    with patched_settings(SETTINGS):
        document = SchemaGenerator().get_schema(public=True)  # type: ignore[no-untyped-call]
    return JSONRenderer().render(document)


_lock = Lock()  # what it takes to make it is the process's, and takes a second


@require_safe
def schema(request: HttpRequest) -> HttpResponse:
    """The OpenAPI document: made once, and the same for everybody."""
    with _lock:
        content = _document()
    return HttpResponse(content, content_type="application/vnd.oai.openapi+json")


class SchemaMiddleware:
    """Answers with the document before anybody takes a share; only who has it made takes a stranger's."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        is_made = _document.cache_info().currsize == 1
        return schema(request) if is_made and request.path_info == "/api/schema" else self.get_response(request)
