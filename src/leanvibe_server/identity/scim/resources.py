"""People and groups as a provisioning client reads them."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from leanvibe_server.identity.groups.models import Group
from leanvibe_server.identity.scim.definitions import ENTERPRISE, GROUP, USER
from leanvibe_server.identity.scim.models import Membership, Provisioned
from leanvibe_server.kernel.clock import rfc3339

LIST = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
ALWAYS = frozenset({"id", "schemas"})


@dataclass(frozen=True)
class Projection:
    """Which attributes a client wants to see, in lower case; None for the usual."""

    only: frozenset[str] | None = None
    without: frozenset[str] = frozenset()

    @classmethod
    def of(cls, attributes: str | None, excluded: str | None) -> "Projection":
        return cls(_names(attributes) or None, _names(excluded) or frozenset())

    def wants(self, name: str) -> bool:
        """Whether an attribute, or a part of it, is to be shown."""
        plain = name.lower()
        if self.only is not None:
            return any(one == plain or one.startswith(f"{plain}.") for one in self.only)
        return plain not in self.without

    def cut(self, resource: dict[str, Any]) -> dict[str, Any]:
        """The resource with what is wanted of it."""
        kept: dict[str, Any] = {}
        for name, value in resource.items():
            if name in ALWAYS:
                kept[name] = value
            elif name == ENTERPRISE:
                kept |= self._extension(value)
            elif self.wants(name):
                kept[name] = self._parts(name.lower(), value)
        return kept

    def _extension(self, value: Any) -> dict[str, Any]:
        prefix = ENTERPRISE.lower()
        if self.only is None:
            shown = {k: v for k, v in value.items() if f"{prefix}:{k.lower()}" not in self.without}
            return {} if prefix in self.without or not shown else {ENTERPRISE: shown}
        if prefix in self.only:
            return {ENTERPRISE: value}
        shown = {k: v for k, v in value.items() if f"{prefix}:{k.lower()}" in self.only}
        return {ENTERPRISE: shown} if shown else {}

    def _parts(self, name: str, value: Any) -> Any:
        if isinstance(value, list):
            return [self._parts(name, one) for one in value]
        if not isinstance(value, dict):
            return value
        return {part: inner for part, inner in value.items() if self._wants_part(name, part)}

    def _wants_part(self, name: str, part: str) -> bool:
        plain = f"{name}.{part.lower()}"
        if self.only is not None and name not in self.only:
            return plain in self.only
        return plain not in self.without


def _names(text: str | None) -> frozenset[str]:
    found = set()
    for name in (text or "").split(","):
        plain = name.strip().lower()
        for schema in (USER.lower(), GROUP.lower()):
            plain = plain.removeprefix(f"{schema}:")
        if plain:
            found.add(plain)
    return frozenset(found)


def attributes_of(person: Provisioned) -> dict[str, Any]:
    """What is kept of a person, as a client could have sent it."""
    kept = person.attributes
    if kept is None:
        email = {"value": person.email, "type": "work", "primary": True}
        kept = {"displayName": person.username, "emails": [email]}
    own: dict[str, Any] = {"userName": person.name, "active": person.active}
    if person.external_id is not None:
        own["externalId"] = person.external_id
    return {**kept, **own}


def user_resource(
    person: Provisioned, base: str, memberships: Iterable[Membership]
) -> dict[str, Any]:
    """A person in the shape of the standard."""
    attributes = attributes_of(person)
    schemas = [USER, ENTERPRISE] if ENTERPRISE in attributes else [USER]
    resource = {"schemas": schemas, "id": str(person.id), **attributes}
    further = [{"value": role, "primary": False} for role in person.further_roles]
    resource["roles"] = [{"value": person.role, "primary": True}, *further]
    groups = [
        {
            "value": str(one.id),
            "$ref": f"{base}/Groups/{one.id}",
            "display": one.name,
            "type": "direct",
        }
        for one in memberships
    ]
    if groups:
        resource["groups"] = groups
    resource["meta"] = _meta(
        "User",
        f"{base}/Users/{person.id}",
        created_at=person.created_at,
        modified_at=person.last_modified,
        version=user_version(person),
    )
    return resource


def user_version(person: Provisioned) -> str:
    """The entity tag of a person: the same as long as all that a client may write is."""
    roles = [person.role, *person.further_roles]
    said = json.dumps([attributes_of(person), roles], sort_keys=True, ensure_ascii=False)
    return f'W/"{hashlib.sha256(said.encode()).hexdigest()[:32]}"'


def group_resource(group: Group, base: str, members: Iterable[Membership] | None) -> dict[str, Any]:
    """A group in the shape of the standard; without members where these are not wanted."""
    resource: dict[str, Any] = {
        "schemas": [GROUP],
        "id": str(group.id),
        "displayName": group.name,
    }
    if group.external_id is not None:
        resource["externalId"] = group.external_id
    listed = [
        {"value": str(one.id), "$ref": f"{base}/Users/{one.id}", "type": "User"}
        for one in members or ()
    ]
    if listed:
        resource["members"] = listed
    resource["meta"] = _meta(
        "Group",
        f"{base}/Groups/{group.id}",
        created_at=group.created_at,
        modified_at=group.updated_at,
        version=group_version(group),
    )
    return resource


def group_version(group: Group) -> str:
    """The entity tag of a group."""
    return f'W/"{group.version}"'


def list_resource(
    resources: Sequence[Mapping[str, Any]], *, total: int, start: int
) -> dict[str, Any]:
    """A page of resources. Source: RFC 7644, section 3.4.2."""
    return {
        "schemas": [LIST],
        "totalResults": total,
        "startIndex": start,
        "itemsPerPage": len(resources),
        "Resources": list(resources),
    }


def _meta(
    kind: str, location: str, *, created_at: datetime, modified_at: datetime, version: str
) -> dict[str, Any]:
    return {
        "resourceType": kind,
        "created": rfc3339(created_at),
        "lastModified": rfc3339(modified_at),
        "location": location,
        "version": version,
    }
