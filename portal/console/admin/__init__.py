"""Django's admin of the record, of subscribers and of what was sent: read the input, call one service, show the answer.

`portal.admin` imports every module here, so that Django finds them.
"""
