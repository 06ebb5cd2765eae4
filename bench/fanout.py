"""How many mails a second leave the ledger, beside what the same mail server takes from postfix's own load generator?

`smtp-source -d` sends to `smtp-sink` over connections that it keeps, and then our senders send to it: as many
connections, a message of the same size, every delivery claimed and its end written down exactly, on PostgreSQL. Both
programs are in Debian's package postfix, which need not run. Limits: 0.4 of it over 16 connections; 115 MB a sender.

FANOUT_MAILS=100000 makes it as large as life.
"""

from __future__ import annotations

import os
import re
import secrets
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography.fernet import Fernet

from tests.servers import free_port, program, start_postgresql, temporary_folder

if TYPE_CHECKING:
    from collections.abc import Iterator

MAILS = int(os.environ.get("FANOUT_MAILS", "10000"))
SESSIONS = {1: 1, 4: 2, 16: 2}  # connections: the senders that share them
ROUNDS = 3
RATIO = 0.4
MEMORY = 115  # MB
ROOT = Path(__file__).resolve().parents[1]


@contextmanager
def sink(path: str) -> Iterator[int]:
    """postfix's mail server that forgets everything; yields its port."""
    port = free_port()
    account = ["-u", "nobody"] if os.geteuid() == 0 else []
    process = subprocess.Popen(
        [path, *account, f"127.0.0.1:{port}", "1024"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    time.sleep(0.5)
    try:
        yield port
    finally:
        process.terminate()
        process.wait()


def theirs(path: str, port: int, sessions: int, size: int) -> float:
    """Mails a second of smtp-source."""
    began_at = time.monotonic()
    options = ["-d", "-s", str(sessions), "-m", str(MAILS), "-l", str(size)]
    subprocess.run(
        [path, *options, "-f", "a@example.com", "-t", "b@example.com", f"inet:127.0.0.1:{port}"],
        check=True,
        stderr=subprocess.DEVNULL,
    )
    return MAILS / (time.monotonic() - began_at)


def ours(port: int, sessions: int) -> tuple[float, float, float]:
    """Mails a second of our senders, their CPU seconds for 1,000 mails, and the memory of the largest in MB."""
    senders = SESSIONS[sessions]
    environment = os.environ | {"SMTP_PORT": str(port), "SMTP_CONNECTIONS": str(sessions // senders)}
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "bench.fanout", "send"],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(senders)
    ]
    for process in processes:
        assert process.stdout
        process.stdout.readline()  # it is ready
    began_at = time.monotonic()
    for process in processes:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    outputs = [process.communicate()[0].split() for process in processes]
    seconds = time.monotonic() - began_at
    counts, cpu, memory = zip(*([float(number) for number in output] for output in outputs), strict=True)
    assert sum(counts) == MAILS, "some are missing"
    return MAILS / seconds, sum(cpu) / MAILS * 1000, max(memory)


def send() -> None:
    """One sender: prints how many it sent, the CPU seconds that took, and the most memory it had in MB."""
    from django.db import connection

    from status.delivery import engine
    from status.models import Subscriber

    connection.ensure_connection()
    print("ready", flush=True)
    sys.stdin.readline()
    total, cpu = 0, time.process_time()
    while count := engine.deliver(Subscriber.Channel.EMAIL, 3600):
        total += count
    # Not getrusage: there the most memory of the process that started this one counts too.
    [peak] = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    print(total, time.process_time() - cpu, int(peak) / 1024)


def prepare() -> int:
    """Owe everybody one mail; returns its size."""
    from django.contrib.auth.models import Group
    from django.core.management import call_command

    from incidents import catalogue
    from incidents.incidents import declare_incident, post_update
    from incidents.lifecycle import IncidentStatus
    from incidents.models import OutboxEvent, User
    from status.delivery import owing
    from status.delivery.mails.events import event_mail
    from status.models import Subscriber

    call_command("migrate", verbosity=0)
    ada = User.objects.create_user("ada", is_staff=True)
    ada.groups.add(Group.objects.get(name="administrator"))
    page = catalogue.create_page(name="Acme", url="https://status.acme.example", time_zone="Europe/Rome", author=ada)
    incident = declare_incident(page, title="Errors", author=ada)
    body = "We have found the cause, and are restarting the connection pools one after the other.\n\n" * 56
    post_update(incident, status=IncidentStatus.IDENTIFIED, body=body, author=ada)
    Subscriber.objects.bulk_create(
        (Subscriber(page=page, address=f"reader-{n}@example.com", state=Subscriber.State.ACTIVE) for n in range(MAILS)),
        batch_size=1000,
    )
    event = OutboxEvent.objects.get(notify=True)
    owing.owe(event)
    message = event_mail(event)
    assert message
    return len(message.to("reader@example.com", 1, page.public_id))


def owe_again() -> None:
    from django.db import connection
    from django.utils import timezone

    from status.models import Delivery

    Delivery.objects.update(state="due", due_at=timezone.now(), finished_at=None, attempts=0, answer="")
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")  # autovacuum's work, which must not fall into a measurement


def main() -> None:
    source, target = program("smtp-source"), program("smtp-sink")
    if not source or not target:
        sys.exit("smtp-source and smtp-sink are missing: apt-get install postfix (its daemon may stay off)")
    os.environ |= {
        "DATABASE_URL": start_postgresql().url,
        "DATA_DIR": str(temporary_folder("fanout-")),
        "SECRET_KEY": secrets.token_urlsafe(50),
        "AUDIT_KEY": secrets.token_urlsafe(50),
        "ENCRYPTION_KEYS": Fernet.generate_key().decode(),
        "DJANGO_SETTINGS_MODULE": "portal.settings",
        "SMTP_HOST": "127.0.0.1",
        "NOTIFY_HOLD": "0",
    }
    import django

    django.setup()
    size = prepare()
    print(f"{MAILS:,} mails of {size:,} bytes, best of {ROUNDS} rounds, mails a second")
    print("connections  smtp-source  ours  ratio  CPU seconds for 1,000  MB a sender")
    ratio = peak = 0.0
    with sink(target) as port:
        for sessions in SESSIONS:
            rounds = []
            for _round in range(ROUNDS):
                owe_again()
                rounds.append((theirs(source, port, sessions, size), *ours(port, sessions)))
            their_rates, our_rates, cpu, memory = zip(*rounds, strict=True)
            ratio, peak = max(our_rates) / max(their_rates), max(peak, *memory)
            print(
                f"{sessions:11}  {max(their_rates):11,.0f}  {max(our_rates):5,.0f}  {ratio:5.2f}  {min(cpu):21.3f}"
                f"  {max(memory):11.0f}",
                flush=True,
            )
    is_met = ratio >= RATIO and peak <= MEMORY
    print(f"limits: {RATIO} over 16 connections, {MEMORY} MB: {'met' if is_met else 'MISSED'}")
    sys.exit(not is_met)


if __name__ == "__main__":
    if sys.argv[1:] == ["send"]:
        import django

        django.setup()
        send()
    else:
        main()
