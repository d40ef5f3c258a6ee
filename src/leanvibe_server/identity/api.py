"""Sign-in, users and API keys over HTTP."""

from enum import Enum
from typing import Annotated, Any

from fastapi import Query

from leanvibe_server.entitlements.errors import QuotaExceeded
from leanvibe_server.identity import (
    api_keys,
    invitations,
    me,
    organisations,
    refresh,
    sessions,
    signup,
    switching,
    users,
)
from leanvibe_server.identity.account import emails
from leanvibe_server.identity.keys import KeyRing
from leanvibe_server.identity.oidc import programs
from leanvibe_server.identity.schemas import (
    Acceptance,
    ApiKeyQuery,
    ApiKeyView,
    CreatedApiKey,
    CreatedTenant,
    Identity,
    LinkToken,
    LoginRequest,
    NewApiKey,
    NewTenant,
    NewUser,
    RefreshRequest,
    Rotation,
    SessionList,
    Success,
    SwitchRequest,
    TokenAnswer,
    UserChange,
    UserView,
)
from leanvibe_server.kernel.access import Permission, may, may_or_visit, visitor
from leanvibe_server.kernel.errors import (
    Conflict,
    NotFound,
    ServiceUnavailable,
    TenantSuspended,
    Unauthorized,
)
from leanvibe_server.kernel.http import PathId, Router, bears_secret, refuses
from leanvibe_server.kernel.pagination import Page, PageQuery, page_of
from leanvibe_server.kernel.platform import Reason
from leanvibe_server.kernel.request import Visit
from leanvibe_server.kernel.scope import Scope

router = Router()
well_known_router = Router(tags=["Authentication"])

AUTH: list[str | Enum] = ["Authentication"]
PEOPLE: list[str | Enum] = ["Users"]
KEYS: list[str | Enum] = ["API keys"]
TENANTS: list[str | Enum] = ["Tenants"]


@router.post("/auth/login", tags=AUTH, responses=refuses(Unauthorized, ServiceUnavailable))
@bears_secret
async def sign_in(
    request: LoginRequest, visit: Annotated[Visit, visitor(Reason.SIGN_IN)]
) -> TokenAnswer:
    """Open a session with e-mail and password, or by an identity provider.

    For another `provider` than local begin at GET /v1/auth/sso/{provider}, and send what comes
    back from the provider as `auth_code`, with its `state`.

    The tenant comes from `tenant_id`, else from `X-Tenant-ID` or `X-Tenant-Slug`, else from the
    host's subdomain, else from the e-mail. If several of your tenants match, a 400 lists them in
    `details.tenants`. Failed attempts are answered with 401, and after some with 429 and
    `Retry-After`.
    """
    return await programs.log_in(visit, request)


@router.post("/auth/refresh", tags=AUTH, responses=refuses(Unauthorized))
@bears_secret
async def refresh_tokens(
    visit: Annotated[Visit, visitor(Reason.SIGN_IN)], request: RefreshRequest | None = None
) -> TokenAnswer:
    """Trade a refresh token, sent as bearer or in the body, for fresh tokens.

    A refresh token is good once. The same client may repeat a trade within ten seconds and gets
    the same answer's refresh token; a token that comes again otherwise ends the whole session.
    """
    return await refresh.refresh(visit, request)


@router.post("/auth/logout", tags=AUTH)
async def sign_out(scope: Annotated[Scope, may(Permission.SELF)]) -> Success:
    """End this session. Its access and refresh tokens are refused from now on."""
    return await sessions.log_out(scope)


@router.post("/auth/switch-tenant", tags=AUTH, responses=refuses(NotFound))
@bears_secret
async def switch_tenant(
    request: SwitchRequest, scope: Annotated[Scope, may(Permission.SELF)]
) -> TokenAnswer:
    """Move this session to another of your tenants. The tokens of this one end."""
    return await switching.switch_tenant(scope, request)


@router.get("/auth/me", tags=AUTH)
async def get_me(scope: Annotated[Scope, may(Permission.SELF)]) -> Identity:
    """Who these credentials speak for, what they may do, and in which tenant."""
    return await me.describe_me(scope)


@router.get("/auth/sessions", tags=AUTH)
async def list_sessions(scope: Annotated[Scope, may(Permission.SELF)]) -> SessionList:
    """Your live sessions, oldest first."""
    return await sessions.describe_own(scope)


@router.delete("/auth/sessions/{session_id}", tags=AUTH, responses=refuses(NotFound))
async def end_session(session_id: PathId, scope: Annotated[Scope, may(Permission.SELF)]) -> Success:
    """End one of your sessions, such as that of a lost device."""
    return await sessions.end_own(scope, session_id)


@router.post("/auth/invitations/accept", tags=AUTH, responses=refuses(NotFound, TenantSuspended))
async def accept_invitation(
    acceptance: Acceptance, visit: Annotated[Visit, visitor(Reason.SIGN_UP)]
) -> UserView:
    """Accept an invitation by setting a password. Sign in with it afterwards."""
    return UserView.of(await invitations.accept(visit, acceptance))


