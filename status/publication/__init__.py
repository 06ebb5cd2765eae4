"""The published files of a page: which of them changed (`publishing`), how they are written, and how they are served.

The outbox and the clock call `publishing`; the web server's middleware and the health checks use the rest.
"""
