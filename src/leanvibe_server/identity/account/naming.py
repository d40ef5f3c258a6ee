"""One's own name: what other people here read."""

from leanvibe_server.identity import users
from leanvibe_server.identity.account.proving import require_own
from leanvibe_server.identity.account.schemas import OwnChange
from leanvibe_server.identity.me import describe_me
from leanvibe_server.identity.schemas import Identity
from leanvibe_server.kernel.scope import Scope


async def change_own(scope: Scope, change: OwnChange) -> Identity:
    """Change what people may change of themselves; what is not named stays.

    Raises: Forbidden: a key is nobody's own. Conflict: a directory keeps the name.
    """
    user = (await require_own(scope)).user
    if change.username is not None:
        await users.rename(scope, user, change.username)
    return await describe_me(scope)
