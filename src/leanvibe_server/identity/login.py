"""Sign-in by e-mail and password.

No transaction is open while a password is compared, and an unknown address costs as much as a
wrong password: the same look-ups, one comparison, the same writes, the same answer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit
from uuid import UUID

from leanvibe_server.identity import addresses, devices, lookup, mails, throttle, tokens
from leanvibe_server.identity.arrival import arrive
from leanvibe_server.identity.events import LoginFailed, LoginRefused
from leanvibe_server.identity.mfa import challenges
from leanvibe_server.identity.mfa.service import Answer
from leanvibe_server.identity.models import PASSWORD, Candidate, User
from leanvibe_server.identity.passwords import desk_of
from leanvibe_server.identity.policy import ADDRESS_NOT_ALLOWED, policy_from
from leanvibe_server.identity.refusals import invalid_credentials
from leanvibe_server.identity.repository import people, sign_in
from leanvibe_server.identity.schemas import LoginRequest, SignedInUser, TokenAnswer
from leanvibe_server.identity.sessions import TOKEN, WEB, OpenedSession
from leanvibe_server.identity.throttle import Attempt
from leanvibe_server.identity.visits import actor_of, scope_in
from leanvibe_server.kernel.config import Settings
from leanvibe_server.kernel.db import Connection
from leanvibe_server.kernel.errors import (
    AppError,
    Forbidden,
    InvalidRequest,
    MfaRequired,
    Unauthorized,
    invalid_field,
)
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.idempotency import begin_idempotent
from leanvibe_server.kernel.platform import PLATFORM_TENANT, Reason, across_tenants, autocommit
from leanvibe_server.kernel.request import Visit

# Each one costs a comparison; the oldest come first, so that newcomers push nobody out.
MAX_CANDIDATES = 20
# What the tenant's log says of a failure; the second whether the password was right or wrong.
WRONG = "wrong e-mail or password"
SSO_ONLY = "a password where single sign-on is asked for"


@dataclass(frozen=True)
class SignedIn:
    """A user with the session just opened."""

    user: User
    opened: OpenedSession


async def login(visit: Visit, request: LoginRequest) -> TokenAnswer:
    """Open a session for a program.

    Raises: InvalidRequest: several tenants match, or another provider is named. Unauthorized:
        e-mail or password is wrong. MfaRequired: a second factor is missing or wrong.
        RateLimited: too many failures.
    """
    signed_in = await sign_in_with_password(visit, request, kind=TOKEN)
    return answer(visit.house, signed_in, device_token=device_token_of(visit.house, signed_in.user))


def device_token_of(house: House, user: User) -> str:
    """What makes the device of a completed sign-in known to the account."""
    return devices.new_device_token(house.vault, user.email, house.clock.now())


async def open_web_session(visit: Visit, request: LoginRequest) -> tuple[str, User]:
    """Open a session for the dashboard: the value of its cookie, and who it is."""
    signed_in = await sign_in_with_password(visit, request, kind=WEB)
    return signed_in.opened.secret, signed_in.user


def answer(house: House, signed_in: SignedIn, *, device_token: str | None = None) -> TokenAnswer:
    """The tokens of a session, as the API prints them."""
    user, session = signed_in.user, signed_in.opened.session
    return TokenAnswer(
        success=True,
        access_token=tokens.mint(
            house,
            user_id=user.id,
            tenant_id=user.tenant_id,
            session_id=session.id,
            role=user.role,
        ),
        refresh_token=signed_in.opened.secret,
        token_type="bearer",  # noqa: S106 (the name of a scheme)
        expires_in=tokens.LIFETIME_S,
        user=SignedInUser.from_row(user),
        device_token=device_token,
    )


async def sign_in_with_password(visit: Visit, request: LoginRequest, *, kind: str) -> SignedIn:
    """Find the one user behind e-mail and password, and open a session of `kind`."""
    async with desk_of(visit.house).on_the_beat(Unauthorized):
        return await _sign_in(visit, request, kind=kind)


async def _sign_in(visit: Visit, request: LoginRequest, *, kind: str) -> SignedIn:
    if request.provider != "local":
        raise InvalidRequest(
            f"Single sign-on with {request.provider!r} is not set up here. "
            "Use provider `local`, or ask an administrator to configure the provider.",
            details={"field": "provider"},
        )
    if request.password is None:
        raise invalid_field("password", "Field required", "The password is missing.")
    email = addresses.normalise(request.email)
    named = _named_tenant(visit, request)
    attempt = _attempt(visit, request, email, named)
    looked = await _look_up(visit, attempt, email)
    found = [
        candidate
        for candidate in looked.found
        if named in (None, candidate.tenant_slug, str(candidate.user.tenant_id))
    ]
    right = await _compare(visit.house, found, request.password)
    matches = [one for one in right if _opens(one, visit.address)]
    if not matches:
        # The answer must not confirm a password that opens nothing.
        refusal = await _refuse(visit, attempt, found, right)
        raise lookup.silence() if looked.silent else refusal
    await _forgive(visit.house, attempt)
    if len(matches) > 1:
        raise _several(matches)
    try:
        return await _open(visit, matches[0], request.password, kind=kind)
    except MfaRequired as asked:
        if request.mfa_code is None or asked.details["enrollment_required"]:
            raise
        return await _complete(visit, asked, request.mfa_code, kind=kind)


async def _complete(visit: Visit, asked: MfaRequired, code: str, *, kind: str) -> SignedIn:
    """Go on with the code that came with the password.

    Raises: MfaRequired: it is wrong; the sign-in still waits.
    """
    token = asked.details["mfa_token"]
    waiting = await challenges.require_waiting(visit, token, kind=kind)
    try:
        return SignedIn(*await challenges.complete(waiting, Answer(code=code)))
    except Unauthorized as wrong:
        details = {**asked.details, "field": "mfa_code", "reason": "wrong_code"}
        raise MfaRequired(wrong.message, details=details) from None


def _attempt(visit: Visit, request: LoginRequest, email: str, named: str | None) -> Attempt:
    vault, now = visit.house.vault, visit.house.clock.now()
    visit.device_token = request.device_token
    return Attempt.by(
        vault,
        email=email,
        address=visit.address,
        organisation=named,
        device=devices.known_device(vault, email, visit.device, now),
    )


async def _look_up(visit: Visit, attempt: Attempt, email: str) -> lookup.Looked:
    """The users of an address, unless the attempt has to wait."""
    house, now = visit.house, visit.house.clock.now()

    async def ask(conn: Connection, email_hash: bytes, *, limit: int) -> Sequence[Candidate]:
        found, waits = await people.list_candidates_and_waits(
            conn, email_hash, attempt.keys, limit=limit, now=now
        )
        throttle.refuse_waiting(waits, attempt, now=now)
        return found

    digest = addresses.directory_hash(house.vault, email)
    return await lookup.list_candidates(house, digest, limit=MAX_CANDIDATES, ask=ask)


async def _compare(house: House, candidates: Sequence[Candidate], password: str) -> list[Candidate]:
    """Those whose password it is; compares at least once, for nobody if need be."""
    now, desk = house.clock.now(), desk_of(house)
    open_ones = [c for c in candidates if c.user.may_sign_in(now)]
    kept_ones = {c.user.password_hash for c in open_ones} - {None}
    hashes = kept_ones or {None}
    right = {kept for kept in hashes if await desk.verify(kept, password)}
    return [c for c in open_ones if c.user.password_hash in right]


def _opens(found: Candidate, address: str) -> bool:
    """Whether the right password opens anything there, from that address."""
    policy = policy_from(found.security)
    return policy.allows(address) and not policy.wants_provider(found.user.role)


async def _refuse(
    visit: Visit, attempt: Attempt, candidates: Sequence[Candidate], right: Sequence[Candidate]
) -> AppError:
    """Count and note a failed sign-in; the refusal to answer with.

    Guesses that were made side by side are refused together once a wait is on.
    """
    house = visit.house
    database, now = house.database, house.clock.now()
    known = [_failure(c, visit.address, right=c in right) for c in candidates]
    by_region: dict[str, list[_Failure]] = {database.home: []}
    for one in known or [_Failure(PLATFORM_TENANT, LoginFailed(user_id=None, reason=WRONG))]:
        by_region.setdefault(await database.region_of(one.tenant_id), []).append(one)
    async with across_tenants(database, Reason.SIGN_IN) as conn:
        await throttle.check(conn, attempt, now=now)
        await throttle.count_failure(conn, attempt, now=now)
        await _note_failure(visit, conn, by_region.pop(database.home))
    for region, those in by_region.items():
        async with across_tenants(database, Reason.SIGN_IN, region=region) as conn:
            await _note_failure(visit, conn, those)
    if not by_region:
        await lookup.pretend(database, attempt.account)
    return invalid_credentials()


@dataclass(frozen=True)
class _Failure:
    """A tenant a failed attempt may have been meant for, and what its log says. `warn` is who
    must hear that somebody else may know their password."""

    tenant_id: UUID
    event: LoginFailed | LoginRefused
    warn: str | None = None


def _failure(found: Candidate, address: str, *, right: bool) -> _Failure:
    user, policy = found.user, policy_from(found.security)
    if policy.wants_provider(user.role):
        return _Failure(user.tenant_id, LoginFailed(user_id=user.id, reason=SSO_ONLY))
    if right and not policy.allows(address):
        refused = LoginRefused(user_id=user.id, method="password", reason=ADDRESS_NOT_ALLOWED)
        return _Failure(user.tenant_id, refused, warn=user.email)
    return _Failure(user.tenant_id, LoginFailed(user_id=user.id, reason=WRONG))


async def _note_failure(visit: Visit, conn: Connection, failures: Sequence[_Failure]) -> None:
    """Write a failed sign-in to the logs of the tenants it may have been meant for."""
    for failure in failures:
        await sign_in.bind_tenant(conn, failure.tenant_id)
        scope = scope_in(visit, conn, failure.tenant_id)
        await scope.emit(failure.event)
        if failure.warn is not None:
            await mails.kept_out(scope, to=failure.warn)


async def _forgive(house: House, attempt: Attempt) -> None:
    async with autocommit(house.database, Reason.SIGN_IN) as conn:
        await throttle.forgive_unless_waiting(conn, attempt, now=house.clock.now())


async def _open(visit: Visit, found: Candidate, password: str, *, kind: str) -> SignedIn:
    house = visit.house
    fresh_hash = await _rehash(house, found.user, password)
    tenant_id, user_id = found.user.tenant_id, found.user.id
    async with house.database.tenant(tenant_id) as conn:
        user = await people.lock_user(conn, tenant_id, user_id)
        if user is None or not user.may_sign_in(house.clock.now()):
            raise invalid_credentials()
        scope = scope_in(visit, conn, tenant_id, actor=actor_of(visit, user), plan=found.plan)
        await begin_idempotent(visit, scope, visit.body)
        if fresh_hash is not None and user.password_hash == found.user.password_hash:
            await people.set_password(
                conn, tenant_id, user_id, password_hash=fresh_hash, now=scope.now
            )
        try:
            return SignedIn(user, await arrive(scope, user, PASSWORD, kind=kind))
        except Forbidden:
            # The policy was changed since the comparison: answered as if before.
            raise invalid_credentials().keeping_writes() from None


async def _rehash(house: House, user: User, password: str) -> str | None:
    """A hash by today's parameters where the kept one is of older ones."""
    desk = desk_of(house)
    if user.password_hash is None or not desk.is_outdated(user.password_hash):
        return None
    return await desk.hash(password)


def _several(matches: Sequence[Candidate]) -> InvalidRequest:
    """The password fits in several tenants: its owner may see which."""
    return InvalidRequest(
        "You belong to several tenants. Name one by `tenant_id`.",
        details={
            "field": "tenant_id",
            "tenants": [
                {"id": str(c.user.tenant_id), "slug": c.tenant_slug, "name": c.tenant_name}
                for c in matches
            ],
        },
    )


def _named_tenant(visit: Visit, request: LoginRequest) -> str | None:
    """Id or slug of the tenant the caller asks for, by field, header or host."""
    named = (
        request.tenant_id
        or visit.headers.get("x-tenant-id")
        or visit.headers.get("x-tenant-slug")
        or subdomain(visit.house.settings, visit.headers.get("host", ""))
    )
    return None if named is None else named.strip().lower()


def subdomain(settings: Settings, host: str) -> str | None:
    """The slug before the public host's name: acme of acme.example.com."""
    public = urlsplit(settings.base_url).hostname or ""
    name = host.partition(":")[0].lower()
    slug = name.removesuffix(f".{public}")
    return slug if slug != name and slug and "." not in slug else None
