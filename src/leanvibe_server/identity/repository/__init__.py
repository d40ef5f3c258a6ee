"""Every SQL statement of the identity room, by subject."""
