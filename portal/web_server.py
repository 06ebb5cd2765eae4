"""How gunicorn serves the portal: `incident-portal up` starts it so."""

from __future__ import annotations

from logging import Formatter
from pathlib import Path
from typing import Any

from gunicorn import glogging, sock
from gunicorn.arbiter import Arbiter

from portal import environment, logs


class Logger(glogging.Logger):
    """gunicorn's own, with its lines formatted as all others are: the address of a request may hold a key."""

    def _set_handler(self, log: Any, output: str, fmt: Formatter, stream: Any = None) -> None:
        is_json = environment.choice("LOG_FORMAT", logs.FORMATS) == "json"  # before there are settings
        own = logs.JsonFormatter() if is_json else logs.Formatter(fmt._fmt, fmt.datefmt)
        super()._set_handler(log, output, own, stream)


def on_starting(server: Arbiter) -> None:
    """Listen in a way that lets the next version listen as well, before this one ends: `up --beside`."""
    server.cfg.set("reuse_port", True)
    server.LISTENERS = sock.create_sockets(server.cfg, server.log)
    server.cfg.set("reuse_port", False)  # else each worker listens by itself, and what waits for one dies with it


preload_app = True  # who listens answers: what connects does not wait for the software to be read
worker_class = "gthread"
threads = 30  # portal.middleware lets 28 wait for the database or for their turn, so that health checks are answered
control_socket_disable = True
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108  (else a busy disk makes them look dead)
logger_class = Logger
# Not by whom: who reads is nobody's business, and whoever tries to sign in is in the log of that.
access_log_format = '%(t)s "%(r)s" %(s)s %(b)s %(M)sms "%(a)s"'
