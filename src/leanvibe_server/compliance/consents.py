"""Consents: given and withdrawn, one line each, never changed."""

from uuid import UUID

from leanvibe_server.compliance import repository
from leanvibe_server.compliance.events import ConsentRecorded
from leanvibe_server.compliance.models import Consent
from leanvibe_server.kernel.access import Permission
from leanvibe_server.kernel.errors import Forbidden
from leanvibe_server.kernel.pagination import PageRequest
from leanvibe_server.kernel.scope import Scope


async def record(scope: Scope, *, purpose: str, version: str, given: bool) -> Consent:
    """Note that the caller consents to a purpose, or no more. Source: GDPR Art. 7."""
    if scope.actor.id is None or scope.actor.kind != "user":
        raise Forbidden("Only a person can consent, and only for themselves: sign in.")
    consent = Consent(
        tenant_id=scope.tenant_id,
        id=scope.new_id(),
        user_id=scope.actor.id,
        purpose=purpose,
        version=version,
        given=given,
        recorded_by=scope.actor.id,
        recorded_at=scope.now,
    )
    await repository.add_consent(scope.conn, consent)
    await scope.emit(
        ConsentRecorded(
            user_id=consent.user_id, purpose=purpose, purpose_version=version, given=given
        )
    )
    return consent


async def list_consents(scope: Scope, user_id: UUID | None, page: PageRequest) -> list[Consent]:
    """The newest first: one's own, or with the permission anybody's."""
    wanted = user_id
    if Permission.PRIVACY_MANAGE not in scope.permissions:
        if user_id not in (None, scope.actor.id):
            raise Forbidden("You may see your own consents only.")
        wanted = scope.actor.id
    return await repository.list_consents(
        scope.conn, scope.tenant_id, user_id=wanted, after=page.after, limit=page.limit + 1
    )
