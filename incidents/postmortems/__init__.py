"""Postmortems: written together, reviewed, approved by a second person, published, and followed up.

The verbs are in `writing`, `reviewing`, `publishing` and `action_items`. Nothing is published that was not approved as
it is: every edit takes the approval away, and publishing compares the text with the one that was approved.
"""
