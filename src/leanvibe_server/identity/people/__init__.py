"""People coming and going: lists of them, invitations, guests, ownership, leaving."""
