"""The incident room: everything about one incident on one page, and the forms by which it is run to its end.

`contents` reads what it shows, `advice` says what to do next, `views` answers. Only `console.urls` uses it.
"""
