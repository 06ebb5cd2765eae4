"""Who changed what: the audit log over all tables of the history, and the complete file of one incident."""
