"""Postmortems as staff write, check, review, approve and publish them."""
