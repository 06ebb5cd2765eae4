"""The public: what outsiders see (`projection`, `rendering`, `publication`) and receive (`delivery`, `subscriptions`).

`relay` and `tasks` are the clock's work on both. `portal` above calls its services; the record below knows none of it.
"""
