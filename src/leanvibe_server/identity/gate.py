"""The gate: every credential passes here and becomes an Admission, or a refusal."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from leanvibe_server.entitlements.plans import plan_of
from leanvibe_server.identity import break_glass, forgeries, opaque, tokens
from leanvibe_server.identity.delegation import Delegation
from leanvibe_server.identity.keys import KeyRing
from leanvibe_server.identity.login import subdomain
from leanvibe_server.identity.permissions import permissions_of, project_roles_of
from leanvibe_server.identity.policy import (
    DEFAULT,
    SecurityPolicy,
    check_address,
    check_key_address,
    policy_from,
)
from leanvibe_server.identity.refusals import invalid_token, no_credentials, wrong_tenant
from leanvibe_server.identity.repository import gate as rows
from leanvibe_server.identity.repository.gate import Standing
from leanvibe_server.identity.sessions import WEB, is_live
from leanvibe_server.kernel.access import Admission, Role
from leanvibe_server.kernel.crypto import hash_token
from leanvibe_server.kernel.db import Connection, Transaction
from leanvibe_server.kernel.errors import Forbidden, Unauthorized
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.ratelimit import Rate
from leanvibe_server.kernel.request import Caller, Credentials, Visit
from leanvibe_server.kernel.scope import Actor
from leanvibe_server.metering.calls import CallMeter
from leanvibe_server.tenancy.directory import RESERVED_SLUGS

# Noted at most so often, because a write costs more than the whole check.
NOTE_EVERY = timedelta(minutes=1)
KNOWN_RATES = 50_000
# Credentials that nobody holds in the hand, and who acts by them.
ACTOR_KINDS = {"key": "api_key", "client": "oauth_client", "scim": "scim"}

Look = Callable[[Connection], Awaitable[Standing | None]]


@dataclass(frozen=True)
class Claim:
    """What a credential says of itself: in which tenant to look, and how.

    `proven` is true when a signature vouches for the tenant before the database is asked.
    """

    tenant_id: UUID
    look: Look
    proven: bool = False


class HouseGate:
    """Admits bearers of access tokens and API keys, and browsers with the dashboard's cookie."""

    def __init__(self, ring: KeyRing, calls: CallMeter) -> None:
        self._ring = ring
        self._calls = calls
        self._seen = tokens.VerifiedTokens()
        self._rates: dict[UUID, Rate] = {}
        self._delegation = Delegation()

    async def admit(self, house: House, credentials: Credentials) -> Admission:
        """Who is calling, in an open transaction of their tenant.

        What does not hold counts against the caller's address; what holds, against the tenant.
        Raises: Unauthorized, Forbidden, RateLimited, QuotaExceeded.
        """
        try:
            claim = await self._read(house, credentials)
            return await self._enter(house, credentials, claim)
        except Unauthorized:
            if not credentials.again:
                credentials.visit.limit_by_address()
            raise

    async def _read(self, house: House, credentials: Credentials) -> Claim:
        bearer, cookie = credentials.bearer, credentials.cookie
        if bearer is not None:
            if bearer.startswith(opaque.SCIM_START) and credentials.provisioning:
                return _secret_claim(bearer, opaque.tenant_of_scim_token, rows.find_by_scim_token)
            if bearer.startswith("lv_"):
                return _secret_claim(bearer, opaque.tenant_of_api_key, rows.find_by_api_key)
            return await self._token_claim(house, credentials)
        if cookie is not None:
            return _secret_claim(cookie, opaque.tenant_of_token, rows.find_by_cookie)
        raise no_credentials()

    async def _token_claim(self, house: House, credentials: Credentials) -> Claim:
        try:
            claims = await self._verify(house, credentials.bearer or "")
        except tokens.InvalidToken as error:
            if error.forged:
                await forgeries.note(credentials.visit, str(error))
            raise invalid_token() from None

        find = rows.find_by_session if claims.client_id is None else rows.find_by_client_token

        async def look(conn: Connection) -> Standing | None:
            return await find(conn, claims.tenant_id, claims.session_id, claims.user_id)

        return Claim(claims.tenant_id, look, proven=True)

    async def _verify(self, house: House, token: str) -> tokens.Claims:
        issuer, now_s = house.settings.base_url, house.clock.now().timestamp()
        try:
            return tokens.verify(token, self._ring, self._seen, issuer=issuer, now_s=now_s)
        except tokens.UnknownKey:
            if not await self._ring.refetch(house):
                raise
        return tokens.verify(token, self._ring, self._seen, issuer=issuer, now_s=now_s)

    async def _enter(self, house: House, credentials: Credentials, claim: Claim) -> Admission:
        visit, now = credentials.visit, house.clock.now()
        named = _named_tenant(credentials) or claim.tenant_id
        rate = self._rates.get(claim.tenant_id) if claim.proven else None
        if rate is not None and not credentials.again:
            visit.limit(f"tenant {claim.tenant_id}", rate)
        transaction = await house.database.begin_tenant(claim.tenant_id)
        try:
            standing = _require_standing(await claim.look(transaction.conn), now)
            actor = _actor(standing, visit)
            visit.caller = Caller(claim.tenant_id, actor)
            _check_addresses(standing, visit)
            if not credentials.again:
                self._check_rate(visit, claim.tenant_id, standing, counted_at=rate)
            credentials = _with_host(credentials, standing)
            if named != claim.tenant_id:
                admission = await self._enter_other(
                    house, credentials, standing, actor, claim.tenant_id, named, transaction
                )
                visit.caller = Caller(named, admission.actor)
                return admission
            if credentials.named_slug not in (None, standing.tenant_slug):
                raise wrong_tenant()
            if not credentials.again:
                await self._count(
                    transaction.conn, standing, claim.tenant_id, now=now, address=visit.address
                )
            return _admission(standing, actor, claim.tenant_id, transaction)
        except BaseException:
            await transaction.rollback()
            raise

    async def _enter_other(
        self,
        house: House,
        credentials: Credentials,
        standing: Standing,
        actor: Actor,
        home: UUID,
        named: UUID,
        transaction: Transaction,
    ) -> Admission:
        """Act in another tenant than one's own: the one place that may allow it."""
        if standing.role == Role.PLATFORM_ADMIN:
            await transaction.rollback()
            return await break_glass.enter(house, credentials, standing, named, actor=actor)
        if not credentials.again:
            await self._count(
                transaction.conn,
                standing,
                home,
                now=house.clock.now(),
                address=credentials.visit.address,
            )
        await transaction.commit()
        return await self._delegation.enter(
            house, credentials, standing, home=home, named=named, actor=actor
        )

    def _check_rate(
        self, visit: Visit, tenant_id: UUID, standing: Standing, *, counted_at: Rate | None
    ) -> None:
        """Count the call, unless it was counted before the tenant was looked at; and remember the
        rate of its plan, which may have changed. Then count it against the key's own rate."""
        if counted_at != plan_of(standing.plan).rate:
            rate = self._remember_rate(tenant_id, standing.plan)
            if counted_at is None:
                visit.limit(f"tenant {tenant_id}", rate)
        if standing.rate_limit is not None:
            own = Rate(standing.rate_limit, burst=standing.rate_limit)
            visit.limit(f"key {standing.credential_id}", own)

    async def _count(
        self,
        conn: Connection,
        standing: Standing,
        tenant_id: UUID,
        *,
        now: datetime,
        address: str,
    ) -> None:
        """Count the call and note when the credential was used, for the tenant it belongs to."""
        if standing.kind != WEB:
            await self._calls.count(conn, tenant_id, standing.plan)
        if standing.seen_at is None or now - standing.seen_at >= NOTE_EVERY:
            await rows.touch(
                conn,
                tenant_id,
                kind=standing.kind,
                credential_id=standing.credential_id,
                now=now,
                address=address,
            )

    def _remember_rate(self, tenant_id: UUID, plan: str) -> Rate:
        if len(self._rates) >= KNOWN_RATES:
            self._rates.clear()
        rate = self._rates[tenant_id] = plan_of(plan).rate
        return rate


