"""The site and its doors: `console` for staff, `api` for programs, `intake` for machines, `embedded` for one host.

No door knows another. Below them lie settings, accounts, health and the database guard; `urls`, `apps` and `celery`
wire everything.
"""

__version__ = "1.0.0rc1"
