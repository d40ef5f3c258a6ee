"""The audit log over HTTP."""

from datetime import date
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query

from leanvibe_server.audit import service
from leanvibe_server.audit.schemas import AuditEntry
from leanvibe_server.audit.service import AuditQuestion
from leanvibe_server.kernel.access import Permission, may
from leanvibe_server.kernel.errors import Forbidden, InvalidRequest
from leanvibe_server.kernel.http import Router, refuses
from leanvibe_server.kernel.pagination import Page, PageQuery, page_of
from leanvibe_server.kernel.scope import Scope

router = Router(tags=["Audit"])


def _question(
    tenant_id: Annotated[UUID | None, Query(description="Platform admins: one tenant")] = None,
    event_type: Annotated[str | None, Query(max_length=100, examples=["user.login"])] = None,
    actor_id: UUID | None = None,
    start_date: Annotated[date | None, Query(description="First day (UTC)")] = None,
    end_date: Annotated[date | None, Query(description="Last day (UTC)")] = None,
) -> AuditQuestion:
    return AuditQuestion(tenant_id, event_type, actor_id, start_date, end_date)


Question = Annotated[AuditQuestion, Depends(_question)]
Reader = Annotated[Scope, may(Permission.AUDIT_READ)]
_REFUSALS = refuses(InvalidRequest, Forbidden)


@router.get("/admin/audit", responses=_REFUSALS)
async def list_audit(scope: Reader, question: Question, page: PageQuery) -> Page[AuditEntry]:
    """Everything that happened, newest first."""
    rows = await service.list_entries(scope, question, page)
    return page_of(rows, page, AuditEntry.of, lambda row: row.id)


@router.get("/admin/audit/auth", responses=_REFUSALS)
async def list_auth_audit(scope: Reader, question: Question, page: PageQuery) -> Page[AuditEntry]:
    """Sign-ins, sessions, users and keys, newest first."""
    rows = await service.list_entries(scope, question.in_area("auth"), page)
    return page_of(rows, page, AuditEntry.of, lambda row: row.id)
