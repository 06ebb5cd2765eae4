"""Who outside is notified of what: sign-up, confirmation, choices, import and export.

The public pages of a subscription are here; staff's are in `portal.console`, programs' in `portal.api`.
"""
