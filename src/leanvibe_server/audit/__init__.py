"""Who did what: the event log, read as an audit log."""
