"""Mail over several SMTP connections that are kept open, with the server's reply about each recipient.

Django's backend opens a connection and so decides about TLS and login; what is sent over it is sent from here, because
`smtplib` waits for a reply four times where a server with PIPELINING (RFC 2920) makes us wait twice.
"""

from __future__ import annotations

import re
import selectors
import smtplib
import socket
import ssl
import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from email.utils import parseaddr
from enum import StrEnum
from itertools import chain
from typing import Any

from django.conf import settings
from django.core.mail.backends.smtp import EmailBackend

from status.delivery.protocol import Meaning, Unavailable

LINGER = 0.002  # seconds to wait for further replies, which are recorded together
CONTENT_TIMEOUT = 60.0  # seconds; a server may look into a message before it takes it
LONGEST, LINES = 65_536, 1000  # bytes in one line of a reply, lines in all
MAILBOX = re.compile(r"5\.(?:1\.[1-6]|2\.)")  # RFC 3463: about the recipient's address or mailbox
LATE = "the mail server did not answer in time"
ENHANCED = re.compile(r"\d\.\d+\.\d+")


class Stage(StrEnum):
    SENDER = "sender"
    RECIPIENT = "recipient"
    DATA = "data"
    CONTENT = "content"


@dataclass(frozen=True, slots=True)
class Mail:
    key: int
    recipient: str  # a bare address of ASCII characters, without space or angle bracket
    content: bytes  # lines end with CRLF


@dataclass(frozen=True, slots=True)
class Reply:
    stage: Stage
    code: int  # 0: the connection was lost before a reply came
    text: str

    def __str__(self) -> str:
        return f"{self.code} {self.text}" if self.code else self.text

    @property
    def meaning(self) -> Meaning:
        """A policy (5.7.1) may be about us, not about this mailbox or message: then the server is asked again later."""
        if self.stage is Stage.CONTENT and self.code // 100 == 2:
            return Meaning.SENT
        if self.code // 100 == 5:
            is_about_mailbox = MAILBOX.match(self.text) if ENHANCED.match(self.text) else self.stage is Stage.RECIPIENT
            if is_about_mailbox:
                return Meaning.GONE
            if self.stage is Stage.CONTENT:
                return Meaning.REFUSED
        return Meaning.RETRY


class Connection:
    """A connection that carries one mail after the other. Everything may raise OSError, as `smtplib` does."""

    def __init__(self) -> None:
        backend = EmailBackend()
        try:
            backend.open()
            smtp = backend.connection
            assert smtp is not None
            assert smtp.sock is not None
            smtp.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            smtp.ehlo_or_helo_if_needed()
        except OSError:
            with suppress(OSError):
                backend.close()
            raise
        self._smtp, self._socket = smtp, smtp.sock
        self._sender = parseaddr(settings.DEFAULT_FROM_EMAIL)[1]
        self._is_pipelining = smtp.has_extn("pipelining")
        self._commands: list[str] = []  # of the mail's envelope, not yet sent
        self._awaited: deque[Stage | None] = deque()  # what the coming replies are about; None: no mail of ours
        self._refusal: Reply | None = None
        self._line = b""  # the beginning of one
        self._text: list[bytes] = []  # the lines of a reply that has more
        self.is_of_use = False  # whether the server took a sender from us
        self.is_content_sent = False
        self.overdue_at = 0.0  # time.monotonic()

    def fileno(self) -> int:
        return self._socket.fileno()

    @property
    def is_late(self) -> bool:
        """Whether it is longer than a reply may take since something was sent: the server is silent, or we were."""
        return time.monotonic() > self.overdue_at

    def begin(self, mail: Mail) -> None:
        """Send the envelope; `advance` when there is something to read."""
        self.mail, self._refusal, self.is_content_sent = mail, None, False
        commands = [f"MAIL FROM:<{self._sender}>\r\n", f"RCPT TO:<{mail.recipient}>\r\n", "DATA\r\n"]
        if self._is_pipelining:
            self._write("".join(commands).encode(), Stage.SENDER, Stage.RECIPIENT, Stage.DATA)
        else:
            self._commands = commands[1:]
            self._write(commands[0].encode(), Stage.SENDER)

    def advance(self) -> Reply | None:
        """Read what has come, and go on; returns the final reply about the mail, once it is there."""
        for code, text in self._replies():
            if not self._awaited or code == 421:
                raise smtplib.SMTPResponseException(code, text)  # it hangs up
            stage = self._awaited.popleft()
            if stage and (final := self._receive(Reply(stage, code, text))):
                return final
        return None

    def quit(self) -> None:
        with suppress(OSError):
            self._socket.settimeout(1)
            self._smtp.quit()

    def close(self) -> None:
        self._smtp.close()

    def _receive(self, reply: Reply) -> Reply | None:
        if reply.stage is Stage.CONTENT:
            return reply
        self.is_of_use = self.is_of_use or reply.code < 400
        if reply.code >= 400:
            if reply.stage is Stage.SENDER:
                raise smtplib.SMTPResponseException(reply.code, reply.text)  # nothing to do with this recipient
            self._refusal = self._refusal or reply
        elif self._commands:  # where they are sent one by one
            self._write(self._commands.pop(0).encode(), Stage.RECIPIENT if self._commands else Stage.DATA)
        if self._awaited:
            return None
        if self._refusal is None:
            if self.is_late:
                raise TimeoutError(LATE)
            self.is_content_sent = True
            self._write(self.mail.content.replace(b"\r\n.", b"\r\n..") + b".\r\n", Stage.CONTENT)
        elif reply.code == 354:  # it waits for a message without recipients (RFC 2920, 3.1)
            self._write(b".\r\nRSET\r\n", None, None)
        else:
            self._write(b"RSET\r\n", None)
        return self._refusal

    def _write(self, content: bytes, *awaited: Stage | None) -> None:
        self._awaited += awaited
        self.overdue_at = time.monotonic() + (CONTENT_TIMEOUT if self.is_content_sent else settings.EMAIL_TIMEOUT)
        self._socket.sendall(content)

    def _replies(self) -> Iterator[tuple[int, str]]:
        """The replies that are complete."""
        *lines, self._line = (self._line + self._received()).split(b"\n")
        if len(self._line) > LONGEST or len(self._text) > LINES:
            raise smtplib.SMTPException("the mail server does not come to an end")
        for line in lines:
            self._text.append(line[4:])
            if line[3:4] != b"-":
                text, self._text = b" ".join(self._text), []
                if not line[:3].isdigit():
                    raise smtplib.SMTPException("the mail server does not speak SMTP")
                # PostgreSQL keeps no NUL.
                yield int(line[:3]), " ".join(text.decode(errors="replace").replace("\0", "").split())

    def _received(self) -> bytes:
        self._socket.settimeout(0)
        try:
            received = self._socket.recv(16_384)  # the longest record of TLS: none is left there, unseen by a selector
        except (BlockingIOError, ssl.SSLWantReadError):  # a record that is not complete
            return b""
        finally:
            self._socket.settimeout(settings.EMAIL_TIMEOUT)
        if not received:
            raise smtplib.SMTPServerDisconnected("the mail server hung up")
        return received


