"""How long tests wait: for a condition, never for a time, and as long as this machine needs.

A limit is written as what would be plenty on two quiet cores. It is stretched by how much slower this machine is: what
a piece of work took when the run began, and how many processes want each processor just now.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")

QUIET = 0.07  # seconds that the piece of work takes on a quiet machine
MOST = 30.0  # times slower than that: a test that hangs there must still end
MEASURED = "TESTS_SLOWNESS"  # in the environment, for all processes of a run


class Expired(AssertionError):
    """What a test waited for did not come."""


def measure() -> None:
    """Find out how slow this machine is; once, by the process that begins a run."""
    taken = []
    for _round in range(3):
        started = time.perf_counter()
        subprocess.run([sys.executable, "-I", "-S", "-c", "sum(n * n for n in range(1_000_000))"], check=True)
        taken.append(time.perf_counter() - started)
    os.environ[MEASURED] = f"{max(taken) / QUIET:.1f}"


def slowness() -> float:
    """How many times as long as on a quiet machine something takes, at least 1."""
    crowd = os.getloadavg()[0] / (os.cpu_count() or 1)
    return min(MOST, max(1.0, crowd, float(os.environ.get(MEASURED, "1"))))


def stretched(seconds: float) -> float:
    return seconds * slowness()


def until(condition: Callable[[], T], seconds: float = 30) -> T:
    """What `condition` returns, once it is something; raises `Expired`."""
    started = time.monotonic()
    while not (found := condition()):
        waited = time.monotonic() - started
        if waited > stretched(seconds):
            raise Expired(f"waited {waited:.0f} s in vain")
        time.sleep(0.05)
    return found


@contextmanager
def within(seconds: float, *, at_least: float = 0) -> Iterator[None]:
    """What is done inside takes no longer, on a quiet machine; and no less, on any."""
    started = time.monotonic()
    yield
    taken = time.monotonic() - started
    assert at_least <= taken < stretched(seconds), f"it took {taken:.2f} s"


def let_pass(seconds: float) -> None:
    """Wait where there is no condition: that nothing happens, or that a fault lasts so long."""
    time.sleep(seconds)
