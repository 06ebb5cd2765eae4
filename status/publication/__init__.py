"""The published files of a page: what changed (`changes`), writing it (`publishing`, `files`), and serving it.

The outbox and the clock call `publishing`, `state` is its memory; the web server's middleware is `serving`.
"""
