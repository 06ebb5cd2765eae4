"""The operations of the manage API, one module for each noun: each reads the request, calls one service, and answers.

`base` is what they share: the key, its page and its rights, repetition, and `If-Match`. Only `portal.api.urls` uses it.
"""
