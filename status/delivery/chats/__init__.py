"""Chats by Apprise, in a process that can reach nothing but a guard of ours. For the channel of staff chats."""
