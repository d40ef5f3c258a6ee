"""Why a SAML message is refused. The reason goes into the audit log, not to who sent it."""


class Refused(Exception):
    """A message that is not what it must be. The text says why, for the tenant's admins."""


class Malformed(Refused):
    """A message that cannot be read at all, whoever sent it."""


class TooLarge(Malformed):
    """A message beyond the size that is read."""
