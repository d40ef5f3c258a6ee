"""Privacy over HTTP."""

from typing import Annotated
from uuid import UUID

from fastapi import Query, Response
from fastapi.responses import StreamingResponse

from leanvibe_server.compliance import consents, erasure, exports, holds, processing, retention
from leanvibe_server.compliance.errors import ExportNotReady
from leanvibe_server.compliance.schemas import (
    ConsentView,
    ErasureView,
    ExportView,
    HoldLift,
    HoldView,
    NewConsent,
    NewErasure,
    NewExport,
    NewHold,
    PeriodChange,
    Periods,
    RecordView,
)
from leanvibe_server.kernel.access import Permission, may, visitor
from leanvibe_server.kernel.errors import (
    Conflict,
    Forbidden,
    NotFound,
)
from leanvibe_server.kernel.http import PathId, Router, bears_secret, refuses
from leanvibe_server.kernel.pagination import Page, PageQuery, page_of
from leanvibe_server.kernel.platform import Reason
from leanvibe_server.kernel.request import Visit
from leanvibe_server.kernel.scope import Scope

router = Router(tags=["Privacy"])
Person = Annotated[Scope, may(Permission.SELF)]
FreshPerson = Annotated[Scope, may(Permission.SELF, fresh=True)]
Officer = Annotated[Scope, may(Permission.PRIVACY_MANAGE)]
FreshOfficer = Annotated[Scope, may(Permission.PRIVACY_MANAGE, fresh=True)]
LeavingOfficer = Annotated[Scope, may(Permission.PRIVACY_MANAGE, fresh=True, leaving=True)]


@router.post("/privacy/exports", status_code=201, responses=refuses(NotFound, Conflict))
async def request_export(wanted: NewExport, scope: LeavingOfficer) -> ExportView:
    """Have a ZIP written of one person's data, or of the whole organisation's. Works also while
    the organisation is suspended or waits to be deleted."""
    return ExportView.of(await exports.request_export(scope, wanted.user_id), scope)


@router.post("/auth/me/export", status_code=201, responses=refuses(Conflict))
async def request_own_export(scope: FreshPerson) -> ExportView:
    """Have a ZIP written of your own data."""
    return ExportView.of(await exports.request_own_export(scope), scope)


@router.get("/privacy/exports")
async def list_exports(scope: Person, page: PageQuery) -> Page[ExportView]:
    """The exports, newest first; without `privacy:manage` those of your own data."""
    rows = await exports.list_exports(scope, page)
    return page_of(rows, page, lambda row: ExportView.of(row, scope), lambda row: row.id)


@router.get("/privacy/exports/{export_id}", responses=refuses(NotFound))
@bears_secret
async def get_export(export_id: PathId, scope: Person) -> ExportView:
    """How an export stands, and when it is ready a link to fetch it by."""
    return ExportView.of(await exports.require_export(scope, export_id), scope)


@router.get(
    "/privacy/exports/{export_id}/download",
    responses={
        **refuses(Forbidden, NotFound, ExportNotReady),
        200: {"content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}}},
    },
    response_class=Response,
)
async def download_export(
    export_id: PathId,
    visit: Annotated[Visit, visitor(Reason.PRIVACY_EXPORT)],
    tenant: Annotated[str, Query(max_length=36)] = "",
    person: Annotated[str, Query(alias="for", max_length=36)] = "",
    until: Annotated[int, Query(ge=0, le=2**40)] = 0,
    signature: Annotated[str, Query(max_length=64)] = "",
) -> Response:
    """The file behind a link. The link itself is the proof; it ends soon."""
    found = await exports.open_download(
        visit, export_id, tenant=tenant, person=person, until=until, signature=signature
    )
    return StreamingResponse(
        found.pieces,
        media_type="application/zip",
        headers={
            "Content-Disposition": f'attachment; filename="{found.name}"',
            "Content-Length": str(found.size_bytes),
            "Cache-Control": "no-store",
        },
    )


@router.post("/privacy/erasures", status_code=201, responses=refuses(NotFound, Conflict))
async def erase_person(wanted: NewErasure, scope: FreshOfficer) -> ErasureView:
    """Erase a person from your organisation, at once and for good. The answer is the proof."""
    return ErasureView.of(await erasure.erase(scope, wanted.user_id), scope.house)


@router.get("/privacy/erasures")
async def list_erasures(scope: Officer, page: PageQuery) -> Page[ErasureView]:
    """The erasures, newest first."""
    rows = await erasure.list_erased(scope, page)
    return page_of(rows, page, lambda row: ErasureView.of(row, scope.house), lambda row: row.id)


@router.get("/privacy/erasures/{erasure_id}", responses=refuses(NotFound))
async def get_erasure(erasure_id: PathId, scope: Officer) -> ErasureView:
    """The certificate of an erasure, and whether it is as it was signed."""
    return ErasureView.of(await erasure.require_erased(scope, erasure_id), scope.house)


@router.post("/privacy/holds", status_code=201, responses=refuses(NotFound, Conflict))
async def place_hold(new: NewHold, scope: LeavingOfficer) -> HoldView:
    """Put a person, or without `user_id` the whole organisation, on legal hold: until it is
    lifted, erasure, removal, the end of retention periods and the deletion of the organisation
    are refused with `legal_hold`."""
    return HoldView.from_row(await holds.place(scope, new))


@router.get("/privacy/holds")
async def list_holds(scope: Officer, page: PageQuery) -> Page[HoldView]:
    """The legal holds that stand, newest first. The audit log tells of those that were lifted."""
    rows = await holds.list_holds(scope, page)
    return page_of(rows, page, HoldView.from_row, lambda row: row.id)


@router.post("/privacy/holds/{hold_id}/lift", status_code=204, responses=refuses(NotFound))
async def lift_hold(hold_id: PathId, said: HoldLift, scope: LeavingOfficer) -> None:
    """End a legal hold. Nobody lifts the hold on their own data."""
    await holds.lift(scope, hold_id, said.reason)


@router.post("/privacy/consents", status_code=201)
async def record_consent(new: NewConsent, scope: Person) -> ConsentView:
    """Consent to a purpose, or withdraw it."""
    return ConsentView.from_row(
        await consents.record(scope, purpose=new.purpose, version=new.version, given=new.given)
    )


@router.get("/privacy/consents")
async def list_consents(
    scope: Person,
    page: PageQuery,
    user_id: Annotated[UUID | None, Query(description="Needs privacy:manage")] = None,
) -> Page[ConsentView]:
    """What was consented to and withdrawn, newest first: your own, or with `privacy:manage`
    anybody's."""
    rows = await consents.list_consents(scope, user_id, page)
    return page_of(rows, page, ConsentView.from_row, lambda row: row.id)


@router.get("/privacy/retention")
async def get_retention(scope: Officer) -> Periods:
    """How long rows are kept, by table."""
    return Periods.of(await retention.list_periods(scope))


@router.patch("/privacy/retention")
async def change_retention(change: PeriodChange, scope: FreshOfficer) -> Periods:
    """Keep rows longer or shorter, within bounds."""
    return Periods.of(await retention.set_periods(scope, change.days))


@router.get("/privacy/processing")
async def get_processing_record(scope: Officer) -> RecordView:
    """The record of processing activities (GDPR Art. 30)."""
    return RecordView.of(await processing.read_record(scope))
