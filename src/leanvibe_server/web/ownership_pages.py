"""Pages of going: handing the organisation over, and leaving it."""

from typing import Annotated, Any

from fastapi import Response

from leanvibe_server.identity import users
from leanvibe_server.identity.people import service as people
from leanvibe_server.identity.people.schemas import Handover, PersonView, UserQuery
from leanvibe_server.identity.roles.service import assignable_roles
from leanvibe_server.kernel.access import Permission, Role
from leanvibe_server.kernel.errors import NotFound
from leanvibe_server.kernel.ids import parse_id
from leanvibe_server.kernel.pagination import PageRequest
from leanvibe_server.web.formats import role_name
from leanvibe_server.web.forms import fill, misfilled
from leanvibe_server.web.page import ScopedPage, page
from leanvibe_server.web.routes import PageRouter

router = PageRouter()

READ = page(Permission.USER_READ)
HAND_OVER = page(Permission.TENANT_UPDATE, fresh=True)
SELF = page(Permission.SELF)
SELF_FRESH = page(Permission.SELF, fresh=True)
SOME = PageRequest(limit=20)


@router.get("/settings/ownership")
async def show_handover(opened: Annotated[ScopedPage, READ]) -> Response:
    """Ask who becomes the owner, and what the owner becomes."""
    values = {"email": await _asked_for(opened), "keep_role": Role.ADMIN.value, "confirm": ""}
    return opened.show("settings/ownership.html", **await _handover(opened), values=values)


@router.post("/settings/ownership")
async def hand_over(opened: Annotated[ScopedPage, HAND_OVER]) -> Response:
    """Make somebody else the owner."""
    typed = {name: opened.form.text(name) for name in ("email", "keep_role", "confirm")}
    with opened.refusing("settings/ownership.html", **await _handover(opened), values=typed):
        _check_slug(opened)
        heir = await users.require_user_by_email(opened.scope, typed["email"])
        wanted = {"user_id": heir.id, "keep_role": typed["keep_role"]}
        await people.hand_over(opened.scope, fill(Handover, wanted))
    return opened.go("/", toast="ownership-transferred")


@router.get("/account/leave")
async def show_leave(opened: Annotated[ScopedPage, SELF]) -> Response:
    """Ask once more; or say why the last owner cannot, and what to do."""
    return opened.show("settings/leave.html", why_not=await people.is_last_chief(opened.scope))


@router.post("/account/leave")
async def leave(opened: Annotated[ScopedPage, SELF_FRESH]) -> Response:
    """Leave the organisation for good."""
    why_not = await people.is_last_chief(opened.scope)
    with opened.refusing("settings/leave.html", why_not=why_not):
        _check_slug(opened)
        await people.leave(opened.scope)
    response = opened.go("/login", toast="left")
    opened.end_session(response)
    return response


def _check_slug(opened: ScopedPage) -> None:
    """Raises: InvalidRequest: the slug was not typed out."""
    if opened.form.text("confirm") != opened.shell["tenant"].slug:
        raise misfilled("confirm", "must be the slug of the organisation, typed out")


async def _asked_for(opened: ScopedPage) -> str:
    """The e-mail of the person the address names."""
    try:
        user_id = parse_id(opened.request.query_params.get("user", ""), "user")
        return (await users.require_user(opened.scope, user_id)).email
    except NotFound:
        return ""


async def _handover(opened: ScopedPage) -> dict[str, Any]:
    roles = [name for name in await assignable_roles(opened.scope) if name != Role.OWNER]
    owners: list[PersonView] = await people.list_people(
        opened.scope, UserQuery.model_validate({"role": "owner", "status": "active"}), SOME
    )
    return {
        "is_owner": opened.scope.actor.role == Role.OWNER and opened.scope.home_tenant_id is None,
        "owners": owners,
        "roles": [(name, role_name(name)) for name in roles],
    }
