"""The verbs of the record as forms, for every page that staff work on."""
