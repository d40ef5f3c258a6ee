"""The security policy of a tenant, as its admins read and set it."""
