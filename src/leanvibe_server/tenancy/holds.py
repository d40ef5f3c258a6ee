"""Legal holds, as everything that erases must ask for them."""

from uuid import UUID

from leanvibe_server.kernel.scope import Scope
from leanvibe_server.tenancy import repository
from leanvibe_server.tenancy.errors import OnLegalHold


async def require_no_hold(scope: Scope, user_id: UUID | None = None) -> None:
    """Refuse to erase a person, or without one the scope's tenant, while a hold stands.

    Raises: OnLegalHold.
    Source: GDPR Art. 17(3)(e).
    """
    hold_id = await repository.find_hold(scope.conn, scope.tenant_id, user_id)
    if hold_id is not None:
        raise OnLegalHold(
            "A legal hold keeps this data. Whoever holds privacy:manage can lift it with "
            "POST /v1/privacy/holds/{hold_id}/lift, or in the dashboard under Privacy.",
            details={"hold_id": str(hold_id)},
        )
