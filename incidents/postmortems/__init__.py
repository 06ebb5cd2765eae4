"""Postmortems: written together, reviewed, approved, published, and followed up.

The verbs are in `writing`, `reviewing`, `publishing` and `action_items`. Nothing is published that was not approved as
it is: every edit takes the approval away, and publishing compares the text with the one that was approved. A second
person approves, unless the author gives a reason or the page waives it: both stay on record.
"""