def _secret_claim(
    secret: str,
    tenant_of: Callable[[str], UUID | None],
    find: Callable[[Connection, UUID, bytes], Awaitable[Standing | None]],
) -> Claim:
    """What a secret says that names its tenant and is found by its hash.

    Raises: Unauthorized: it names none.
    """
    tenant_id = tenant_of(secret)
    if tenant_id is None:
        raise invalid_token()
    digest = hash_token(secret)
    return Claim(tenant_id, lambda conn: find(conn, tenant_id, digest))


def _with_host(credentials: Credentials, standing: Standing) -> Credentials:
    """The host's subdomain names an organisation as X-Tenant-Slug does: one's own, or the one a
    caller acts for. A cookie belongs to its host, at which its holder may move on.

    Raises: Forbidden: header and host name two.
    """
    if credentials.bearer is None:
        return credentials
    visit = credentials.visit
    slug = subdomain(visit.house.settings, visit.headers.get("host", ""))
    if slug is None or slug == standing.tenant_slug or slug in RESERVED_SLUGS:
        return credentials
    if credentials.named_slug not in (None, slug):
        raise wrong_tenant()
    return replace(credentials, named_slug=slug)


def _named_tenant(credentials: Credentials) -> UUID | None:
    """The tenant X-Tenant-ID names; None when there is no such header."""
    if credentials.named_tenant is None:
        return None
    try:
        return UUID(credentials.named_tenant)
    except ValueError:
        raise wrong_tenant() from None


