"""Everything in one process tree, with nothing to install: a broker of files, the supervisor, the demonstration.

The command `incident-portal` starts it; Celery takes its broker of files from here where there is no Redis.
"""
