"""What those who look after people see of one: second factors, groups."""

from uuid import UUID

from leanvibe_server.identity.groups import repository as group_rows
from leanvibe_server.identity.groups.schemas import GroupView
from leanvibe_server.identity.mfa import repository as factor_rows
from leanvibe_server.identity.mfa.schemas import FactorView
from leanvibe_server.identity.people.schemas import PersonFactors, PersonGroups
from leanvibe_server.identity.users import require_user
from leanvibe_server.kernel.scope import Scope


async def describe_factors(scope: Scope, user_id: UUID) -> PersonFactors:
    """The second factors somebody has set up, without their secrets. Raises: NotFound."""
    user = await require_user(scope, user_id)
    factors = await factor_rows.list_verified(scope.conn, scope.tenant_id, user.id)
    left = await factor_rows.count_codes(scope.conn, scope.tenant_id, user.id)
    return PersonFactors(data=[FactorView.of(one) for one in factors], backup_codes_left=left)


async def list_groups(scope: Scope, user_id: UUID) -> PersonGroups:
    """The groups somebody is in, by name. Raises: NotFound."""
    user = await require_user(scope, user_id)
    found = await group_rows.list_of_person(scope.conn, scope.tenant_id, user.id)
    return PersonGroups(data=[GroupView.of(group) for group in found])
