"""Versions of a resource: what a request depends on. Source: RFC 7644, section 3.14."""

from leanvibe_server.identity.scim.entrance import Provisioner
from leanvibe_server.identity.scim.errors import PreconditionFailed


def check_match(caller: Provisioner, version: str) -> None:
    """Raises: PreconditionFailed: the client knows another version than there is."""
    if caller.if_match is not None and not _names(caller.if_match, version):
        raise PreconditionFailed("The resource has changed. Read it again, then repeat the change.")


def is_known(caller: Provisioner, version: str) -> bool:
    """Whether the client has this very version already."""
    return caller.if_none_match is not None and _names(caller.if_none_match, version)


def _names(header: str, version: str) -> bool:
    """Whether a header names a version; weak and strong tags are the same here."""
    named = {tag.strip().removeprefix("W/") for tag in header.split(",")}
    return "*" in named or version.removeprefix("W/") in named
