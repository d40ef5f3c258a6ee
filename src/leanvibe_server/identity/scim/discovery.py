"""What this SCIM service offers, as clients ask before they begin. Source: RFC 7644, section 4."""

from typing import Any

from leanvibe_server.identity.scim.definitions import DOCUMENTS, ENTERPRISE, GROUP, USER
from leanvibe_server.identity.scim.entrance import Provisioner
from leanvibe_server.identity.scim.errors import NotOffered
from leanvibe_server.identity.scim.lists import MAX_COUNT
from leanvibe_server.identity.scim.replies import Reply
from leanvibe_server.identity.scim.resources import list_resource
from leanvibe_server.kernel.errors import Forbidden, NotFound

CORE = "urn:ietf:params:scim:schemas:core:2.0"


def describe_service(caller: Provisioner, wanted: str | None = None) -> Reply:
    """Which options of the standard are there."""
    _check_unfiltered(wanted)
    return Reply(
        200,
        {
            "schemas": [f"{CORE}:ServiceProviderConfig"],
            "documentationUri": f"{caller.scope.house.settings.base_url}/docs",
            "patch": {"supported": True},
            "bulk": {"supported": False, "maxOperations": 0, "maxPayloadSize": 0},
            "filter": {"supported": True, "maxResults": MAX_COUNT},
            "changePassword": {"supported": False},
            "sort": {"supported": True},
            "etag": {"supported": True},
            "authenticationSchemes": [
                {
                    "type": "oauthbearertoken",
                    "name": "Bearer token",
                    "description": "A SCIM token of the organisation, or an API key of an "
                    "admin with the scope scim:manage, in the Authorization header",
                    "specUri": "https://www.rfc-editor.org/info/rfc6750",
                    "primary": True,
                }
            ],
            "meta": {
                "resourceType": "ServiceProviderConfig",
                "location": f"{caller.base}/ServiceProviderConfig",
            },
        },
    )


def list_schemas(caller: Provisioner, wanted: str | None = None) -> Reply:
    """What people and groups are made of."""
    _check_unfiltered(wanted)
    shown = [_schema(caller, name) for name in DOCUMENTS]
    return Reply(200, list_resource(shown, total=len(shown), start=1))


def get_schema(caller: Provisioner, name: str) -> Reply:
    """One schema. Raises: NotFound."""
    if name not in DOCUMENTS:
        raise NotFound("No such schema.")
    return Reply(200, _schema(caller, name))


def list_types(caller: Provisioner, wanted: str | None = None) -> Reply:
    """The kinds of resources there are."""
    _check_unfiltered(wanted)
    shown = list(_types(caller).values())
    return Reply(200, list_resource(shown, total=len(shown), start=1))


def get_type(caller: Provisioner, name: str) -> Reply:
    """One kind of resource. Raises: NotFound."""
    if name not in _types(caller):
        raise NotFound("No such resource type.")
    return Reply(200, _types(caller)[name])


def refuse() -> Reply:
    """Raises: NotOffered."""
    raise NotOffered("This optional part of SCIM is not offered.")


def _check_unfiltered(wanted: str | None) -> None:
    """Source: RFC 7644, section 4: filters are refused here."""
    if wanted is not None:
        raise Forbidden("This list cannot be filtered.")


def _schema(caller: Provisioner, name: str) -> dict[str, Any]:
    meta = {"resourceType": "Schema", "location": f"{caller.base}/Schemas/{name}"}
    return {**DOCUMENTS[name], "meta": meta}


def _types(caller: Provisioner) -> dict[str, dict[str, Any]]:
    extension = {"schema": ENTERPRISE, "required": False}
    return {
        name: {
            "schemas": [f"{CORE}:ResourceType"],
            "id": name,
            "name": name,
            "endpoint": endpoint,
            "description": description,
            "schema": schema,
            "schemaExtensions": extensions,
            "meta": {
                "resourceType": "ResourceType",
                "location": f"{caller.base}/ResourceTypes/{name}",
            },
        }
        for name, endpoint, description, schema, extensions in (
            ("User", "/Users", "People of the organisation", USER, [extension]),
            ("Group", "/Groups", "Groups of people", GROUP, []),
        )
    }
