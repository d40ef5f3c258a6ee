"""Second factors, as far as an account needs them: what proves its bearer once more."""

from typing import Any

from leanvibe_server.identity.mfa import repository as rows
from leanvibe_server.identity.mfa.events import FactorRemoved
from leanvibe_server.identity.mfa.registry import forget_keys_of
from leanvibe_server.identity.mfa.service import Answer, usable_factors
from leanvibe_server.identity.mfa.stepping import prove_own
from leanvibe_server.identity.models import User
from leanvibe_server.kernel.access import Errand
from leanvibe_server.kernel.errors import Forbidden, at_field
from leanvibe_server.kernel.scope import Scope


async def check_password_is_enough(scope: Scope, user: User) -> None:
    """Refuse a password alone to who has a second factor: what protects the sign-in must not be
    removed with less than the sign-in takes.

    Raises: Forbidden: naming the methods they may prove themselves with.
    """
    usable = await usable_factors(scope, user.id)
    if not usable.has_any:
        return
    why = "You have set up a second factor: its code or key is needed here"
    raise Forbidden(
        f"{why}.",
        details=at_field("mfa_code", why)
        | {"reason": "second_factor_needed", "methods": usable.methods},
    )


async def verify_code(
    errand: Errand,
    code: str | None,
    *,
    method: str | None = None,
    credential: dict[str, Any] | None = None,
) -> tuple[str, ...]:
    """The methods (RFC 8176) that a code or key of the caller proves. A code is good once.

    Raises: Forbidden: it is wrong, which is counted. InvalidRequest: the user has set up no
        second factor.
    """
    return await prove_own(errand, Answer(method, code, credential))


async def remove_every(scope: Scope, user: User, *, reason: str) -> None:
    """Remove all second factors of a user, with what waits for one."""
    await forget_keys_of(scope, user.id)
    for one in await rows.delete_every(scope.conn, scope.tenant_id, user.id):
        if one.verified_at is not None:
            await scope.emit(
                FactorRemoved(user_id=user.id, factor_id=one.id, method=one.method, reason=reason)
            )
    await rows.withdraw_challenges(scope.conn, scope.tenant_id, user.id)
