"""What happened to a row and who did it: read as a list of changes, and sealed against tampering.

History is written by django-simple-history, in the name of `incidents.authorship`'s author.
"""
