"""One engine for everything that is sent: who is owed what, claiming, and the ledger of it.

`channels` has a module for each way to reach a recipient; `mails`, `webhooks` and `chats` are what these are made of.
The clock and the workers drive it; nothing else sends anything.
"""
