"""Everything that staff see: the admin, the incident room, postmortems, the audit log, the overview and search.

It has no models: a view reads the input, calls one service, and shows the answer. Only `portal`'s top uses it.
"""
