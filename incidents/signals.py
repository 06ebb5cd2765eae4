"""The only hook upward: sent after the commit that recorded outbox events, once for each page touched."""

from __future__ import annotations

from django.dispatch import Signal

event_recorded = Signal()  # provides `page_id`, the primary key of the page whose public face may have changed
