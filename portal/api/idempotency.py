"""A write that was sent twice is done once: `Idempotency-Key`."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from hashlib import sha256

from django.db import transaction
from django.utils.translation import gettext as _
from rest_framework.exceptions import ValidationError
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from incidents.models import ApiKey
from incidents.record_time import record_time
from portal.api.errors import Reused
from portal.models import KeptAnswer
from status.secrets import decrypt, encrypt

HEADER = "Idempotency-Key"
KEPT_FOR = timedelta(days=1)


def once(key: ApiKey, request: Request, handler: Callable[[], Response]) -> Response:
    """What `handler` answers, or answered when the same key sent this request first.

    The effect and its answer are saved in one transaction, so a repetition finds both or neither; one that comes at the
    same time waits at the unique constraint. A refusal is not kept: nothing was written, and the next try may succeed.
    """
    name = request.headers[HEADER]
    if not (0 < len(name) <= 255 and name.isprintable()):
        raise ValidationError(_("An Idempotency-Key has 1 to 255 printable characters."))
    digest = sha256("\n".join((request.method or "", request.get_full_path(), "")).encode() + request.body).hexdigest()
    mine = KeptAnswer.objects.filter(key=key)
    with transaction.atomic():
        mine.filter(created_at__lt=record_time() - KEPT_FOR).delete()
        kept, is_new = KeptAnswer.objects.get_or_create(key=key, idempotency_key=name, defaults={"digest": digest})
        if is_new:
            response = handler()
            kept.status = response.status_code
            kept.content = encrypt(JSONRenderer().render(response.data).decode())
            kept.save()
            return response
    if kept.digest != digest:
        raise Reused(_("This Idempotency-Key came with another request before. Use a new one for each write."))
    return Response(json.loads(decrypt(kept.content) or "null"), kept.status, headers={"Idempotent-Replayed": "true"})
