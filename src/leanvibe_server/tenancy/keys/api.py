"""Data keys over HTTP."""

from typing import Annotated

from leanvibe_server.kernel.access import Errand, Permission, may, may_go_out
from leanvibe_server.kernel.errors import Conflict
from leanvibe_server.kernel.http import Router, refuses
from leanvibe_server.kernel.master_keys import MasterKeyUnavailable
from leanvibe_server.kernel.scope import Scope
from leanvibe_server.tenancy.keys import service
from leanvibe_server.tenancy.keys.schemas import DataKeys

router = Router(tags=["Security"])


@router.get("/tenants/me/keys")
async def list_data_keys(scope: Annotated[Scope, may(Permission.SECURITY_READ)]) -> DataKeys:
    """The versions of the key that seals the organisation's secrets."""
    return DataKeys.of(await service.list_keys(scope))


@router.post(
    "/tenants/me/keys/rotate", status_code=201, responses=refuses(Conflict, MasterKeyUnavailable)
)
async def rotate_data_key(
    errand: Annotated[Errand, may_go_out(Permission.SECURITY_MANAGE, fresh=True)],
) -> DataKeys:
    """Seal with a new key from now on. What is there is sealed anew in the background, and
    stays readable meanwhile; the old key is destroyed a day after nothing uses it."""
    return DataKeys.of(await service.rotate(errand))
