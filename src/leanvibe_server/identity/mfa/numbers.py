"""Telephone numbers: in E.164, in countries the installation sends to, and none that cost extra."""

import re

from leanvibe_server.kernel.config import Settings
from leanvibe_server.kernel.errors import InvalidRequest

_E164 = re.compile(r"\+[1-9][0-9]{7,14}")
# Numbers that charge whoever writes to them, or that anybody can rent by the thousand, inside
# countries that are allowed. The North American ones beside these area codes are the United
# States and Canada. Source: ITU-T E.164; NANPA; Ofcom, National Telephone Numbering Plan.
DEARER = (
    "+1900", "+1976", "+1500", "+1700",
    "+1242", "+1246", "+1264", "+1268", "+1284", "+1345", "+1441", "+1473", "+1649", "+1658",
    "+1664", "+1721", "+1758", "+1767", "+1784", "+1809", "+1829", "+1849", "+1868", "+1869",
    "+1876",
    "+4470", "+4476", "+448", "+449", "+4413", "+4487",
    "+49137", "+49180", "+49190", "+49900",
    "+3389", "+3390", "+3188", "+3190", "+6119", "+34803", "+34806", "+34807", "+34905",
    "+39899", "+39892", "+41900", "+41901", "+41906", "+43900", "+43930", "+32900", "+3290",
)  # fmt: skip


def require_number(settings: Settings, text: str) -> str:
    """A number messages may be sent to, in E.164.

    Raises: InvalidRequest: it is no number, or one this installation does not send to.
    """
    number = re.sub(r"[ ()./-]", "", text)
    if not number.isascii() or not _E164.fullmatch(number):
        raise _unfit("must be a number with its country code, such as +14155550123")
    allowed = tuple(part.strip() for part in settings.sms_countries.split(",") if part.strip())
    if not number.startswith(allowed) or number.startswith(DEARER):
        raise _unfit("is in a country or range this installation sends no messages to")
    return number


def masked(number: str) -> str:
    """What is shown of a number."""
    return f"{number[:2]}•••{number[-2:]}"


def masked_address(email: str) -> str:
    """What is shown of an address to who has given only a password."""
    name, _, domain = email.partition("@")
    return f"{name[:1]}•••@{domain}"


def _unfit(why: str) -> InvalidRequest:
    return InvalidRequest(
        f"The telephone number {why}.",
        details={"field": "phone", "validation_errors": [f"phone: {why}"]},
    )
