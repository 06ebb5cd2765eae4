"""Django's admin of the record, of recipients and of what was sent, one module for each noun.

`base` and `sending` hold what they share. `portal.admin` imports them, so that Django finds them; the rest of the
console takes an incident's buttons and badges from `incident`.
"""
