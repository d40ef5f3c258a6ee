"""One's own account: password, e-mail address, sessions, and proving once more who one is."""
