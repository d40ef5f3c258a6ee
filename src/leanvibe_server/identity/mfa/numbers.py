"""Telephone numbers: in E.164, of mobile telephones, in countries the installation sends to.

Source: OWASP, "Multifactor Authentication Cheat Sheet", SMS pumping.
"""

import re

from leanvibe_server.identity.mfa.mobile_ranges import may_be_mobile
from leanvibe_server.kernel.config import Settings, listed
from leanvibe_server.kernel.errors import InvalidRequest, invalid_field

_E164 = re.compile(r"\+[1-9][0-9]{7,14}")


def require_number(settings: Settings, text: str) -> str:
    """A number messages may be sent to, in E.164.

    Raises: InvalidRequest: it is no number, or one this installation does not send to.
    """
    number = re.sub(r"[ ()./-]", "", text)
    if not number.isascii() or not _E164.fullmatch(number):
        raise _unfit("must be a number with its country code, such as +14155550123")
    if not number.startswith(listed(settings.sms_countries)):
        raise _unfit("is in a country this installation sends no messages to")
    if not may_be_mobile(number):
        raise _unfit("is not that of a mobile telephone")
    return number


def masked(number: str) -> str:
    """What is shown of a number."""
    return f"{number[:2]}•••{number[-2:]}"


def masked_address(email: str) -> str:
    """What is shown of an address to who has given only a password."""
    name, _, domain = email.partition("@")
    return f"{name[:1]}•••@{domain}"


def _unfit(why: str) -> InvalidRequest:
    return invalid_field("phone", why, f"The telephone number {why}.")