@router.post("/auth/verify-email", tags=AUTH, responses=refuses(NotFound))
async def verify_email(
    verification: LinkToken, visit: Annotated[Visit, visitor(Reason.SIGN_UP)]
) -> Success:
    """Confirm an e-mail address with the token of the mailed link."""
    return await emails.verify_email(visit, verification)


@router.post("/users", status_code=201, tags=PEOPLE, responses=refuses(Conflict, QuotaExceeded))
async def create_user(
    new: NewUser,
    caller: Annotated[Scope | Visit, may_or_visit(Permission.USER_CREATE, Reason.SIGN_UP)],
) -> UserView:
    """Sign up, or add a person to your tenant.

    Without credentials, where sign-up is open: makes a tenant on a developer trial with you as
    its owner, and mails a link that confirms the address. The answer is the same for an address
    that is signed up already; its bearer gets a mail.

    With credentials: adds a person with a role, developer by default and never above your own.
    Without a password they are invited by e-mail.
    """
    return UserView.of(await signup.register(caller, new))


@router.patch("/users/{user_id}", tags=PEOPLE, responses=refuses(NotFound, Conflict))
async def change_user(
    user_id: PathId,
    change: UserChange,
    scope: Annotated[Scope, may(Permission.USER_UPDATE, ending=True)],
) -> UserView:
    """Change name, role, status or the end of access.

    Disabling ends the person's sessions and API keys at once. The last active owner can neither
    be disabled nor get another role.
    """
    return UserView.of(await users.change_user(scope, user_id, change))


@router.post("/users/{user_id}/invitation", tags=PEOPLE, responses=refuses(NotFound, Conflict))
async def resend_invitation(
    user_id: PathId, scope: Annotated[Scope, may(Permission.USER_CREATE)]
) -> UserView:
    """Send the invitation again. Earlier links stop working."""
    return UserView.of(await users.invite_again(scope, user_id))


@router.post("/api-keys", status_code=201, tags=KEYS, responses=refuses(NotFound))
@bears_secret
async def create_api_key(
    new: NewApiKey, scope: Annotated[Scope, may(Permission.API_KEY_MANAGE, fresh=True)]
) -> CreatedApiKey:
    """Make an API key. The key itself is shown in this answer only.

    Send it as `Authorization: Bearer`. It acts as its user, with at most its scopes. A person who
    makes one has proved themselves within the last ten minutes.
    """
    return await api_keys.create_key(scope, new)


@router.get("/api-keys", tags=KEYS)
async def list_api_keys(
    page: PageQuery,
    query: Annotated[ApiKeyQuery, Query()],
    scope: Annotated[Scope, may(Permission.API_KEY_MANAGE, ending=True)],
) -> Page[ApiKeyView]:
    """The API keys of your tenant, without their secrets."""
    listed = await api_keys.list_keys(scope, page, query)
    return page_of(listed, page, ApiKeyView.of, lambda key: key.id)


@router.post(
    "/api-keys/{key_id}/rotate", status_code=201, tags=KEYS, responses=refuses(NotFound, Conflict)
)
@bears_secret
async def rotate_api_key(
    key_id: PathId,
    scope: Annotated[Scope, may(Permission.API_KEY_MANAGE, fresh=True)],
    rotation: Rotation | None = None,
) -> CreatedApiKey:
    """Give an API key a successor, shown in this answer only.

    The successor has the same scopes, limits and length of life. The old key holds for
    `overlap_hours` more, a day by default, so that programs can be moved without a gap.
    """
    return await api_keys.rotate_key(scope, key_id, rotation or Rotation())


@router.delete("/api-keys/{key_id}", status_code=204, tags=KEYS, responses=refuses(NotFound))
async def revoke_api_key(
    key_id: PathId, scope: Annotated[Scope, may(Permission.API_KEY_MANAGE, ending=True)]
) -> None:
    """End an API key at once. Keys of people whose role may do more than yours are not yours to
    end: an owner ends theirs, or disables them."""
    await api_keys.revoke_key(scope, key_id)


@router.post("/tenants", status_code=201, tags=TENANTS, responses=refuses(Conflict))
async def create_tenant(
    new: NewTenant,
    caller: Annotated[Scope | Visit, may_or_visit(Permission.ORGANIZATION_MANAGE, Reason.SIGN_UP)],
) -> CreatedTenant:
    """Create an organisation and invite its owner by e-mail.

    For platform administrators; for administrators of an organisation, below it, with
    `parent_tenant_id`; and where sign-up is open for callers without credentials.
    """
    return await organisations.found(caller, new)


@well_known_router.get("/.well-known/jwks.json")
async def get_jwks(visit: Annotated[Visit, visitor(Reason.SIGNING_KEYS)]) -> dict[str, Any]:
    """The public keys that access tokens are signed with, as a JSON Web Key Set."""
    return visit.house.part(KeyRing).jwks()
