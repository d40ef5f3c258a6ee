"""One's own second factors: see them, rename or remove one, make new backup codes; and the reset of
another's by an administrator."""

from uuid import UUID

from leanvibe_server.identity.account.proving import require_own
from leanvibe_server.identity.mfa import backup_codes, mails
from leanvibe_server.identity.mfa import repository as rows
from leanvibe_server.identity.mfa.events import (
    BackupCodesMade,
    FactorRemoved,
    FactorRenamed,
    SecondFactorsReset,
)
from leanvibe_server.identity.mfa.models import SENT, Factor
from leanvibe_server.identity.mfa.registry import forget_keys
from leanvibe_server.identity.models import User
from leanvibe_server.identity.policy import SecurityPolicy, policy_of
from leanvibe_server.identity.roles.service import require_over
from leanvibe_server.identity.sessions import end_all
from leanvibe_server.identity.users import lock_person
from leanvibe_server.kernel.access import Errand
from leanvibe_server.kernel.errors import Conflict, Forbidden, NotFound
from leanvibe_server.kernel.scope import Scope


async def list_own(scope: Scope) -> tuple[list[Factor], int, SecurityPolicy]:
    """The caller's factors, how many backup codes are left, and the policy they must fit.

    Raises: Forbidden: a key has none.
    """
    user = (await require_own(scope)).user
    listed = await rows.list_verified(scope.conn, scope.tenant_id, user.id)
    left = await rows.count_codes(scope.conn, scope.tenant_id, user.id)
    return listed, left, await policy_of(scope)


async def rename(scope: Scope, factor_id: UUID, name: str) -> Factor:
    """Give one of the caller's keys or apps another name.

    Raises: NotFound. Conflict: it is called by where its codes go.
    """
    user = (await require_own(scope)).user
    factor = _require(await rows.list_verified(scope.conn, scope.tenant_id, user.id), factor_id)
    if factor.method in SENT:
        raise Conflict(
            "Codes that are sent are called by where they go. To have them sent elsewhere, remove "
            "this factor and set up another.",
            details={"reason": "named_by_address"},
        )
    if name == factor.label:
        return factor
    renamed = await rows.rename_factor(scope.conn, scope.tenant_id, factor.id, name)
    if renamed is None:
        raise NotFound("No such factor.")
    await scope.emit(FactorRenamed(user_id=user.id, factor_id=factor.id, method=factor.method))
    return renamed


async def remove(errand: Errand, factor_id: UUID) -> None:
    """Remove one of the caller's factors; with the last go the backup codes.

    Raises: NotFound. Conflict: the organisation asks for a second factor, and this is the last
        that counts.
    """
    async with errand.scope() as scope:
        user = (await require_own(scope)).user
        listed = await rows.list_verified(scope.conn, scope.tenant_id, user.id)
        factor = _require(listed, factor_id)
        _check_last(await policy_of(scope), listed, factor)
        await rows.delete_factor(scope.conn, scope.tenant_id, factor.id)
        if len(listed) == 1:
            await rows.drop_codes(scope.conn, scope.tenant_id, user.id)
        await rows.withdraw_challenges(scope.conn, scope.tenant_id, user.id)
        await scope.emit(
            FactorRemoved(
                user_id=user.id, factor_id=factor.id, method=factor.method, reason="removed"
            )
        )
        await mails.factor_removed(scope, user, factor.method)
    await forget_keys(errand.house, _credentials([factor]))


async def make_codes(errand: Errand) -> list[str]:
    """Eight new backup codes; the earlier ones are refused from now on.

    Raises: Conflict: there is no factor they could stand in for.
    """
    async with errand.scope() as scope:
        user = (await require_own(scope)).user
        _check_any(await rows.list_verified(scope.conn, scope.tenant_id, user.id))
    new = await backup_codes.make(errand.house, user)
    async with errand.scope() as scope:
        user = (await require_own(scope)).user
        _check_any(await rows.list_verified(scope.conn, scope.tenant_id, user.id))
        await backup_codes.keep(scope, user, new)
        await scope.emit(BackupCodesMade(user_id=user.id))
        await mails.backup_codes_made(scope, user)
    return new.codes


async def reset(errand: Errand, user_id: UUID) -> int:
    """Remove every factor of a person who lost them and sign them out; how many sessions ended.

    Raises: NotFound. Forbidden: their role is above one's own, or it is oneself.
    """
    if user_id == errand.caller.actor.id:
        raise Forbidden(
            "You cannot reset your own second factors. Remove them one by one, or ask another "
            "administrator.",
            details={"reason": "own_account"},
        )
    async with errand.scope() as scope:
        user = await _require_below(scope, user_id)
        removed = await rows.delete_every(scope.conn, scope.tenant_id, user.id)
        await rows.withdraw_challenges(scope.conn, scope.tenant_id, user.id)
        ended = await end_all(scope, user.id, reason="second factors were reset")
        await scope.emit(
            SecondFactorsReset(
                user_id=user.id,
                methods=sorted({one.method for one in removed if one.verified_at}),
                sessions_ended=ended,
            )
        )
        await mails.reset_by_admin(scope, user)
    await forget_keys(errand.house, _credentials(removed))
    return ended


async def _require_below(scope: Scope, user_id: UUID) -> User:
    user = await lock_person(scope, user_id)
    await require_over(scope, *user.roles)
    return user


def _credentials(factors: list[Factor]) -> list[bytes]:
    return [one.credential_id for one in factors if one.credential_id is not None]


def _require(listed: list[Factor], factor_id: UUID) -> Factor:
    factor = next((one for one in listed if one.id == factor_id), None)
    if factor is None:
        raise NotFound("No such factor.")
    return factor


def _check_last(policy: SecurityPolicy, listed: list[Factor], factor: Factor) -> None:
    left = [one for one in listed if one.id != factor.id and one.method in policy.mfa_methods]
    if policy.mfa_required and not left:
        raise Conflict(
            "Your organisation asks for a second factor, and this is your last. Set up another "
            "first.",
            details={"reason": "last_factor"},
        )


def _check_any(listed: list[Factor]) -> None:
    if not listed:
        raise Conflict(
            "Set up a second factor first; it brings backup codes with it.",
            details={"reason": "not_set_up"},
        )
