"""The database guard: Django's PostgreSQL backend (`base`) with a `deadline` on every query.

The settings name it as the ENGINE; the middleware and the workers set how long they wait.
"""
