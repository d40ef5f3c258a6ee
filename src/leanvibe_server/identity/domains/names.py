"""Which names can be a tenant's own domain."""

import re
from importlib import resources

import idna

from leanvibe_server.kernel.errors import InvalidRequest, invalid_field


def _read(name: str) -> frozenset[str]:
    text = (resources.files(__package__ or "") / name).read_text()
    return frozenset(text.split())


_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
# Where anybody gets a mailbox. An address there belongs to a person, never to a company.
FREEMAIL = _read("freemail.txt")
# Second levels under which a country sells names: co.uk is nobody's, acme.co.uk somebody's.
_REGISTRY_WORDS = frozenset(
    {"ac", "co", "com", "edu", "gen", "go", "gob", "gov", "gouv", "gub", "id", "ind", "info",
     "lg", "ltd", "me", "mil", "ne", "net", "nhs", "nom", "or", "org", "plc", "police", "sch",
     "web"}
)  # fmt: skip
# Suffixes below which a host gives names to its customers.
_SHARED_HOSTS = _read("shared_hosts.txt")
_LOCAL_ENDS = ("local", "localhost", "internal", "lan", "home", "corp", "onion", "arpa", "invalid")


def require_domain(text: str) -> str:
    """A domain in its one form: lower case, ASCII (punycode), without a final dot.

    Raises: InvalidRequest: it is no domain, belongs to everybody, or sells names to others.
    """
    name = text.strip().lower().removesuffix(".")
    if not name.isascii():
        try:
            name = idna.encode(name, uts46=True).decode()
        except idna.IDNAError:
            raise _refuse("is no domain name") from None
    labels = name.split(".")
    if len(name) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise _refuse("is no domain name, such as example.com")
    if len(labels) < 2 or labels[-1].isdigit() or is_public_suffix(name):
        raise _refuse("is no domain of one organisation, such as example.com")
    if labels[-1] in _LOCAL_ENDS:
        raise _refuse("is known in a local network only, so its records cannot be looked up")
    if name in FREEMAIL:
        raise _refuse("is one where anybody gets a mailbox, so it proves nothing about a company")
    return name


def is_public_suffix(name: str) -> bool:
    """Whether others have their own names right below this one."""
    labels = name.split(".")
    if len(labels) == 1 or name in _SHARED_HOSTS:
        return True
    return len(labels) == 2 and len(labels[1]) == 2 and labels[0] in _REGISTRY_WORDS


def domain_of(email: str) -> str:
    """The domain of an address, in the form domains are kept in; empty when there is none."""
    try:
        return require_domain(email.rpartition("@")[2])
    except InvalidRequest:
        return ""


def _refuse(why: str) -> InvalidRequest:
    return invalid_field("domain", why)