Replies = list[tuple[Mail, Reply]]


def send(mails: Iterable[Mail], *, connections: int) -> Generator[Replies, None, None]:
    """Send over up to `connections` connections, and yield the replies.

    A connection gets its next mail only after its reply was yielded and more is asked for. Whoever records replies
    before that can, when killed, leave one accepted mail per connection unrecorded, and no more.

    A mail that a lost connection certainly did not deliver is given to another one, once and at once: a sender that
    stood still sends it to nobody, as others may have done so. Raises `Unavailable` when there is no connection to be
    had; mails without a reply until then were not sent.
    """
    pool = _Pool(mails, connections)
    try:
        while pool.start():
            if replies := pool.collect():
                yield replies
    finally:
        pool.close()
    if pool.trouble and not pool.size:
        raise Unavailable(_text_of(pool.trouble)) from pool.trouble


class _Pool:
    def __init__(self, mails: Iterable[Mail], size: int) -> None:
        self.size = size  # how many connections there may be: what was asked for, or what the server lets us have
        self.trouble: OSError | None = None
        self._mails = iter(mails)
        self._idle: list[Connection] = []
        self._busy: set[Connection] = set()
        self._retried: set[int] = set()  # mails whose connection was lost once
        self._selector = selectors.DefaultSelector()

    def start(self) -> bool:
        """Give each free connection a mail; returns whether any is under way."""
        while len(self._busy) < self.size and (mail := next(self._mails, None)):
            connection = None
            try:
                connection = self._idle.pop() if self._idle else self._connect()
                connection.begin(mail)
            except OSError as error:
                self._mails = chain([mail], self._mails)
                self._drop(connection, error)
            else:
                self._busy.add(connection)
        return bool(self._busy)

    def collect(self) -> Replies:
        """Wait for a reply, and a moment for more: to record many at once is cheap."""
        replies: Replies = []
        while self._busy:
            ready: list[Any] = [key.fileobj for key, _events in self._selector.select(LINGER if replies else 1)]
            late = [each for each in self._busy if each.is_late and each not in ready]
            if not ready and not late:
                break
            for connection in ready:
                try:
                    if reply := connection.advance():
                        self._busy.remove(connection)
                        self._idle.append(connection)
                        replies.append((connection.mail, reply))
                except OSError as error:
                    replies += self._lose(connection, error)
            for connection in late:
                replies += self._lose(connection, TimeoutError(LATE))
        return replies

    def close(self) -> None:
        for connection in self._idle:
            connection.quit()
        for connection in self._busy:
            connection.close()
        self._selector.close()

    def _connect(self) -> Connection:
        connection = Connection()
        self._selector.register(connection, selectors.EVENT_READ)
        return connection

    def _lose(self, connection: Connection, error: OSError) -> Replies:
        """What is known of its mail. Another connection gets it, unless it may have arrived, is late or cost two."""
        replies: Replies = []
        if connection in self._idle:
            self._idle.remove(connection)
        else:
            self._busy.remove(connection)
            mail = connection.mail
            if connection.is_content_sent or connection.is_late or mail.key in self._retried:
                stage = Stage.CONTENT if connection.is_content_sent else Stage.RECIPIENT
                replies.append((mail, Reply(stage, 0, _text_of(error))))
            else:
                self._retried.add(mail.key)
                self._mails = chain([mail], self._mails)
        self._drop(connection, error)
        return replies

    def _drop(self, connection: Connection | None, error: OSError) -> None:
        """One that was of use is replaced; else there may be no more than there are now."""
        self.trouble = error
        if connection is None or not connection.is_of_use:
            self.size = len(self._busy) + len(self._idle)
        if connection:
            self._selector.unregister(connection)
            connection.close()


def _text_of(error: OSError) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        text = error.smtp_error
        return f"{error.smtp_code} {text.decode(errors='replace') if isinstance(text, bytes) else text}"
    return str(error) or type(error).__name__
