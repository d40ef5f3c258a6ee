"""The audit log over HTTP."""

from datetime import date
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Depends, Header, Query, Response
from fastapi.responses import StreamingResponse

from leanvibe_server.audit import service
from leanvibe_server.audit.export import MEDIA_TYPE
from leanvibe_server.audit.schemas import AuditEntry, AuditPage, ChainVerdict
from leanvibe_server.audit.service import AuditQuestion, CsvExport
from leanvibe_server.kernel.access import Errand, Permission, may, may_go_out
from leanvibe_server.kernel.errors import NotFound
from leanvibe_server.kernel.http import Router, refuses
from leanvibe_server.kernel.pagination import PageQuery, PageRequest, page_of
from leanvibe_server.kernel.scope import Scope

router = Router(tags=["Audit"])
MISSING_HEADER = "X-Unreachable-Regions"


Reasoned = Annotated[
    str | None,
    Header(
        alias="X-Break-Glass-Reason",
        description="Platform admins: why they look into the logs of tenants",
    ),
]


def _question(
    tenant_id: Annotated[
        UUID | None, Query(description="One's own; platform admins: any, with a reason")
    ] = None,
    event_type: Annotated[
        str | None,
        Query(max_length=100, description="In full or its last word", examples=["user.login"]),
    ] = None,
    user_id: Annotated[UUID | None, Query(description="Who acted, or whom it is about")] = None,
    actor_id: Annotated[UUID | None, Query(description="Who acted")] = None,
    start_date: Annotated[date | None, Query(description="First day (UTC)")] = None,
    end_date: Annotated[date | None, Query(description="Last day (UTC)")] = None,
    reason: Reasoned = None,
) -> AuditQuestion:
    return AuditQuestion(
        tenant_id, event_type, actor_id, start_date, end_date, None, user_id, reason
    )


def _wants_csv(
    format: Annotated[  # the name of the parameter in the address
        Literal["json", "csv"] | None, Query(description="Else by the Accept header")
    ] = None,
    accept: Annotated[str, Header(include_in_schema=False)] = "",
) -> bool:
    return format == "csv" or (format is None and accept.lower().startswith("text/csv"))


Question = Annotated[AuditQuestion, Depends(_question)]
Csv = Annotated[bool, Depends(_wants_csv)]
Reader = Annotated[Scope, may(Permission.AUDIT_READ)]
_ANSWERS: dict[int | str, dict[str, Any]] = {
    **refuses(NotFound),
    200: {"content": {"text/csv": {"schema": {"type": "string"}}}},
}


@router.get("/admin/audit", responses=_ANSWERS, response_model=AuditPage)
async def list_audit(scope: Reader, question: Question, page: PageQuery, csv: Csv) -> Any:
    """Everything that happened, newest first. As CSV the whole answer, without pages.

    While a region does not answer, the list over all tenants holds the entries of the other
    regions and names it in `unreachable_regions`; a CSV does so in the header
    `X-Unreachable-Regions` and in a last line that begins with `# unreachable_regions`.
    """
    return await _answer(scope, question, page, csv=csv)


@router.get("/admin/audit/auth", responses=_ANSWERS, response_model=AuditPage)
async def list_auth_audit(scope: Reader, question: Question, page: PageQuery, csv: Csv) -> Any:
    """Sign-ins, sessions, users and keys, newest first."""
    return await _answer(scope, question.in_area("auth"), page, csv=csv)


@router.get("/admin/audit/billing", responses=_ANSWERS, response_model=AuditPage)
async def list_billing_audit(scope: Reader, question: Question, page: PageQuery, csv: Csv) -> Any:
    """Subscriptions, payments and invoices, newest first."""
    return await _answer(scope, question.in_area("billing"), page, csv=csv)


@router.get("/admin/audit/verify", responses=refuses(NotFound))
async def verify_audit(
    errand: Annotated[Errand, may_go_out(Permission.AUDIT_READ)],
    tenant_id: Annotated[
        UUID | None, Query(description="One's own; platform admins: any, with a reason")
    ] = None,
    reason: Reasoned = None,
) -> ChainVerdict:
    """Check the chain over the whole log: the first entry that was changed, removed, moved or
    slipped in is named."""
    return ChainVerdict.of(await service.verify(errand, tenant_id, reason))


async def _answer(scope: Scope, question: AuditQuestion, page: PageRequest, *, csv: bool) -> Any:
    if csv:
        return csv_response(await service.export_csv(scope, question))
    found = await service.list_entries(scope, question, page)
    listed = page_of(found.entries, page, AuditEntry.of, lambda row: row.id)
    return AuditPage(**vars(listed), unreachable_regions=found.unreachable)


def csv_response(export: CsvExport) -> Response:
    """The lines as a download; what is known to be missing stands in a header too."""
    missing = {MISSING_HEADER: ", ".join(export.unreachable)} if export.unreachable else {}
    return StreamingResponse(
        export.lines,
        media_type=MEDIA_TYPE,
        headers={
            "Content-Disposition": 'attachment; filename="audit-log.csv"',
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "no-store",
            **missing,
        },
    )
