"""The pages of one person: role and access, where they are signed in and how, what they are in."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any
from uuid import UUID

from fastapi import Response

from leanvibe_server.identity import users
from leanvibe_server.identity.account import others
from leanvibe_server.identity.federation import oversight
from leanvibe_server.identity.groups import service as groups
from leanvibe_server.identity.groups.schemas import NewMembers
from leanvibe_server.identity.people import profile
from leanvibe_server.identity.people import service as people
from leanvibe_server.identity.people.schemas import PersonView
from leanvibe_server.identity.permissions import GUEST_FOR
from leanvibe_server.identity.roles.service import assignable_roles, require_over
from leanvibe_server.identity.schemas import UserChange
from leanvibe_server.kernel.access import Permission
from leanvibe_server.kernel.errors import Forbidden
from leanvibe_server.kernel.http import PathId
from leanvibe_server.kernel.ids import parse_id
from leanvibe_server.kernel.pagination import PageRequest
from leanvibe_server.projects import members
from leanvibe_server.web.formats import role_name
from leanvibe_server.web.forms import day_of, end_of_day, fill
from leanvibe_server.web.page import ScopedPage, page
from leanvibe_server.web.routes import PageRouter

router = PageRouter()

UPDATE = page(Permission.USER_UPDATE)
UPDATE_FRESH = page(Permission.USER_UPDATE, fresh=True)
DELETE = page(Permission.USER_DELETE, fresh=True)
ALL = PageRequest(limit=100)
TEMPLATE = "settings/user.html"
STATUS_CHOICES = (("active", "May sign in"), ("disabled", "Disabled"))


@router.get("/settings/users/{user_id}")
async def show_person(user_id: PathId, opened: Annotated[ScopedPage, UPDATE]) -> Response:
    """One person: role and access, sessions, factors, linked accounts, groups and projects."""
    return opened.show(TEMPLATE, **await _person(opened, user_id))


@router.post("/settings/users/{user_id}")
async def update_person(user_id: PathId, opened: Annotated[ScopedPage, UPDATE]) -> Response:
    """Change one person's name, role and access."""
    shown = await _person(opened, user_id)
    typed = {name: opened.form.text(name) for name in shown["values"]}
    # A form without the field leaves the end as it is, as does one that shows the same day.
    unchanged = "expires_at" not in opened.form.values or (
        typed["expires_at"] == shown["values"]["expires_at"]
    )
    with opened.refusing(TEMPLATE, **shown | {"values": typed}):
        change: dict[str, Any] = {"role": typed["role"], "status": typed["status"]}
        if typed["username"]:
            change["username"] = typed["username"]
        if not unchanged:
            change["expires_at"] = end_of_day(typed["expires_at"], field="expires_at")
        await users.change_user(opened.scope, user_id, fill(UserChange, change))
    return _back(opened, user_id, "user-saved")


@router.post("/settings/users/{user_id}/extend")
async def extend_access(user_id: PathId, opened: Annotated[ScopedPage, UPDATE]) -> Response:
    """Let somebody whose access ends stay on for as long as a new guest would."""
    async with _refusing(opened, user_id) as shown:
        now = opened.scope.now
        end = max(shown["user"].expires_at or now, now) + GUEST_FOR
        change = {"expires_at": end, "status": "active"}
        await users.change_user(opened.scope, user_id, fill(UserChange, change))
    return _back(opened, user_id, "access-extended")


@router.post("/settings/users/{user_id}/end")
async def end_access(user_id: PathId, opened: Annotated[ScopedPage, UPDATE]) -> Response:
    """End somebody's access now."""
    async with _refusing(opened, user_id):
        await users.change_user(opened.scope, user_id, fill(UserChange, {"status": "disabled"}))
    return _back(opened, user_id, "access-ended")


@router.post("/settings/users/{user_id}/sign-out")
async def sign_out_person(user_id: PathId, opened: Annotated[ScopedPage, UPDATE]) -> Response:
    """Sign one person out, everywhere or on the device the form names."""
    async with _refusing(opened, user_id):
        wanted = opened.form.text("session_id")
        if wanted:
            await others.end_one(opened.scope, user_id, parse_id(wanted, "session"))
        else:
            await others.end_every(opened.scope, user_id)
    return _back(opened, user_id, "user-signed-out")


