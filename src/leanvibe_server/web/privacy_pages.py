"""Pages of privacy: exports, erasure, periods, keys and the record; and a person's own data."""

from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

from fastapi import Response

from leanvibe_server.compliance import consents, erasure, exports, holds, processing, retention
from leanvibe_server.compliance.models import Consent, Export, Hold
from leanvibe_server.compliance.schemas import HoldLift, NewConsent, NewHold
from leanvibe_server.identity.users import find_users, require_user_by_email
from leanvibe_server.kernel.access import Permission
from leanvibe_server.kernel.errors import InvalidRequest, invalid_field
from leanvibe_server.kernel.http import PathId
from leanvibe_server.kernel.pagination import PageRequest
from leanvibe_server.tenancy.keys import service as keys
from leanvibe_server.web.forms import fill
from leanvibe_server.web.page import ErrandPage, ScopedPage, errand_page, page
from leanvibe_server.web.routes import PageRouter

router = PageRouter()

SELF = page(Permission.SELF)
FRESH_SELF = page(Permission.SELF, fresh=True)
READ = page(Permission.PRIVACY_MANAGE)
MANAGE = page(Permission.PRIVACY_MANAGE, fresh=True)
TAKE_ALONG = page(Permission.PRIVACY_MANAGE, fresh=True, leaving=True)
ROTATE = errand_page(Permission.SECURITY_MANAGE, fresh=True)
HERE = "/settings/privacy"
TEMPLATE = "settings/privacy.html"
SHOWN = PageRequest(limit=10)
PERIOD_LABELS = {
    "privacy_exports": "Record of exports",
    "event_personal": "Names and addresses in the audit log",
    "outgoing_mail": "Mail that was sent",
    "outgoing_sms": "Text messages that were sent",
    "sessions": "Sessions that have ended",
    "known_devices": "Devices people were seen on",
}


@router.get("/settings/privacy")
async def show_privacy(opened: Annotated[ScopedPage, READ]) -> Response:
    """What is kept of people, and what was done about it."""
    return opened.show(TEMPLATE, **await _frame(opened))


async def _frame(opened: ScopedPage) -> dict[str, Any]:
    scope = opened.scope
    return {
        "exports": [
            (export, _local_link(opened, export))
            for export in (await exports.list_exports(scope, SHOWN))[: SHOWN.limit]
        ],
        "erasures": (await erasure.list_erased(scope, SHOWN))[: SHOWN.limit],
        "holds": await _holds(opened),
        "period_labels": PERIOD_LABELS,
        "periods": await retention.list_periods(scope),
        "record": await processing.read_record(scope),
        "keys": await keys.list_keys(scope),
    }


async def _holds(opened: ScopedPage) -> list[tuple[Hold, str]]:
    """The legal holds that stand, each with whom it keeps."""
    found = (await holds.list_holds(opened.scope, PageRequest(limit=100)))[:100]
    people = await find_users(opened.scope, [hold.user_id for hold in found if hold.user_id])
    return [
        (hold, people[hold.user_id].email if hold.user_id else "Everything of the organisation")
        for hold in found
    ]


def _local_link(opened: ScopedPage, export: Export) -> str:
    """The link on whatever address this page was opened by."""
    link = exports.link_of(opened.scope, export) or ""
    return link.removeprefix(opened.visit.house.settings.base_url)


@router.post("/settings/privacy/exports")
async def request_export(opened: Annotated[ScopedPage, TAKE_ALONG]) -> Response:
    """Have an export written of one person, or of the organisation."""
    with opened.refusing(TEMPLATE, **await _frame(opened)):
        email = opened.form.optional("export_email")
        user = None if email is None else await require_user_by_email(opened.scope, email)
        await exports.request_export(opened.scope, None if user is None else user.id)
    return opened.go(HERE, toast="export-requested")


@router.post("/settings/privacy/erasures")
async def erase_person(opened: Annotated[ScopedPage, MANAGE]) -> Response:
    """Erase a person, whose address was typed twice."""
    with opened.refusing(TEMPLATE, **await _frame(opened)):
        email = opened.form.text("erase_email")
        if not email or email != opened.form.text("erase_again"):
            raise invalid_field(
                "erase_again", "differs", "Type the e-mail address twice, the same both times."
            )
        user = await require_user_by_email(opened.scope, email)
        await erasure.erase(opened.scope, user.id)
    return opened.go(HERE, toast="person-erased")


