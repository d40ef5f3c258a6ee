"""E-mail addresses: one form to keep, one keyed hash to find them by."""

import unicodedata

from email_validator import EmailNotValidError, validate_email

from leanvibe_server.kernel.crypto import Vault
from leanvibe_server.kernel.errors import invalid_field

MAX_LENGTH = 254


def normalise(email: str) -> str:
    """The address as it is compared: no case, no blanks around it, one Unicode form."""
    return unicodedata.normalize("NFKC", email).strip().lower()


def require_address(email: str, *, field: str = "email") -> str:
    """The normalised address, if mail could reach it. Local names such as a company's own
    domain count too.

    Raises: InvalidRequest.
    """
    try:
        found = validate_email(
            normalise(email), check_deliverability=False, globally_deliverable=False
        )
    except EmailNotValidError as error:
        raise invalid_field(
            field, str(error), f"{field} is not an e-mail address: {error}"
        ) from None
    return normalise(found.normalized)


def directory_hash(vault: Vault, email: str) -> bytes:
    """Under what the directory of all tenants lists an address, which it never holds itself."""
    return vault.keyed_hash("directory e-mail", normalise(email))
