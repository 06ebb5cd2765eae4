"""Pages of the admin that need both the record and what the public sees."""

from portal.console import postmortem

__all__ = ["postmortem"]
