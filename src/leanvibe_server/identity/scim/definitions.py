"""What a person and a group are made of, for provisioning clients: types, and what may be written.

Source: RFC 7643, sections 4 and 7; the texts are those of the standard.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from scim2_models import Context, EnterpriseUser, Group, User

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"

# Passwords are no provisioner's business, and the others say nothing to this product.
LEFT_OUT = frozenset({"password", "entitlements", "x509Certificates"})


@dataclass(frozen=True)
class Attribute:
    """One attribute, with those within it by their names in lower case."""

    name: str
    type: str
    multi: bool
    exact: bool
    writable: bool
    within: Mapping[str, "Attribute"] = field(default_factory=dict)


def _document(model: Any) -> dict[str, Any]:
    document: dict[str, Any] = model.to_schema().model_dump(
        scim_ctx=Context.RESOURCE_QUERY_RESPONSE
    )
    document["attributes"] = [
        attribute for attribute in document["attributes"] if attribute["name"] not in LEFT_OUT
    ]
    for attribute in document["attributes"]:
        _adapt(document["name"], attribute)
    return document


def _adapt(schema: str, attribute: dict[str, Any]) -> None:
    """What this product holds to beyond the standard, or leaves out of it."""
    within = {one["name"]: one for one in attribute.get("subAttributes", ())}
    if schema == "User" and attribute["name"] == "roles":
        # Roles are given by the group mapping of the tenant's admins alone.
        attribute["mutability"] = "readOnly"
        for one in within.values():
            one["mutability"] = "readOnly"
    elif schema == "User" and attribute["name"] == "active":
        attribute["required"] = True
    elif schema == "User" and attribute["name"] == "emails":
        attribute["required"] = within["value"]["required"] = True
    elif schema == "Group" and attribute["name"] == "members":
        within["type"]["canonicalValues"] = ["User"]
        within["$ref"]["referenceTypes"] = ["User"]
        attribute["subAttributes"].remove(within["display"])
    elif attribute["name"] == "manager":
        within["$ref"]["required"] = False


def _attribute(document: Mapping[str, Any]) -> Attribute:
    return Attribute(
        name=document["name"],
        type=document["type"],
        multi=bool(document.get("multiValued")),
        exact=bool(document.get("caseExact")),
        writable=document.get("mutability") != "readOnly",
        within={one["name"].lower(): _attribute(one) for one in document.get("subAttributes", ())},
    )


USER_DOCUMENT = _document(User)
GROUP_DOCUMENT = _document(Group)
ENTERPRISE_DOCUMENT = _document(EnterpriseUser)
DOCUMENTS = {USER: USER_DOCUMENT, GROUP: GROUP_DOCUMENT, ENTERPRISE: ENTERPRISE_DOCUMENT}

EXTERNAL_ID = Attribute("externalId", "string", multi=False, exact=True, writable=True)
ATTRIBUTES: dict[str, Attribute] = {
    one["name"].lower(): _attribute(one) for one in USER_DOCUMENT["attributes"]
} | {"externalid": EXTERNAL_ID}
ENTERPRISE_ATTRIBUTES: dict[str, Attribute] = {
    one["name"].lower(): _attribute(one) for one in ENTERPRISE_DOCUMENT["attributes"]
}
EXTENSION = Attribute(
    ENTERPRISE, "complex", multi=False, exact=False, writable=True, within=ENTERPRISE_ATTRIBUTES
)
