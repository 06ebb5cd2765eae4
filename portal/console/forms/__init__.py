"""Forms of the verbs, one module for each noun; each form calls one service and shows what it refused.

`verb` is the base of all, `fields` holds inputs and `edit_conflict` guards what two people edit. Every view of the
console may use them; they know no view.
"""
