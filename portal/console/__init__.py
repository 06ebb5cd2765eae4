"""Pages and parts of pages for staff that need both the record and the public."""
