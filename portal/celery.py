"""The clock and the workers: Celery over Redis, or over files where REDIS_URL is not set.

Rows are the queue and a task is only a wake-up: it takes no arguments, may run twice or be lost, and the next tick
does what it left. So nothing is stored about tasks, and nothing here must survive a restart.
"""

from __future__ import annotations

import logging
import math
import os
import time
import warnings
from datetime import UTC, datetime
from threading import Lock, Thread
from typing import Any

from celery import Celery, Task, signals
from celery.exceptions import SecurityWarning
from celery.schedules import schedule
from django.conf import settings
from kombu.transport import TRANSPORT_ALIASES

from portal.embedded.supervisor import die_with_parent

logger = logging.getLogger(__name__)

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
# They load every address, admin and serializer: thirty megabytes that no worker needs. `migrate` makes them as well.
os.environ.setdefault("CELERY_SKIP_CHECKS", "1")
# About messages that run code when a worker reads them; here they are JSON.
warnings.filterwarnings("ignore", category=SecurityWarning)
TRANSPORT_ALIASES["portalfs"] = "portal.embedded.broker:Transport"

# The clock's work, in the order in which `incident-portal tick` does it, and how many seconds pass between two times
EVERY = {
    "incidents.tasks.advance": 2,
    "status.tasks.relay": 2,
    "status.tasks.owe": 2,
    "status.tasks.history": 2,
    "portal.tasks.mail": 2,
    "status.tasks.nudge": 5,
    "status.tasks.chat": 5,
    "status.tasks.deliver": 2,
    "status.tasks.post": 2,
    "status.tasks.heartbeat": 60,
    "status.tasks.heal": 60,
    "status.tasks.draw": 60,
    "status.tasks.sweep": 60,
    "incidents.tasks.sweep": 60,
    "portal.tasks.sweep": 60,
    "incidents.tasks.seal": 60,
}

SILENCE = 600  # seconds without a tick after which a process ends, for whoever started it to start it again


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
            task: {"task": task, "schedule": schedule(seconds, nowfun=_steady)} for task, seconds in EVERY.items()
        },
    }


class Tick(Task):  # type: ignore[type-arg]  # it takes none when it runs
    """A piece of the clock's work. A tick is dropped while another one is at it, and right behind one.

    So no slow piece takes all the threads of a worker, and a worker that comes back is through with the thousands that
    wait for it in a moment. (Celery's `expires` asks how old a tick is by the clocks of two hosts.)
    """

    began = -math.inf
    last = math.inf  # when one of any kind began, or was sent off, in this process

    def __init__(self) -> None:
        self.running = Lock()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        Tick.last = time.monotonic()
        if time.monotonic() < self.began + EVERY.get(self.name, 0) / 2 or not self.running.acquire(blocking=False):
            return None
        try:
            self.began = time.monotonic()
            return super().__call__(*args, **kwargs)
        finally:
            self.running.release()


def _steady() -> datetime:
    """A time that goes on evenly, whatever becomes of this host's clock: else no tick comes while a step back lasts."""
    return datetime.fromtimestamp(time.monotonic(), UTC)


app = Celery("portal", task_cls=Tick)
app.add_defaults(configuration)
app.autodiscover_tasks()


@signals.after_task_publish.connect
def _note_tick(**kwargs: Any) -> None:
    Tick.last = time.monotonic()


@signals.worker_ready.connect
@signals.beat_init.connect
def _watch(**kwargs: Any) -> None:
    """A worker all of whose threads hang, or a clock that does, looks alive to who started it."""
    Tick.last = time.monotonic()
    Thread(target=_end_in_silence, daemon=True).start()


def _end_in_silence() -> None:
    while time.monotonic() < Tick.last + SILENCE:
        time.sleep(1)
    logger.error("No tick has come through for %d seconds, so this process ends, to be started again.", SILENCE)
    os._exit(1)


@signals.worker_shutting_down.connect
def _stop_sending(**kwargs: Any) -> None:
    """Else it would go on for longer than whoever ends it waits, and what it has claimed would wait for minutes."""
    from status.delivery import engine  # the models are ready by now

    engine.stopping.set()


@signals.beat_embedded_init.connect
def _end_with_the_worker(**kwargs: Any) -> None:
    """A worker killed with its clock inside must not leave a second clock behind."""
    die_with_parent()
