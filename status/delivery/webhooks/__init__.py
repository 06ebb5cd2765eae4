"""Webhooks: what programs are sent (pure), and how it is signed and posted. For the channels that post."""
