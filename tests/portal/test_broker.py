"""The broker made of files, and the clock that runs over it."""

from __future__ import annotations

import multiprocessing
import os
import time
from datetime import timedelta
from pathlib import Path
from queue import Empty

import pytest
import time_machine
from celery import Celery
from kombu import Connection

from portal.celery import EVERY, Tick, app
from tests.waiting import stretched

pytestmark = pytest.mark.processes

SENDERS, READERS, MESSAGES = 2, 2, 40
TEXT = "x" * 2_000_000  # takes long enough to write that somebody would read a half-written one


def connection(folder: Path) -> Connection:
    return Connection("portalfs://localhost", transport_options={"folder": folder})


def send(folder: Path, first: int) -> None:
    with connection(folder).SimpleQueue("celery") as queue:
        for number in range(first, first + MESSAGES):
            queue.put({"number": number, "text": TEXT})


def read(folder: Path, seen: Path) -> None:
    """Write down the numbers read until none came for a second."""
    numbers, last = [], time.monotonic()
    with connection(folder).SimpleQueue("celery", no_ack=True) as queue:
        while time.monotonic() < last + stretched(1):
            try:
                message = queue.get(block=False)
            except Empty:
                continue
            assert message.payload["text"] == TEXT
            numbers.append(message.payload["number"])
            last = time.monotonic()
    (seen / str(os.getpid())).write_text(" ".join(map(str, numbers)))


@pytest.mark.slow
@pytest.mark.timeout(60)
def test_several_processes_read_every_message_once_and_whole(tmp_path: Path) -> None:
    folder, seen = tmp_path / "broker", tmp_path / "seen"
    seen.mkdir()
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=read, args=(folder, seen)) for _ in range(READERS)]
    processes += [context.Process(target=send, args=(folder, n * MESSAGES)) for n in range(SENDERS)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        assert process.exitcode == 0
    numbers = [int(number) for file in seen.iterdir() for number in file.read_text().split()]
    assert sorted(numbers) == list(range(SENDERS * MESSAGES))
    assert list((folder / "celery").iterdir()) == []


def test_messages_come_in_the_order_they_were_sent_and_are_for_this_user_alone(tmp_path: Path) -> None:
    with connection(tmp_path).SimpleQueue("celery", no_ack=True) as queue:
        for number in range(5):
            queue.put({"number": number})
        assert queue.qsize() == 5
        assert (tmp_path / "celery").stat().st_mode & 0o077 == 0
        assert [queue.get(block=False).payload["number"] for _ in range(5)] == list(range(5))
        queue.put({"number": 5})
        assert queue.clear() == 1
        assert queue.qsize() == 0


def test_every_tick_names_a_task_that_exists_and_has_no_age_for_it_would_be_told_by_two_hosts_clocks() -> None:
    app.loader.import_default_modules()
    for entry in app.conf.beat_schedule.values():
        assert entry["task"] in app.tasks
        assert "options" not in entry


def test_of_ticks_that_waited_one_does_the_work_and_those_right_behind_it_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(EVERY, "tests.tick", 60)
    done = list[None]()

    @Celery(task_cls=Tick, set_as_current=False).task(name="tests.tick", shared=False)
    def task() -> None:
        done.append(None)

    for _number in range(3):
        task()
    assert len(done) == 1
    task.began -= 60  # time goes by
    task()
    assert len(done) == 2


def test_a_clock_that_steps_back_is_no_pause_of_the_ticks() -> None:
    (every, *_others) = app.conf.beat_schedule.values()
    with time_machine.travel(0):
        before = every["schedule"].now()
    assert every["schedule"].now() >= before
    assert every["schedule"].is_due(before - timedelta(minutes=1)).is_due


def test_a_task_takes_no_arguments_so_that_losing_it_loses_nothing() -> None:
    app.loader.import_default_modules()
    own = [task for name, task in app.tasks.items() if not name.startswith("celery.")]
    assert own
    assert not [task.name for task in own if task.run.__code__.co_argcount]
