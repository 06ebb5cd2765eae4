"""Sent after the commit that recorded an outbox event, once for each event; `status` publishes on it."""

from __future__ import annotations

from django.dispatch import Signal

event_recorded = Signal()  # provides `page_id`, the primary key of the page whose public face may have changed
