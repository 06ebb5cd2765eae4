"""Everything in one process tree, with nothing to install: a broker of files, the supervisor, the demonstration.

Only `manage.py` and its commands start it; nothing else depends on it.
"""
