"""One's own second factors in the dashboard, and the reset of another's."""

from typing import Annotated, Any

from fastapi import Response

from leanvibe_server.identity.mfa import factors, setup
from leanvibe_server.identity.mfa.models import SENT, TOTP, WEBAUTHN
from leanvibe_server.identity.mfa.schemas import FactorList, FactorName
from leanvibe_server.kernel.access import Errand, Permission
from leanvibe_server.kernel.http import PathId
from leanvibe_server.web.forms import fill
from leanvibe_server.web.page import ErrandPage, ScopedPage, errand_page, page
from leanvibe_server.web.routes import PageRouter
from leanvibe_server.web.second_factor import NAMES
from leanvibe_server.web.second_factor_pages import (
    again_page,
    read_credential,
    require_method,
    setup_page,
)

router = PageRouter()

SELF = page(Permission.SELF)
ERRAND = errand_page(Permission.SELF)
FRESH = errand_page(Permission.SELF, fresh=True)
RESET = errand_page(Permission.USER_UPDATE, fresh=True)
HERE = "/account/mfa"
VERIFY = f"{HERE}/verify"


@router.get("/account/mfa")
async def show(opened: Annotated[ScopedPage, SELF]) -> Response:
    """The factors, what else can be set up, and how many backup codes are left."""
    listed = FactorList.of(await factors.list_own(opened.scope))
    return opened.show("settings/mfa.html", **_values(opened, listed))


@router.post("/account/mfa/setup")
async def begin(opened: Annotated[ErrandPage, FRESH]) -> Response:
    """Begin to set up a factor: shows what to scan, where a code went, or asks a key."""
    form, method = opened.form, opened.form.text("method")
    with opened.refusing("settings/mfa.html", **await _frame(opened)):
        require_method(method)
        who = await setup.enter(opened.errand, None)
        begun = await setup.begin(
            who, method, phone=form.optional("phone"), name=form.optional("name")
        )
    template, values = setup_page(begun, who.user, confirm_path=VERIFY, cancel_path=HERE)
    return opened.show(template, **values)


@router.post(VERIFY)
async def confirm(opened: Annotated[ErrandPage, ERRAND]) -> Response:
    """Have a factor count from now on."""
    form = opened.form
    method = form.text("method") or TOTP
    template, values = again_page(method, confirm_path=VERIFY, cancel_path=HERE)
    if method == WEBAUTHN:
        template, values = "settings/mfa.html", await _frame(opened)
    with opened.refusing(template, **values):
        require_method(method)
        who = await setup.enter(opened.errand, None)
        credential = read_credential(form.text("credential")) if method == WEBAUTHN else None
        await setup.confirm(who, method, code=form.text("code"), credential=credential)
    return opened.go(HERE, toast="factor-added")


@router.post("/account/mfa/backup-codes")
async def make_codes(opened: Annotated[ErrandPage, FRESH]) -> Response:
    """New backup codes, shown once."""
    with opened.refusing("settings/mfa.html", **await _frame(opened)):
        codes = await factors.make_codes(opened.errand)
    return opened.show("auth/backup_codes.html", codes=codes)


@router.post("/account/mfa/{factor_id}/rename")
async def rename(factor_id: PathId, opened: Annotated[ScopedPage, SELF]) -> Response:
    """Give a key or an app another name."""
    listed = FactorList.of(await factors.list_own(opened.scope))
    with opened.refusing("settings/mfa.html", **_values(opened, listed)):
        named = fill(FactorName, {"name": opened.form.text("name")})
        await factors.rename(opened.scope, factor_id, named.name)
    return opened.go(HERE, toast="factor-renamed")


@router.post("/account/mfa/{factor_id}/remove")
async def remove(factor_id: PathId, opened: Annotated[ErrandPage, FRESH]) -> Response:
    """Remove a factor."""
    with opened.refusing("settings/mfa.html", **await _frame(opened)):
        await factors.remove(opened.errand, factor_id)
    return opened.go("/account/mfa", toast="factor-removed")


@router.post("/settings/users/{user_id}/mfa-reset")
async def reset(user_id: PathId, opened: Annotated[ErrandPage, RESET]) -> Response:
    """Remove the factors of a person who lost them."""
    await factors.reset(opened.errand, user_id)
    return opened.go(f"/settings/users/{user_id}", toast="factors-reset")


async def _frame(opened: ErrandPage) -> dict[str, Any]:
    return _values(opened, await _listed(opened.errand))


async def _listed(errand: Errand) -> FactorList:
    async with errand.scope() as scope:
        return FactorList.of(await factors.list_own(scope))


def _values(opened: ScopedPage | ErrandPage, listed: FactorList) -> dict[str, Any]:
    have = {one.method for one in listed.data}
    sends = opened.visit.house.settings.sends_sms != "none"
    offered = [
        name for name in listed.allowed_methods
        if (name in (WEBAUTHN, TOTP) or name not in have) and (name != "sms" or sends)
    ]  # fmt: skip
    return {
        "factors": listed.data,
        "codes_left": listed.backup_codes_left,
        "required": listed.required,
        "offered": offered,
        "have": have,
        "names": NAMES,
        "sent": SENT,
    }
