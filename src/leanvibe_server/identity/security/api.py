"""The security policy over HTTP."""

from enum import Enum
from typing import Annotated

from leanvibe_server.identity.security import service
from leanvibe_server.identity.security.schemas import SecurityChange, SecurityView
from leanvibe_server.kernel.access import Permission, may
from leanvibe_server.kernel.errors import Conflict
from leanvibe_server.kernel.http import Router, refuses
from leanvibe_server.kernel.scope import Scope

SECURITY: list[str | Enum] = ["Security"]
router = Router(tags=SECURITY)


@router.get("/tenants/me/security")
async def get_security(scope: Annotated[Scope, may(Permission.SECURITY_READ)]) -> SecurityView:
    """What your organisation asks of passwords, second factors, sessions and addresses."""
    return await service.describe_policy(scope)


@router.put("/tenants/me/security", responses=refuses(Conflict))
async def set_security(
    change: SecurityChange, scope: Annotated[Scope, may(Permission.SECURITY_MANAGE, fresh=True)]
) -> SecurityView:
    """Set the security policy. What is not named stays; null is the product's own rule.

    Tighter limits and networks hold at once, for sessions and API keys that exist too. Networks
    that leave out your own address are refused with 409, unless you send `force`.
    """
    return await service.change_policy(scope, change)
