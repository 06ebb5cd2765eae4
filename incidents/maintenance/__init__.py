"""Scheduled maintenance: planned, moved, extended and cancelled; series that repeat; and what the clock does of it."""
