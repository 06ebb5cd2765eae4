"""One engine for everything that is sent: who is owed what, claiming, messages, sending, and the ledger of it.

The clock and the workers drive it; nothing else sends anything.
"""
