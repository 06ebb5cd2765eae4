"""The clock and the workers: Celery over Redis, or over files where REDIS_URL is not set.

Rows are the queue and a task is only a wake-up: it takes no arguments, may run twice or be lost, and the next tick
does what it left. So nothing is stored about tasks, and nothing here must survive a restart.
"""

from __future__ import annotations

import os
import warnings
from typing import Any

from celery import Celery, signals
from celery.exceptions import SecurityWarning
from django.conf import settings
from kombu.transport import TRANSPORT_ALIASES

from portal.embedded.supervisor import die_with_parent

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
# They load every address, admin and serializer: thirty megabytes that no worker needs. `migrate` makes them as well.
os.environ.setdefault("CELERY_SKIP_CHECKS", "1")
# About messages that run code when a worker reads them; here they are JSON.
warnings.filterwarnings("ignore", category=SecurityWarning)
TRANSPORT_ALIASES["portalfs"] = "portal.embedded.broker:Transport"

# The clock's work, in the order in which `manage.py tick` does it once, and how many seconds pass between two times
EVERY = {
    "incidents.tasks.advance": 2,
    "status.tasks.relay": 2,
    "portal.tasks.mail": 2,
    "status.tasks.nudge": 5,
    "status.tasks.chat": 5,
    "status.tasks.deliver": 2,
    "status.tasks.post": 2,
    "status.tasks.heartbeat": 60,
    "status.tasks.draw": 60,
    "status.tasks.sweep": 60,
    "incidents.tasks.sweep": 60,
    "incidents.tasks.seal": 60,
}


def configuration() -> dict[str, Any]:
    options: dict[str, Any]
    if settings.REDIS_URL:
        # Measured: without a timeout a frozen Redis holds the clock for half a minute, or for ever.
        options = {"socket_timeout": 2, "socket_connect_timeout": 2}
    else:
        options = {"folder": settings.BROKER_DIR}
    return {
        "broker_url": settings.REDIS_URL or "portalfs://localhost",
        "broker_transport_options": options,
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        "task_serializer": "json",
        "accept_content": ["json"],
        "task_ignore_result": True,
        "worker_prefetch_multiplier": 1,
        "worker_enable_remote_control": False,
        "worker_hijack_root_logger": False,
        "beat_scheduler": "celery.beat.Scheduler",  # keeps no file
        "beat_schedule": {
            # A tick that waited long is dropped: a worker that comes back finds a few, not thousands.
            task: {"task": task, "schedule": seconds, "options": {"expires": max(10, seconds)}}
            for task, seconds in EVERY.items()
        },
    }


app = Celery("portal")
app.add_defaults(configuration)
app.autodiscover_tasks()


@signals.beat_embedded_init.connect
def _end_with_the_worker(**kwargs: Any) -> None:
    """A worker killed with its clock inside must not leave a second clock behind."""
    die_with_parent()
