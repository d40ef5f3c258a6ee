"""Pages of people and of their keys."""

import csv
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Response

from leanvibe_server.identity import api_keys, users
from leanvibe_server.identity.account import others
from leanvibe_server.identity.people import service as people
from leanvibe_server.identity.people.schemas import BulkInvitation, BulkResult, UserQuery
from leanvibe_server.identity.roles.service import list_roles
from leanvibe_server.identity.schemas import (
    ApiKeyView,
    NewApiKey,
    NewUser,
    Rotation,
    UserChange,
    UserView,
)
from leanvibe_server.kernel.access import Permission, Role
from leanvibe_server.kernel.errors import InvalidRequest
from leanvibe_server.kernel.http import PathId
from leanvibe_server.kernel.ids import parse_id
from leanvibe_server.kernel.pagination import page_of
from leanvibe_server.web.formats import words
from leanvibe_server.web.forms import fill
from leanvibe_server.web.page import ScopedPage, page
from leanvibe_server.web.paging import page_links, page_request
from leanvibe_server.web.routes import PageRouter

router = PageRouter()

READ = page(Permission.USER_READ)
CREATE = page(Permission.USER_CREATE)
UPDATE = page(Permission.USER_UPDATE)
DELETE = page(Permission.USER_DELETE, fresh=True)
KEYS = page(Permission.API_KEY_MANAGE)

SCOPES = (
    ("project:read", "See projects"),
    ("project:create", "Add projects"),
    ("task:read", "See tasks"),
    ("task:create", "Start tasks"),
    ("task:control", "Cancel and retry tasks"),
    ("usage:read", "See usage"),
    ("audit:read", "Read the audit log"),
)
CHOSEN_AT_FIRST = ("project:read", "task:read", "task:create")
FRESH = {
    "name": "",
    "expires_in_days": "90",
    "scopes": CHOSEN_AT_FIRST,
    "rate_limit_per_minute": "",
    "allowed_addresses": "",
}
STATUS_CHOICES = (("active", "May sign in"), ("disabled", "Disabled"))


@dataclass(frozen=True)
class KeyLine:
    """One API key as the table shows it."""

    id: UUID
    name: str
    prefix: str
    state: str
    last_used_at: datetime | None
    last_used_address: str | None
    expires_at: datetime | None
    limits: str

    @classmethod
    def of(cls, key: ApiKeyView, now: datetime) -> "KeyLine":
        state = "active"
        if key.revoked_at is not None:
            state = "revoked"
        elif key.expires_at is not None and key.expires_at <= now:
            state = "expired"
        rate = key.rate_limit_per_minute
        limits = [f"{rate:,} calls a minute"] if rate else []
        limits += [f"from {', '.join(key.allowed_addresses)}"] if key.allowed_addresses else []
        return cls(
            id=key.id,
            name=key.name,
            prefix=key.prefix,
            state=state,
            last_used_at=key.last_used_at,
            last_used_address=key.last_used_address,
            expires_at=key.expires_at,
            limits="; ".join(limits),
        )


@router.get("/settings/users")
async def list_users(opened: Annotated[ScopedPage, READ]) -> Response:
    """The people of the tenant."""
    values = {"email": "", "username": "", "role": Role.DEVELOPER.value}
    return opened.show("settings/users.html", **await _people(opened), values=values)


@router.post("/settings/users")
async def invite_user(opened: Annotated[ScopedPage, CREATE]) -> Response:
    """Add a person, who gets an invitation by mail."""
    form = opened.form
    typed = {name: form.text(name) for name in ("email", "username", "role")}
    with opened.refusing("settings/users.html", **await _people(opened), values=typed):
        new = fill(NewUser, {**typed, "username": typed["username"] or None})
        await users.add_user(opened.scope, new)
    return opened.go("/settings/users", toast="user-invited")


