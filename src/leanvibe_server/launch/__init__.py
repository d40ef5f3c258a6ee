"""The local installation: embedded PostgreSQL, supervisor, sandbox set-up and demo."""
