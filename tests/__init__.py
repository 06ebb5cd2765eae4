"""While a test has moved the clock of its process, the record's time is that clock's: no database is moved."""

import time_machine

from incidents import record_time

_is_of_host = record_time.is_of_host


def _is_of_host_or_moved() -> bool:
    return _is_of_host() or time_machine.escape_hatch.is_travelling()


record_time.is_of_host = _is_of_host_or_moved
