"""What takes long and is not ours: asking somebody outside, or a publication. It holds up nobody else's request.

Few requests may use the database at once. One that must ask somebody outside ends where it asks: its transaction is
rolled back, its slot is free while the other side is waited for, and then it begins anew, with the answer.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from concurrent.futures import Future, wait
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from threading import Semaphore, Thread
from typing import Any, TypeVar

T = TypeVar("T")

Answers = dict[Hashable, Future[Any]]


@dataclass(frozen=True, slots=True)
class _Held:
    slot: ExitStack
    answers: Answers


_held: ContextVar[_Held | None] = ContextVar("held", default=None)


class Unasked(Exception):
    """Whoever let this request have a slot takes it back, calls `ask`, and lets it begin anew."""

    def __init__(self, name: Hashable, question: Callable[[], Any], seconds: float) -> None:
        super().__init__(name)
        self.name, self.question, self.seconds = name, question, seconds

    def ask(self, answers: Answers, places: Semaphore) -> bool:
        """Wait for the answer; False when none of `places` is free. One is taken for as long as the answer takes."""
        if not places.acquire(blocking=False):
            return False
        answer = answers[self.name] = Future[Any]()
        # A thread of its own: nothing can end one that waits for a name server, and no stop of ours waits for it.
        Thread(target=self._answer, args=(answer, places), name="outside", daemon=True).start()
        wait([answer], self.seconds)
        return True

    def _answer(self, answer: Future[Any], places: Semaphore) -> None:
        try:
            answer.set_result(self.question())
        except Exception as error:  # noqa: BLE001  (raised below, in the thread that asked)
            answer.set_exception(error)
        finally:
            places.release()


def ask(name: Hashable, question: Callable[[], T], *, seconds: float) -> T:
    """What `question` returns or raises; in a request a TimeoutError when that takes longer than `seconds`."""
    held = _held.get()
    if held is None:
        return question()
    if name not in held.answers:
        raise Unasked(name, question, seconds)
    answer: T = held.answers[name].result(0)
    return answer


def give_back_slot() -> None:
    """For what comes after all that others wait for: this request needs its slot no more."""
    if held := _held.get():
        held.slot.close()


@contextmanager
def holding(slot: ExitStack, answers: Answers) -> Iterator[None]:
    """In the block a request holds a slot, and knows these answers."""
    token = _held.set(_Held(slot, answers))
    try:
        yield
    finally:
        _held.reset(token)
