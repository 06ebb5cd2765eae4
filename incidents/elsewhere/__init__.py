"""What happened elsewhere, written down as it was: imports, past incidents, posts from an emergency.

`records` is what a caller hands over, `recording` the verb; `postmortems` publishes the postmortem for it.
"""