def _require_standing(standing: Standing | None, now: datetime) -> Standing:
    """Raises: Unauthorized: nothing is behind the credential any more."""
    if standing is None or not _holds(standing, _policy_for(standing), now):
        raise invalid_token()
    return standing


def _check_addresses(standing: Standing, visit: Visit) -> None:
    """Raises: Forbidden: the tenant does not allow the address, whatever the credential, or the
    key is not for it. RateLimited: this address tried too often; a stolen key is no way to load
    the database."""
    policy = _policy_for(standing)
    try:
        if policy is not DEFAULT:
            check_address(policy, visit.address)
        if standing.networks:
            check_key_address(standing.networks, visit.address)
    except Forbidden:
        visit.limit_by_address()
        raise


def _policy_for(standing: Standing) -> SecurityPolicy:
    return policy_from(standing.security) if standing.security else DEFAULT


def _holds(standing: Standing, policy: SecurityPolicy, now: datetime) -> bool:
    """Whether the person may still act, and the credential is neither over nor worn out."""
    if standing.user_status != "active":
        return False
    if standing.user_expires_at is not None and standing.user_expires_at <= now:
        return False
    if standing.kind in ACTOR_KINDS:
        return standing.ended_at is None and (
            standing.expires_at is None or now < standing.expires_at
        )
    if standing.seen_at is None or standing.expires_at is None or standing.created_at is None:
        return False
    return is_live(
        standing.kind,
        created_at=standing.created_at,
        seen_at=standing.seen_at,
        expires_at=standing.expires_at,
        ended_at=standing.ended_at,
        amr=standing.amr or (),
        now=now,
        role=standing.role,
        provider_id=standing.provider_id,
        policy=policy,
    )


def _actor(standing: Standing, visit: Visit) -> Actor:
    is_key = standing.kind in ACTOR_KINDS
    return Actor(
        kind=ACTOR_KINDS.get(standing.kind, "user"),
        id=standing.user_id,
        label=_label(standing) if is_key else standing.email,
        role=standing.role,
        further_roles=tuple(standing.further_roles),
        session_id=None if is_key else standing.credential_id,
        credential_id=standing.credential_id if is_key else None,
        address=visit.address,
        user_agent=visit.user_agent,
    )


def _label(standing: Standing) -> str:
    if standing.kind == "scim":
        return f"SCIM (token {standing.key_name})"
    return f"{standing.email} ({standing.kind} {standing.key_name})"


def _admission(
    standing: Standing, actor: Actor, tenant_id: UUID, transaction: Transaction
) -> Admission:
    return Admission(
        actor=actor,
        tenant_id=tenant_id,
        permissions=permissions_of(
            standing.role, standing.scopes, standing.role_permissions, standing.further_roles
        ),
        plan=standing.plan,
        suspended=standing.tenant_status != "active",
        transaction=transaction,
        authenticated_at=standing.authenticated_at,
        project_roles=project_roles_of(standing.project_roles, standing.scopes),
    )
