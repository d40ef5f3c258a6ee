"""Which role a provider's word gives: by an allow-list, and never to rule the tenant."""

from collections.abc import Mapping, Sequence

from leanvibe_server.identity.federation.models import RoleRule, SsoProvider
from leanvibe_server.identity.federation.schemas import RoleRuleView
from leanvibe_server.identity.permissions import is_built_in, may_grant
from leanvibe_server.identity.roles import service as roles
from leanvibe_server.kernel.access import Role
from leanvibe_server.kernel.errors import invalid_field
from leanvibe_server.kernel.scope import Scope

# Ownership is handed over by an owner, never by a provider's word.
NEVER_GIVEN = (Role.OWNER, Role.PLATFORM_ADMIN)


async def require_givable(scope: Scope, role: str, *, field: str) -> str:
    """A role that this admin may have a provider give.

    Raises: InvalidRequest: no such role, or owner. Forbidden: it holds more than the admin's own.
    """
    if role in NEVER_GIVEN:
        why = f"{role} is never given by a provider"
        raise invalid_field(field, why, f"The role {why}. Choose another.")
    return await roles.require_grantable(scope, role, field=field)


async def kept_rules(scope: Scope, rules: Sequence[RoleRuleView]) -> dict[str, object]:
    """The mapping as it is kept. Raises: as `require_givable`."""
    for role in dict.fromkeys(rule.role for rule in rules):
        await require_givable(scope, role, field="role_mapping")
    return {"rules": [rule.model_dump() for rule in rules]}


async def require_all_givable(scope: Scope, provider: SsoProvider) -> None:
    """Refuse who changes what a provider is believed by, while it gives roles above their own: by
    a provider of theirs they would come to such a role themselves.

    Raises: Forbidden.
    """
    given = [provider.default_role, *(rule.role for rule in provider.rules)]
    for role in dict.fromkeys(given):
        # What is no longer a role of the tenant makes guests.
        await require_givable(scope, await living_role(scope, role), field="role_mapping")


async def mapped_role(
    scope: Scope,
    provider: SsoProvider,
    groups: Sequence[str],
    attributes: Mapping[str, Sequence[str]],
) -> str | None:
    """The role that the provider's mapping gives to these values, the default where no rule fits;
    None when the provider maps nothing, so that roles are kept here.

    Values are compared exactly: a rule for `admins` does not fit `Admins` or `admins-old`.
    """
    if not provider.rules:
        return None
    found = next((rule.role for rule in provider.rules if _fits(rule, groups, attributes)), None)
    return await living_role(scope, found or provider.default_role)


async def living_role(scope: Scope, role: str) -> str:
    """The role, or guest when the tenant has it no more or it may never be given."""
    if role not in NEVER_GIVEN and await roles.is_role(scope, role):
        return role
    return Role.GUEST.value


def opens(provider: SsoProvider, held: Sequence[str]) -> bool:
    """Whether the provider opens an account of these roles by its e-mail address alone.

    An admin who sets up a provider must not come by it to an owner's account.
    """
    ceiling = provider.ceiling
    if ceiling is None or all(is_built_in(role) for role in (ceiling, *held)):
        return all(may_grant(ceiling, role) for role in held)
    return ceiling in (Role.OWNER, Role.ADMIN)


def _fits(rule: RoleRule, groups: Sequence[str], attributes: Mapping[str, Sequence[str]]) -> bool:
    if rule.claim == "groups" and rule.value in groups:
        return True
    return rule.value in attributes.get(rule.claim, ())