@router.post("/settings/users/many")
async def invite_many(opened: Annotated[ScopedPage, CREATE]) -> Response:
    """Invite everybody of some pasted lines, each with an e-mail and, if need be, a role."""
    text = opened.form.secret("lines")
    shown = await _people(opened, lines=text)
    values = {"email": "", "username": "", "role": opened.form.text("role")}
    with opened.refusing("settings/users.html", **shown, values=values):
        bulk = fill(
            BulkInvitation,
            {"invitations": _lines(text), "role": opened.form.optional("role")},
        )
        result = await people.invite_all(opened.scope, bulk)
    if not result.refused:
        return opened.go("/settings/users", toast="users-invited")
    left = [line.email for line in result.data if line.status == "refused"]
    shown = await _people(opened, lines="\n".join(left), result=result)
    return opened.show("settings/users.html", **shown, values=values)


@router.post("/settings/users/{user_id}/withdraw")
async def withdraw(user_id: PathId, opened: Annotated[ScopedPage, CREATE]) -> Response:
    """Take an invitation back."""
    await people.withdraw_invitation(opened.scope, user_id)
    return opened.go("/settings/users", toast="invitation-withdrawn")


@router.post("/settings/users/{user_id}/invite-again")
async def invite_again(user_id: PathId, opened: Annotated[ScopedPage, CREATE]) -> Response:
    """Send an invitation again."""
    await users.invite_again(opened.scope, user_id)
    return opened.go("/settings/users", toast="user-invited")


@router.post("/settings/users/{user_id}/delete")
async def delete_user(user_id: PathId, opened: Annotated[ScopedPage, DELETE]) -> Response:
    """Remove somebody."""
    await people.delete_user(opened.scope, user_id)
    return opened.go("/settings/users", toast="user-deleted")


def _lines(text: str) -> list[dict[str, str]]:
    """What was pasted, line by line: an e-mail, and after a comma, semicolon or tab a role."""
    found = []
    for row in csv.reader(text.replace(";", ",").replace("\t", ",").splitlines()):
        cells = [cell.strip() for cell in row if cell.strip()]
        if cells:
            found.append({"email": cells[0], **({"role": cells[1]} if cells[1:] else {})})
    return found


async def _people(
    opened: ScopedPage, *, lines: str = "", result: BulkResult | None = None
) -> dict[str, Any]:
    asked = opened.request.query_params
    named = {name: asked.get(name, "").strip() for name in ("q", "role", "status")}
    try:
        query = fill(UserQuery, {name: value for name, value in named.items() if value})
    except InvalidRequest:
        named, query = dict.fromkeys(named, ""), UserQuery.model_validate({})
    request = page_request(opened)
    rows = await people.list_people(opened.scope, query, request)
    listed = page_of(rows, request, lambda person: person, lambda person: person.id)
    all_roles = (await list_roles(opened.scope)).data
    return {
        "users": listed.data,
        "roles": await _roles(opened),
        "role_filter": [("", "Any role"), *((role.name, role.name) for role in all_roles)],
        "filters": named,
        "lines": lines,
        "result": result,
        **page_links(opened, listed, **named),
    }


async def _roles(opened: ScopedPage) -> list[tuple[str, str]]:
    """The roles this person may give."""
    return [
        (role.name, words(role.name) if role.built_in else role.name)
        for role in (await list_roles(opened.scope)).data
        if role.assignable
    ]


@router.get("/settings/users/{user_id}")
async def edit_user(user_id: PathId, opened: Annotated[ScopedPage, UPDATE]) -> Response:
    """One person's role and access, and where they are signed in."""
    user = UserView.of(await users.require_user(opened.scope, user_id))
    values = {**await _person(opened, user), **await _signed_in(opened, user_id)}
    return opened.show("settings/user.html", **values)


