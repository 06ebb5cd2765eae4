"""The incident room: everything about one incident on one page, and the forms by which it is run to its end."""
