"""What an event may keep: no secret ever, and what names a person only where it can be erased.

The event itself holds ids. Names, addresses and devices go into parts of their own, one for each
person, and the event keeps a salted digest of each part: a part that was changed is found out,
a part that was erased leaves the event, and the chain over the events, as they were.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

if TYPE_CHECKING:
    from leanvibe_server.kernel.scope import Actor

NOBODY = UUID(int=0)
"""The person of a part that belongs to no user we know, such as a failed sign-in's address."""
PERSONAL = frozenset(
    {
        "email", "old_email", "previous_email", "new_email", "admin_email", "billing_email",
        "recipient",
        "phone", "phone_number", "username", "display_name", "given_name", "family_name",
        "full_name", "formatted_name", "ip_address", "address", "user_agent", "device", "name_id",
        "external_id", "login_name", "contact",
    }
)  # fmt: skip
SECRET = frozenset(
    {
        "password", "new_password", "password_hash", "secret", "client_secret", "token",
        "access_token", "refresh_token", "id_token", "mfa_token", "api_key", "mfa_code",
        "backup_codes", "totp_secret", "private_key", "authorization", "cookie", "credentials",
    }
)  # fmt: skip
REDACTED = "[redacted]"
LONGEST = 10_000
_TELLTALE = re.compile(
    r"lv_(?:live|test)_[0-9A-Za-z]{40,}"
    r"|eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*"
    r"|gh[pousr]_\w{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}"
    r"|AKIA[0-9A-Z]{16}|sk_(?:live|test)_\w{16,}|xox[abprs]-[\w-]{10,}"
    r"|(?i:bearer)\s+[\w.~+/-]{16,}=*"
    r"|(?<![0-9A-Za-z])[0-9A-Za-z]{65}(?![0-9A-Za-z])"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----"
)
# No alternative of the pattern is shorter: xoxb- and ten more.
_SHORTEST_SECRET = 15


@dataclass(frozen=True)
class Part:
    """What an event tells of one person, kept apart from it."""

    person_id: UUID
    salt: bytes
    body: str

    @property
    def digest(self) -> str:
        return digest_of(self.salt, self.body)


def digest_of(salt: bytes, body: str) -> str:
    """Salted, so that nobody can guess an erased address by its digest."""
    return hashlib.sha256(salt + body.encode()).hexdigest()


def printable(text: str | None, limit: int = 300) -> str | None:
    """Foreign text fit for a log: control characters escaped, secrets out, length bounded."""
    if text is None:
        return None
    return _escaped(redacted(text[:limit]))[:limit]


def _escaped(text: str, but: str = "") -> str:
    """The text with a visible sign for each character that could act on a reader's terminal."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in but else repr(c)[1:-1] for c in text)


def redacted(text: str) -> str:
    """The text without what looks like a key or a token."""
    return text if len(text) < _SHORTEST_SECRET else _TELLTALE.sub(REDACTED, text)


def cleaned(value: Any, name: str = "") -> Any:
    """A payload without secrets, and with no character that could act on a reader's terminal."""
    if isinstance(value, dict):
        return {key: cleaned(one, str(key)) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [cleaned(one, name) for one in value]
    if not isinstance(value, str):
        return value
    if name in SECRET and value:
        return REDACTED
    return _escaped(redacted(value[:LONGEST]), but="\n\t")


def split(payload: dict[str, Any], actor: "Actor") -> tuple[dict[str, Any], list[Part]]:
    """The payload without what names people, and that in a part for each of them."""
    kept, taken = _divide(payload)
    subject = _subject(payload, actor)
    by_person: dict[UUID, dict[str, Any]] = {}
    if taken:
        by_person.setdefault(subject, {})["payload"] = taken
    about = {
        "actor_label": printable(actor.label),
        "address": actor.address,
        "user_agent": printable(actor.user_agent),
    }
    told = {name: value for name, value in about.items() if value is not None}
    if told and actor.kind != "system":
        by_person.setdefault(actor.id or subject, {}).update(told)
    return kept, [
        Part(person, os.urandom(16), json.dumps(body, sort_keys=True, ensure_ascii=False))
        for person, body in by_person.items()
    ]


def merge(payload: dict[str, Any], bodies: Iterable[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The payload with what is still known of people, and what is known of the actor."""
    actor: dict[str, Any] = {}
    for body in bodies:
        part = json.loads(body)
        payload = _joined(payload, part.pop("payload", {}))
        actor |= part
    return payload, actor


def _divide(payload: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    kept: dict[str, Any] = {}
    taken: dict[str, Any] = {}
    for name, value in payload.items():
        if name in PERSONAL and value is not None:
            taken[name] = value
        elif isinstance(value, dict):
            inner, personal = _divide(value)
            kept[name] = inner
            if personal:
                taken[name] = personal
        else:
            kept[name] = value
    return kept, taken


def _joined(payload: dict[str, Any], taken: dict[str, Any]) -> dict[str, Any]:
    joined = dict(payload)
    for name, value in taken.items():
        before = joined.get(name)
        nested = isinstance(before, dict) and isinstance(value, dict)
        joined[name] = _joined(before, value) if nested and isinstance(before, dict) else value
    return joined


def _subject(payload: dict[str, Any], actor: "Actor") -> UUID:
    """Whom the payload is about: the user it names, else who acted."""
    named = payload.get("user_id")
    try:
        return UUID(str(named)) if named else actor.id or NOBODY
    except ValueError:
        return actor.id or NOBODY


def digests(parts: Sequence[Part]) -> dict[str, str] | None:
    """What the event keeps of its parts."""
    return {str(part.person_id): part.digest for part in parts} or None
