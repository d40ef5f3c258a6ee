"""Who made a credential, as pages name them."""

from collections.abc import Iterable
from uuid import UUID

from leanvibe_server.identity.users import find_users
from leanvibe_server.kernel.scope import Scope


async def names_of(scope: Scope, makers: Iterable[UUID | None]) -> dict[UUID, str]:
    """The addresses of those makers who are still known here; service accounts by their names."""
    wanted = {maker for maker in makers if maker is not None}
    found = await find_users(scope, sorted(wanted)) if wanted else {}
    return {user.id: user.username if user.is_service else user.email for user in found.values()}
