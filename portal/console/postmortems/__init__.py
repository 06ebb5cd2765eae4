"""Postmortems as staff write, check, review, approve and publish them.

`editor` is their admin, `review` what a reviewer reads, `findings` what the linter found, `changes` a text's
differences. Only `portal.admin` uses it.
"""