@router.post("/settings/users/{user_id}/identities/{identity_id}/unlink")
async def unlink_identity(
    user_id: PathId, identity_id: PathId, opened: Annotated[ScopedPage, UPDATE_FRESH]
) -> Response:
    """Have somebody sign in by an account at a provider no more."""
    async with _refusing(opened, user_id):
        await oversight.unlink(opened.scope, user_id, identity_id)
    return _back(opened, user_id, "identity-unlinked")


@router.post("/settings/users/{user_id}/groups")
async def join_group(user_id: PathId, opened: Annotated[ScopedPage, UPDATE]) -> Response:
    """Put somebody into a group."""
    async with _refusing(opened, user_id):
        group_id = parse_id(opened.form.text("group_id"), "group")
        await groups.add_members(opened.scope, group_id, NewMembers(user_ids=[user_id]))
    return _back(opened, user_id, "members-added")


@router.post("/settings/users/{user_id}/groups/{group_id}/leave")
async def leave_group(
    user_id: PathId, group_id: PathId, opened: Annotated[ScopedPage, UPDATE]
) -> Response:
    """Take somebody out of a group."""
    async with _refusing(opened, user_id):
        await groups.remove_member(opened.scope, group_id, user_id)
    return _back(opened, user_id, "member-left")


@router.post("/settings/users/{user_id}/delete")
async def delete_person(user_id: PathId, opened: Annotated[ScopedPage, DELETE]) -> Response:
    """Remove somebody."""
    async with _refusing(opened, user_id):
        await people.delete_user(opened.scope, user_id)
    return opened.go("/settings/users", toast="user-deleted")


@asynccontextmanager
async def _refusing(opened: ScopedPage, user_id: UUID) -> AsyncIterator[dict[str, Any]]:
    """Show the person's page with the reason where what happens inside is refused."""
    shown = await _person(opened, user_id)
    with opened.refusing(TEMPLATE, **shown):
        yield shown


def _back(opened: ScopedPage, user_id: UUID, toast: str) -> Response:
    return opened.go(f"/settings/users/{user_id}", toast=toast)


async def _person(opened: ScopedPage, user_id: UUID) -> dict[str, Any]:
    scope = opened.scope
    user = await people.require_person(scope, user_id)
    own = (await profile.list_groups(scope, user_id)).data
    every = await groups.list_groups(scope, ALL)
    return {
        "user": user,
        "now": scope.now,
        "below": await _is_below(opened, user),
        "roles": await _roles(opened, user),
        "status_choices": STATUS_CHOICES,
        "sessions": (await others.describe_sessions(scope, user_id)).data,
        "factors": await profile.describe_factors(scope, user_id),
        "identities": (await oversight.list_of_person(scope, user_id)).data,
        "groups": own,
        "by_groups": ", ".join({role_name(group.role): "" for group in own if group.role}),
        "other_groups": [
            (str(group.id), group.name) for group in every if group.id not in {g.id for g in own}
        ],
        "memberships": (await members.list_memberships(scope, user_id, ALL)).data,
        "guest_days": GUEST_FOR.days,
        "values": {
            "username": user.username,
            "role": user.own_role,
            "status": "disabled" if user.status == "disabled" else "active",
            "expires_at": day_of(user.expires_at),
        },
    }


async def _is_below(opened: ScopedPage, user: PersonView) -> bool:
    """Whether the visitor may change this person."""
    try:
        await require_over(opened.scope, user.role, *user.further_roles)
    except Forbidden:
        return False
    return True


async def _roles(opened: ScopedPage, user: PersonView) -> list[tuple[str, str]]:
    """The roles the visitor may give; and the one the person has, so that it stays by itself."""
    given = await assignable_roles(opened.scope)
    names = given if user.own_role in given else [user.own_role, *given]
    return [(name, role_name(name)) for name in names]
