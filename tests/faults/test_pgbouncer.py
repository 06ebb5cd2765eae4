"""What differs when PostgreSQL is reached by PgBouncer; all faults by way of it are in `test_database.py`."""

from __future__ import annotations

import select
from urllib.parse import urlsplit

import psycopg
import pytest

from portal.postgresql.deadline import DeadlineConnection
from tests.servers import Server, start_pgbouncer
from tests.waiting import let_pass, until

pytestmark = [pytest.mark.postgresql, pytest.mark.pgbouncer]


@pytest.mark.slow
def test_a_commit_that_both_of_them_answer_is_a_lost_connection(postgresql: Server) -> None:
    """The server's last words and PgBouncer's come as two answers, of which psycopg makes an error of its own."""
    port = urlsplit(postgresql.url).port
    assert port
    pgbouncer = start_pgbouncer(postgresql.url, port=port)
    connection = DeadlineConnection.connect(pgbouncer.url)
    connection.execute("SELECT 1")
    postgresql.stop()
    try:
        until(lambda: select.select([connection.fileno()], [], [], 0)[0])
        let_pass(0.1)  # for the second answer
        with pytest.raises(psycopg.OperationalError):
            connection.commit()
    finally:
        postgresql.start()
        pgbouncer.stop()
