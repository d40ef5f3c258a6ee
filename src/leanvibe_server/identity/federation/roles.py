"""Which role a provider's word gives: by an allow-list, and never to rule the tenant."""

from collections.abc import Mapping, Sequence

from leanvibe_server.identity.federation.models import RoleRule, SsoProvider
from leanvibe_server.identity.federation.schemas import RoleRuleView
from leanvibe_server.identity.permissions import may_grant
from leanvibe_server.kernel.access import Role
from leanvibe_server.kernel.errors import Forbidden, InvalidRequest
from leanvibe_server.kernel.scope import Scope

# Ownership is handed over by an owner, never by a provider's word.
GRANTABLE = (Role.ADMIN, Role.MANAGER, Role.DEVELOPER, Role.VIEWER, Role.GUEST)


def require_grantable(scope: Scope, role: str, *, field: str) -> str:
    """A role that this admin may have a provider give.

    Raises: InvalidRequest: no such role, or owner. Forbidden: above the admin's own.
    """
    if role not in GRANTABLE:
        choices = ", ".join(GRANTABLE)
        raise InvalidRequest(
            f"A provider may give the roles {choices}, not {role!r}.",
            details={"field": field, "validation_errors": [f"{field}: must be one of {choices}"]},
        )
    if not may_grant(scope.actor.role, role):
        raise Forbidden("You cannot have a provider give a role above your own.")
    return role


def rules_of(scope: Scope, rules: Sequence[RoleRuleView]) -> dict[str, object]:
    """The mapping as it is kept. Raises: as `require_grantable`."""
    for rule in rules:
        require_grantable(scope, rule.role, field="role_mapping")
    return {"rules": [rule.model_dump() for rule in rules]}


def mapped_role(
    provider: SsoProvider, groups: Sequence[str], attributes: Mapping[str, Sequence[str]]
) -> str | None:
    """The role that the provider's mapping gives to these values, the default where no rule fits;
    None when the provider maps nothing, so that roles are kept here.

    Values are compared exactly: a rule for `admins` does not fit `Admins` or `admins-old`.
    """
    rules = provider.rules
    if not rules:
        return None
    found = next((rule.role for rule in rules if _fits(rule, groups, attributes)), None)
    role = found or provider.default_role
    return role if role in GRANTABLE else Role.GUEST.value


def _fits(rule: RoleRule, groups: Sequence[str], attributes: Mapping[str, Sequence[str]]) -> bool:
    if rule.claim == "groups" and rule.value in groups:
        return True
    return rule.value in attributes.get(rule.claim, ())
