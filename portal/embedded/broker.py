"""A Celery broker made of files, so that the embedded mode needs no server: one message is one file in a folder.

Every message put is read exactly once, whole, by one of any number of processes on one host. kombu's own
`filesystem` transport writes its files in the open, so a reader can take half a message, which ends a Celery worker.
"""

from __future__ import annotations

import uuid
from pathlib import Path
from queue import Empty
from time import time_ns
from typing import Any

from kombu.transport import virtual
from kombu.utils.json import dumps, loads


class Channel(virtual.Channel):
    """Keeps a queue as a folder below the transport option `folder`; names that begin with a dot are not messages."""

    folder: str
    from_transport_options = (*virtual.Channel.from_transport_options, "folder")

    def _new_queue(self, queue: str, **kwargs: Any) -> None:
        Path(self.folder, queue).mkdir(mode=0o700, parents=True, exist_ok=True)

    def _put(self, queue: str, message: dict[str, Any], **kwargs: Any) -> None:
        name = f"{time_ns():020d}-{uuid.uuid4()}"
        written = Path(self.folder, queue, f".{name}")
        written.write_text(dumps(message))
        written.rename(written.with_name(name))

    def _get(self, queue: str, timeout: float | None = None) -> dict[str, Any]:
        for file in self._messages(queue):
            taken = file.with_name(f".{file.name}.taken")
            try:
                file.rename(taken)
            except FileNotFoundError:  # another worker was faster
                continue
            message: dict[str, Any] = loads(taken.read_text())
            taken.unlink()
            return message
        raise Empty

    def _size(self, queue: str) -> int:
        return len(self._messages(queue))

    def _purge(self, queue: str) -> int:
        messages = self._messages(queue)
        for file in messages:
            file.unlink(missing_ok=True)
        return len(messages)

    def _messages(self, queue: str) -> list[Path]:
        """Oldest first."""
        return sorted(file for file in Path(self.folder, queue).iterdir() if not file.name.startswith("."))


class Transport(virtual.Transport):
    Channel = Channel
    polling_interval = 0.2  # seconds between looks into an empty folder
    driver_type = driver_name = "files"