@router.post("/settings/users/{user_id}")
async def update_user(user_id: PathId, opened: Annotated[ScopedPage, UPDATE]) -> Response:
    """Change one person's role and access."""
    user = UserView.of(await users.require_user(opened.scope, user_id))
    typed = {"role": opened.form.text("role"), "status": opened.form.text("status")}
    values = {**await _person(opened, user), **await _signed_in(opened, user_id), "values": typed}
    with opened.refusing("settings/user.html", **values):
        await users.change_user(opened.scope, user_id, fill(UserChange, typed))
    return opened.go("/settings/users", toast="user-saved")


@router.post("/settings/users/{user_id}/sign-out")
async def sign_out_user(user_id: PathId, opened: Annotated[ScopedPage, UPDATE]) -> Response:
    """Sign one person out, everywhere or on the device the form names."""
    wanted = opened.form.text("session_id")
    if wanted:
        await others.end_one(opened.scope, user_id, parse_id(wanted, "session"))
    else:
        await others.end_every(opened.scope, user_id)
    return opened.go(f"/settings/users/{user_id}", toast="user-signed-out")


async def _signed_in(opened: ScopedPage, user_id: UUID) -> dict[str, Any]:
    return {"sessions": (await others.describe_sessions(opened.scope, user_id)).data}


async def _person(opened: ScopedPage, user: UserView) -> dict[str, Any]:
    return {
        "user": user,
        "roles": await _roles(opened),
        "status_choices": STATUS_CHOICES,
        "values": {
            "role": user.role,
            "status": "disabled" if user.status == "disabled" else "active",
        },
    }


@router.get("/settings/api-keys")
async def list_keys(opened: Annotated[ScopedPage, KEYS]) -> Response:
    """The keys of the tenant."""
    return opened.show("settings/api_keys.html", **await _keys(opened), values=FRESH, secret="")


@router.post("/settings/api-keys")
async def create_key(opened: Annotated[ScopedPage, KEYS]) -> Response:
    """Make a key. This answer is the only one that shows it."""
    form = opened.form
    typed = {
        "name": form.text("name"),
        "expires_in_days": form.text("expires_in_days"),
        "scopes": form.all("scopes"),
        "rate_limit_per_minute": form.text("rate_limit_per_minute"),
        "allowed_addresses": form.text("allowed_addresses"),
    }
    with opened.refusing("settings/api_keys.html", **await _keys(opened), values=typed, secret=""):
        values = {
            **typed,
            "expires_in_days": form.optional("expires_in_days"),
            "rate_limit_per_minute": form.optional("rate_limit_per_minute"),
            "allowed_addresses": form.lines("allowed_addresses"),
        }
        made = await api_keys.create_key(opened.scope, fill(NewApiKey, values))
    return await _show_secret(opened, made.key)


@router.post("/settings/api-keys/{key_id}/rotate")
async def rotate_key(key_id: PathId, opened: Annotated[ScopedPage, KEYS]) -> Response:
    """Give a key a successor. This answer is the only one that shows it."""
    made = await api_keys.rotate_key(opened.scope, key_id, Rotation())
    return await _show_secret(opened, made.key)


@router.post("/settings/api-keys/{key_id}/revoke")
async def revoke_key(key_id: PathId, opened: Annotated[ScopedPage, KEYS]) -> Response:
    """End a key at once."""
    await api_keys.revoke_key(opened.scope, key_id)
    return opened.go("/settings/api-keys", toast="key-revoked")


async def _show_secret(opened: ScopedPage, secret: str) -> Response:
    return opened.show(
        "settings/api_keys.html",
        http_status=201,
        **await _keys(opened),
        values=FRESH,
        secret=secret,
    )


async def _keys(opened: ScopedPage) -> dict[str, Any]:
    request = page_request(opened)
    rows = await api_keys.list_keys(opened.scope, request)
    listed = page_of(rows, request, ApiKeyView.of, lambda key: key.id)
    now = opened.scope.now
    return {
        "keys": [KeyLine.of(key, now) for key in listed.data],
        "scopes": [scope for scope in SCOPES if scope[0] in opened.scope.permissions],
        **page_links(opened, listed),
    }