@router.post("/settings/privacy/holds")
async def place_hold(opened: Annotated[ScopedPage, TAKE_ALONG]) -> Response:
    """Keep a person, or the organisation, from being erased."""
    with opened.refusing(TEMPLATE, **await _frame(opened)):
        email = opened.form.optional("hold_email")
        user = None if email is None else await require_user_by_email(opened.scope, email)
        new = {"reason": opened.form.text("reason"), "user_id": user and user.id}
        await holds.place(opened.scope, fill(NewHold, new))
    return opened.go(HERE, toast="hold-placed")


@router.post("/settings/privacy/holds/{hold_id}/lift")
async def lift_hold(hold_id: PathId, opened: Annotated[ScopedPage, TAKE_ALONG]) -> Response:
    """Let what a hold kept be erased again."""
    with opened.refusing(TEMPLATE, **await _frame(opened)):
        said = fill(HoldLift, {"reason": opened.form.text("lift_reason")})
        await holds.lift(opened.scope, hold_id, said.reason)
    return opened.go(HERE, toast="hold-lifted")


@router.post("/settings/privacy/retention")
async def change_retention(opened: Annotated[ScopedPage, MANAGE]) -> Response:
    """Keep rows longer or shorter."""
    with opened.refusing(TEMPLATE, **await _frame(opened)):
        typed = {
            period.table.table: opened.form.text(period.table.table)
            for period in await retention.list_periods(opened.scope)
        }
        await retention.set_periods(opened.scope, _numbers(typed))
    return opened.go(HERE, toast="retention-saved")


def _numbers(typed: dict[str, str]) -> dict[str, int]:
    wrong = [name for name, text in typed.items() if text and not _is_number(text)]
    if wrong:
        raise InvalidRequest(
            "A period is a whole number of days.",
            details={
                "field": wrong[0],
                "validation_errors": [f"{name}: a whole number of days" for name in wrong],
            },
        )
    return {name: int(text) for name, text in typed.items() if text}


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 6


@router.post("/settings/privacy/keys")
async def rotate_key(opened: Annotated[ErrandPage, ROTATE]) -> Response:
    """Seal with a new data key from now on."""
    await keys.rotate(opened.errand)
    return opened.go(HERE, toast="key-rotated")


@router.get("/settings/my-data")
async def show_my_data(opened: Annotated[ScopedPage, SELF]) -> Response:
    """What a person may ask for themselves."""
    scope = opened.scope
    own = await consents.list_consents(scope, scope.actor.id, PageRequest(limit=50))
    mine = await exports.list_exports(scope, PageRequest(limit=50), own_only=True)
    return opened.show(
        "settings/my_data.html",
        exports=[(export, _local_link(opened, export)) for export in mine[:50]],
        consents=own[:50],
        standing=_standing(own[:50]),
    )


def _standing(newest_first: Sequence[Consent]) -> set[UUID]:
    """The lines that count, being the last of their purpose, and can be taken back."""
    last = {one.purpose: one for one in reversed(newest_first)}
    return {one.id for one in last.values() if one.given}


@router.post("/settings/my-data/consents/withdraw")
async def withdraw_consent(opened: Annotated[ScopedPage, SELF]) -> Response:
    """Take a consent back, as easily as it was given. Source: GDPR Art. 7(3)."""
    said = fill(NewConsent, {name: opened.form.text(name) for name in ("purpose", "version")})
    await consents.record(opened.scope, purpose=said.purpose, version=said.version, given=False)
    return opened.go("/settings/my-data", toast="consent-withdrawn")


@router.post("/settings/my-data")
async def export_my_data(opened: Annotated[ScopedPage, FRESH_SELF]) -> Response:
    """Have an export written of one's own data."""
    await exports.request_own_export(opened.scope)
    return opened.go("/settings/my-data", toast="export-requested")
