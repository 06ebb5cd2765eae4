"""What keeps the record for years: it is backed up, restored, and thrown away where it has become old.

For commands and the clock. Whatever is written here passes no service: these are the same rows, at another place.
"""
