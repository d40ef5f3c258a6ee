"""SCIM 2.0 over HTTP, and the management of its tokens. Source: RFC 7644."""

from typing import Annotated, Any

from fastapi import Body, Query, Response

from leanvibe_server.identity.scim import discovery, groups, people, tokens
from leanvibe_server.identity.scim.entrance import Provisioner, provisioner
from leanvibe_server.identity.scim.lists import ListQuery, View
from leanvibe_server.identity.scim.schemas import (
    CreatedScimToken,
    NewScimToken,
    ScimStatus,
    ScimTokenView,
)
from leanvibe_server.kernel.access import Permission, may
from leanvibe_server.kernel.errors import Conflict, NotFound
from leanvibe_server.kernel.http import PathId, Router, bears_secret, refuses
from leanvibe_server.kernel.pagination import Page, PageQuery, page_of
from leanvibe_server.kernel.scope import Scope

router = Router(prefix="/scim", tags=["Provisioning"])
street_router = Router(prefix="/scim/v2/{tenant_slug}", include_in_schema=False)

Manager = Annotated[Scope, may(Permission.SCIM_MANAGE)]
Ender = Annotated[Scope, may(Permission.SCIM_MANAGE, ending=True)]
FreshManager = Annotated[Scope, may(Permission.SCIM_MANAGE, fresh=True)]
Caller = Annotated[Provisioner, provisioner()]
Resource = Annotated[dict[str, Any], Body()]
Shown = Annotated[View, Query()]
Listing = Annotated[ListQuery, Query()]
Orphaned = Annotated[
    bool | None, Query(description="Those only, or not, that go on without who made them")
]
Filter = Annotated[str | None, Query(alias="filter")]


@router.get("")
async def get_scim_status(scope: Manager) -> ScimStatus:
    """Where provisioning clients find your tenant, and when they were last here."""
    return await tokens.describe(scope)


@router.post("/tokens", status_code=201, responses=refuses(Conflict))
@bears_secret
async def create_scim_token(new: NewScimToken, scope: FreshManager) -> CreatedScimToken:
    """Make a token for a provisioning client, shown in this answer only.

    It works below `base_url` and nowhere else.
    """
    return await tokens.create(scope, new)


@router.get("/tokens")
async def list_scim_tokens(
    page: PageQuery, scope: Ender, orphaned: Orphaned = None
) -> Page[ScimTokenView]:
    """The tokens of your tenant, without their secrets. They belong to the organisation and go on
    when who made them leaves; its owners are told then."""
    listed = await tokens.list_tokens(scope, page, orphaned=orphaned)
    return page_of(listed, page, ScimTokenView.from_row, lambda token: token.id)


@router.delete("/tokens/{token_id}", status_code=204, responses=refuses(NotFound))
async def revoke_scim_token(token_id: PathId, scope: Ender) -> None:
    """End a token at once."""
    await tokens.revoke(scope, token_id)


@street_router.get("/ServiceProviderConfig")
async def get_service(caller: Caller, wanted: Filter = None) -> Response:
    return discovery.describe_service(caller, wanted).send()


@street_router.get("/ResourceTypes")
async def list_resource_types(caller: Caller, wanted: Filter = None) -> Response:
    return discovery.list_types(caller, wanted).send()


@street_router.get("/ResourceTypes/{name}")
async def get_resource_type(name: str, caller: Caller) -> Response:
    return discovery.get_type(caller, name).send()


@street_router.get("/Schemas")
async def list_schemas(caller: Caller, wanted: Filter = None) -> Response:
    return discovery.list_schemas(caller, wanted).send()


@street_router.get("/Schemas/{name}")
async def get_schema(name: str, caller: Caller) -> Response:
    return discovery.get_schema(caller, name).send()


@street_router.get("/Users")
async def list_users(caller: Caller, query: Listing) -> Response:
    return (await people.find(caller, query)).send()


@street_router.post("/Users")
async def create_user(caller: Caller, body: Resource, view: Shown) -> Response:
    return (await people.create(caller, body, view)).send()


@street_router.get("/Users/{user_id}")
async def get_user(user_id: PathId, caller: Caller, view: Shown) -> Response:
    return (await people.get(caller, user_id, view)).send()


@street_router.put("/Users/{user_id}")
async def replace_user(user_id: PathId, caller: Caller, body: Resource, view: Shown) -> Response:
    return (await people.replace(caller, user_id, body, view)).send()


@street_router.patch("/Users/{user_id}")
async def patch_user(user_id: PathId, caller: Caller, body: Resource, view: Shown) -> Response:
    return (await people.patch(caller, user_id, body, view)).send()


@street_router.delete("/Users/{user_id}")
async def delete_user(user_id: PathId, caller: Caller) -> Response:
    return (await people.delete(caller, user_id)).send()


@street_router.get("/Groups")
async def list_groups(caller: Caller, query: Listing) -> Response:
    return (await groups.find(caller, query)).send()


@street_router.post("/Groups")
async def create_group(caller: Caller, body: Resource, view: Shown) -> Response:
    return (await groups.create(caller, body, view)).send()


@street_router.get("/Groups/{group_id}")
async def get_group(group_id: PathId, caller: Caller, view: Shown) -> Response:
    return (await groups.get(caller, group_id, view)).send()


@street_router.put("/Groups/{group_id}")
async def replace_group(group_id: PathId, caller: Caller, body: Resource, view: Shown) -> Response:
    return (await groups.replace(caller, group_id, body, view)).send()


@street_router.patch("/Groups/{group_id}")
async def patch_group(group_id: PathId, caller: Caller, body: Resource, view: Shown) -> Response:
    return (await groups.patch(caller, group_id, body, view)).send()


@street_router.delete("/Groups/{group_id}")
async def delete_group(group_id: PathId, caller: Caller) -> Response:
    return (await groups.delete(caller, group_id)).send()


@street_router.get("/Me")
async def get_me(caller: Caller) -> Response:
    return discovery.refuse().send()


@street_router.post("/Bulk")
async def do_bulk(caller: Caller) -> Response:
    return discovery.refuse().send()


@street_router.post("/.search")
async def search(caller: Caller) -> Response:
    return discovery.refuse().send()
