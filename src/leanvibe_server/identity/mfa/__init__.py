"""Second factors: authenticator apps, codes by SMS and mail, keys and passkeys, backup codes."""
