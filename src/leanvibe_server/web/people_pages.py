"""Pages of people and of their keys."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import Response

from leanvibe_server.identity import api_keys, users
from leanvibe_server.identity.people import inviting
from leanvibe_server.identity.people import service as people
from leanvibe_server.identity.people.csv_lines import read_sheet
from leanvibe_server.identity.people.schemas import (
    BulkResult,
    CsvInvitation,
    InvitationQuery,
    PendingInvitation,
)
from leanvibe_server.identity.roles.service import list_roles
from leanvibe_server.identity.schemas import (
    ApiKeyQuery,
    ApiKeyView,
    NewApiKey,
    NewUser,
    Rotation,
)
from leanvibe_server.kernel.access import Permission, Role
from leanvibe_server.kernel.http import PathId
from leanvibe_server.kernel.pagination import page_of
from leanvibe_server.web.formats import role_name
from leanvibe_server.web.forms import end_of_day, fill
from leanvibe_server.web.makers import names_of
from leanvibe_server.web.page import ScopedPage, page
from leanvibe_server.web.paging import page_links, page_request
from leanvibe_server.web.people_filters import CHOICES, read_filters
from leanvibe_server.web.permission_texts import meaning_of
from leanvibe_server.web.routes import PageRouter

router = PageRouter()

READ = page(Permission.USER_READ)
CREATE = page(Permission.USER_CREATE)
KEYS = page(Permission.API_KEY_MANAGE)
MAKE_KEY = page(Permission.API_KEY_MANAGE, fresh=True)

SCOPES = (
    ("project:read", "See projects"),
    ("project:create", "Add projects"),
    ("task:read", "See tasks"),
    ("task:create", "Start tasks"),
    ("task:control", "Cancel and retry tasks"),
    ("usage:read", "See usage"),
    ("audit:read", "Read the audit log"),
)
EXCHANGE_WITHIN = timedelta(days=7)
CHOSEN_AT_FIRST = ("project:read", "task:read", "task:create")
FRESH = {
    "name": "",
    "expires_in_days": "90",
    "scopes": CHOSEN_AT_FIRST,
    "rate_limit_per_minute": "",
    "allowed_addresses": "",
}
NEW_PERSON = {
    "email": "",
    "username": "",
    "role": Role.DEVELOPER.value,
    "expires_at": "",
    "invitation_days": "7",
}
STATES = (
    ("", "Not come yet"),
    ("pending", "Waiting"),
    ("expired", "Expired"),
    ("not_sent", "Not sent"),
    ("accepted", "Accepted"),
)


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
    may: str
    created_by: UUID | None
    made_with: UUID | None
    orphaned: bool

    @classmethod
    def of(cls, key: ApiKeyView, now: datetime) -> "KeyLine":
        state = "active"
        if key.revoked_at is not None:
            state = "revoked"
        elif key.expires_at is not None and key.expires_at - now < EXCHANGE_WITHIN:
            state = "ends_soon" if key.expires_at > now else "expired"
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
            may=", ".join(
                meaning_of(Permission(one)) for one in sorted(key.scopes) if one != "self"
            ),
            created_by=key.created_by,
            made_with=key.made_with,
            orphaned=key.orphaned,
        )


@router.get("/settings/users")
async def list_users(opened: Annotated[ScopedPage, READ]) -> Response:
    """The people of the tenant."""
    return opened.show("settings/users.html", **await _people(opened), values=NEW_PERSON)


@router.post("/settings/users")
async def invite_user(opened: Annotated[ScopedPage, CREATE]) -> Response:
    """Add a person, who gets an invitation by mail."""
    typed = {name: opened.form.text(name) for name in NEW_PERSON}
    with opened.refusing("settings/users.html", **await _people(opened), values=typed):
        until = end_of_day(typed["expires_at"], field="expires_at")
        new = {name: value for name, value in typed.items() if value} | {"expires_at": until}
        await users.add_user(opened.scope, fill(NewUser, new))
    return opened.go("/settings/users", toast="user-invited")


@router.post("/settings/users/many")
async def invite_many(opened: Annotated[ScopedPage, CREATE]) -> Response:
    """Invite everybody of a CSV file or of some pasted lines."""
    text = opened.form.secret("file").strip() or opened.form.secret("lines")
    shown = await _people(opened, lines=text)
    values = NEW_PERSON | {name: opened.form.text(name) for name in ("role", "invitation_days")}
    with opened.refusing("settings/users.html", **shown, values=values):
        usual = {name: opened.form.optional(name) for name in ("role", "invitation_days")}
        given = {name: value for name, value in usual.items() if value}
        result = await inviting.invite_sheet(opened.scope, text, fill(CsvInvitation, given))
    if not result.refused:
        return opened.go("/settings/users", toast="users-invited")
    sheet = read_sheet(text)
    left = [sheet.lines[line.index].raw for line in result.data if line.error]
    lines = "\n".join([sheet.header, *left] if sheet.header else left)
    shown = await _people(opened, lines=lines, result=result)
    return opened.show("settings/users.html", **shown, values=values)


@router.get("/settings/invitations")
async def list_invitations(opened: Annotated[ScopedPage, READ]) -> Response:
    """Who was invited, and what became of it."""
    wanted = opened.request.query_params.get("state", "")
    state = wanted if wanted in dict(STATES) else ""
    request = page_request(opened)
    query = InvitationQuery.model_validate({"state": state or None})
    rows = await people.list_invited(opened.scope, query, request)
    listed = page_of(rows, request, PendingInvitation.from_row, lambda one: one.user_id)
    return opened.show(
        "settings/invitations.html",
        invitations=listed.data,
        state=state,
        states=STATES,
        **page_links(opened, listed, state=state),
    )


@router.post("/settings/users/{user_id}/withdraw")
async def withdraw(user_id: PathId, opened: Annotated[ScopedPage, CREATE]) -> Response:
    """Take an invitation back."""
    await people.withdraw_invitation(opened.scope, user_id)
    return opened.go(_back(opened), toast="invitation-withdrawn")


@router.post("/settings/users/{user_id}/invite-again")
async def invite_again(user_id: PathId, opened: Annotated[ScopedPage, CREATE]) -> Response:
    """Send an invitation again."""
    await users.invite_again(opened.scope, user_id)
    return opened.go(_back(opened), toast="user-invited")


def _back(opened: ScopedPage) -> str:
    """The page the form was on."""
    return "/settings/invitations" if opened.form.checked("from_invitations") else "/settings/users"


async def _people(
    opened: ScopedPage, *, lines: str = "", result: BulkResult | None = None
) -> dict[str, Any]:
    filters, query = read_filters(opened)
    request = page_request(opened)
    found = await people.list_people(opened.scope, query, request)
    listed = page_of(found, request, lambda person: person, lambda person: person.id)
    all_roles = (await list_roles(opened.scope)).data
    return {
        "users": listed.data,
        "roles": [(role.name, role_name(role.name)) for role in all_roles if role.assignable],
        "role_filter": [("", "Any role"), *((role.name, role.name) for role in all_roles)],
        "choices": CHOICES,
        "filters": filters,
        "lines": lines,
        "result": result,
        **page_links(opened, listed, **filters),
    }


@router.get("/settings/api-keys")
async def list_keys(opened: Annotated[ScopedPage, KEYS]) -> Response:
    """The keys of the tenant."""
    return opened.show("settings/api_keys.html", **await _keys(opened), values=FRESH, secret="")


@router.post("/settings/api-keys")
async def create_key(opened: Annotated[ScopedPage, MAKE_KEY]) -> Response:
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
async def rotate_key(key_id: PathId, opened: Annotated[ScopedPage, MAKE_KEY]) -> Response:
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
    orphaned = opened.request.query_params.get("orphaned") == "true"
    rows = await api_keys.list_keys(
        opened.scope, request, ApiKeyQuery(orphaned=True if orphaned else None)
    )
    listed = page_of(rows, request, ApiKeyView.of, lambda key: key.id)
    now = opened.scope.now
    return {
        "orphaned": orphaned,
        "makers": await names_of(opened.scope, (key.created_by for key in listed.data)),
        "keys": [KeyLine.of(key, now) for key in listed.data],
        "scopes": [scope for scope in SCOPES if scope[0] in opened.scope.permissions],
        **page_links(opened, listed, orphaned="true" if orphaned else ""),
    }
