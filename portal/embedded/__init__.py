"""Everything in one process tree, with nothing to install: a broker of files, the supervisor, the demonstration.

`manage.py` and its commands start it; Celery takes its broker of files from here where there is no Redis.
"""
