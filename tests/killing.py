"""Ends a process in the middle of what it does, as a power cut or an impatient operator would."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from itertools import count
from typing import Any

from django.db import connection

FILE_EVENTS = ("open", "os.rename", "fcntl.flock")


def killed(run: Callable[[], object], *, step: int = 1, at: str = "") -> bool:
    """Whether a process of its own that does `run` had got so far: there it is killed, at a statement or a file.

    It is killed before the step-th of those in whose words `at` is.
    """
    connection.close()
    if not (child := os.fork()):
        steps = count(1)

        def go_on(event: str, words: object) -> None:
            if event in FILE_EVENTS and at in f"{event} {words}" and next(steps) == step:
                os.kill(os.getpid(), signal.SIGKILL)

        def execute(execute: Callable[..., Any], statement: Any, *arguments: Any) -> Any:
            go_on("open", statement)
            return execute(statement, *arguments)

        try:
            connection.execute_wrappers.append(execute)
            sys.addaudithook(go_on)
            run()
        finally:
            os._exit(0)
    return os.waitpid(child, 0)[1] == signal.SIGKILL
