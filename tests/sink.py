"""A mail server of the tests' own: a real SMTP server on loopback that keeps what it takes, and may be difficult."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from ssl import SSLContext

from tests.waiting import stretched


@dataclass(slots=True)
class Received:
    sender: str
    recipient: str
    content: bytes
    session: int  # the connection on which it came

    @property
    def message(self) -> EmailMessage:
        return message_from_bytes(self.content, _class=EmailMessage, policy=default)

    @property
    def message_id(self) -> str:
        head = self.content.partition(b"\r\n\r\n")[0].decode()
        return next(line for line in head.split("\r\n") if line.lower().startswith("message-id:")).split(": ")[1]


@dataclass(slots=True)
class Sink:
    """Set its fields at any time; commands are answered by what they say then.

    `answers` maps the beginning of a command ("RCPT TO:<bad@"), or "CONTENT", to what is said instead of yes; "" for
    silence.
    """

    port: int = 0
    received: list[Received] = field(default_factory=list)
    answers: dict[str, str] = field(default_factory=dict)
    extensions: list[str] = field(default_factory=lambda: ["PIPELINING", "ENHANCEDSTATUSCODES"])
    logins: list[str] = field(default_factory=list)
    sessions: int = 0
    commands: list[str] = field(default_factory=list)
    mails_per_session: int = 0  # 0: any number
    tls: SSLContext | None = None  # from the first byte, unless STARTTLS is among the extensions
    is_lax: bool = False  # whether it waits for a message that has no recipient, as RFC 2920 allows
    is_refusing: bool = False  # whether it hangs up on whoever connects, and on whoever is there

    def ids(self) -> Counter[str]:
        """How often each Message-ID arrived."""
        return Counter(mail.message_id for mail in self.received)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.sessions += 1
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                await _Session(self, reader, writer, self.sessions).run()
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()


class _Session:
    def __init__(self, sink: Sink, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        self.sink, self.reader, self.writer, self.number = sink, reader, writer, number
        self.sender = self.recipient = ""
        self.taken = 0

    async def run(self) -> None:
        if self.sink.is_refusing:
            return
        if self.sink.tls and "STARTTLS" not in self.sink.extensions:
            await self.writer.start_tls(self.sink.tls)
        await self.say("220 sink")
        while (line := (await self.reader.readline()).decode().strip()) and not self.sink.is_refusing:
            self.sink.commands.append(line)
            if not await self.answer(line):
                return

    async def answer(self, line: str) -> bool:
        verb = line[:4].upper()
        other = next((said for start, said in self.sink.answers.items() if line.startswith(start)), None)
        if other is not None:
            if other:
                await self.say(other)
        elif verb == "EHLO":
            lines = ["sink", *self.sink.extensions]
            await self.say("\r\n".join([*(f"250-{each}" for each in lines[:-1]), f"250 {lines[-1]}"]))
        elif verb == "STAR" and self.sink.tls:
            await self.say("220 go ahead")
            await self.writer.start_tls(self.sink.tls)
        elif verb == "AUTH":
            await self.log_in(line)
        elif verb == "DATA":
            return await self.take()
        elif verb == "QUIT":
            await self.say("221 bye")
            return False
        else:
            if verb == "MAIL":
                self.sender, self.recipient = _address(line), ""
            elif verb == "RCPT":
                self.recipient = _address(line)
            elif verb == "RSET":
                self.sender = self.recipient = ""
            await self.say("250 2.0.0 ok")
        return True

    async def log_in(self, line: str) -> None:
        words = line.split()[1:]
        while len(words) < (2 if words[0] == "PLAIN" else 3):
            await self.say("334 ")
            words.append((await self.reader.readline()).decode().strip())
        self.sink.logins.append(" ".join(words))
        await self.say("235 2.7.0 welcome")

    async def take(self) -> bool:
        if not self.recipient and not self.sink.is_lax:
            await self.say("503 5.5.1 no recipient")
            return True
        await self.say("354 go ahead")
        lines = []
        while (line := await self.reader.readuntil(b"\r\n")) != b".\r\n":
            lines.append(line[1:] if line.startswith(b".") else line)
        said = self.sink.answers.get("CONTENT") if self.recipient else "554 5.5.1 no recipient"
        if said is not None:
            if said:
                await self.say(said)
            return True
        self.sink.received.append(Received(self.sender, self.recipient, b"".join(lines), self.number))
        self.taken += 1
        await self.say(f"250 2.0.0 taken as {len(self.sink.received)}")
        self.sender = self.recipient = ""
        return self.taken != self.sink.mails_per_session

    async def say(self, words: str) -> None:
        self.writer.write(f"{words}\r\n".encode(errors="surrogateescape"))
        await self.writer.drain()


def _address(line: str) -> str:
    return line.partition("<")[2].partition(">")[0]


@contextmanager
def mail_server(tls: SSLContext | None = None) -> Iterator[Sink]:
    """A sink that listens on a free port while the block runs."""
    sink = Sink(tls=tls)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    starting = asyncio.start_server(sink.serve, "127.0.0.1", 0, limit=1 << 20, backlog=1024)
    server = asyncio.run_coroutine_threadsafe(starting, loop).result(stretched(10))
    sink.port = server.sockets[0].getsockname()[1]
    try:
        yield sink
    finally:
        asyncio.run_coroutine_threadsafe(_close(server), loop).result(stretched(10))
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _close(server: asyncio.Server) -> None:
    server.close()
    await asyncio.sleep(0)  # who has just connected is served first
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
