"""Finishing a sign-in by OpenID Connect: from code and state to a session.

Three parts, with no transaction open while the provider is asked: the state is used up, the code
is traded and every word of the answer checked, and the person is let in if all still holds.
"""

import hmac
from dataclasses import dataclass, replace
from uuid import UUID

from leanvibe_server.identity import opaque
from leanvibe_server.identity.events import LoginFailed
from leanvibe_server.identity.federation import people, stepping
from leanvibe_server.identity.federation import service as providers
from leanvibe_server.identity.federation.linking import link_own
from leanvibe_server.identity.federation.models import SsoProvider
from leanvibe_server.identity.federation.people import Assertion
from leanvibe_server.identity.federation.protocols import Purpose
from leanvibe_server.identity.login import SignedIn
from leanvibe_server.identity.oidc import client_keys, errors, flows, leaving
from leanvibe_server.identity.oidc import repository as rows
from leanvibe_server.identity.oidc.claims import assertion_of
from leanvibe_server.identity.oidc.client_keys import Signer
from leanvibe_server.identity.oidc.discovery import Metadata, read_metadata
from leanvibe_server.identity.oidc.errors import BadToken
from leanvibe_server.identity.oidc.exchange import Client, ask_userinfo, method_of, trade_code
from leanvibe_server.identity.oidc.id_tokens import authenticated_at, read_id_token
from leanvibe_server.identity.oidc.models import Flow
from leanvibe_server.identity.oidc.settings import settings_of
from leanvibe_server.identity.sessions import TOKEN, WEB
from leanvibe_server.identity.visits import scope_in
from leanvibe_server.kernel.crypto import hash_token
from leanvibe_server.kernel.db import Connection
from leanvibe_server.kernel.errors import AppError, InvalidRequest, MfaRequired
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.idempotency import begin_idempotent
from leanvibe_server.kernel.outbound import Unreachable
from leanvibe_server.kernel.request import Visit
from leanvibe_server.kernel.scope import Scope
from leanvibe_server.kernel.sealing import fetch_keys
from leanvibe_server.tenancy.service import require_tenant

MAX_CODE = 4096


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came back from the provider.

    `web` says that a browser brought it to the callback `redirect_uri`, with the `cookie` it was
    given at the start. Otherwise a program did, which may say what it knows of the sign-in: `named`
    as the provider, `redirect_uri`, `tenant`. It says its `purpose`, and where that is no sign-in,
    for which signed-in user it acts, in which session.
    """

    state: str
    code: str | None = None
    error: str | None = None
    issuer: str | None = None
    web: bool = False
    cookie: str | None = None
    named: str | None = None
    redirect_uri: str | None = None
    tenant: str | None = None
    purpose: Purpose = "sign_in"
    user_id: UUID | None = None
    session_id: UUID | None = None


@dataclass(frozen=True, kw_only=True)
class Arrival:
    """What a finished sign-in leads to: a session, or for a signed-in user a further way in.

    `ticket` is the form that waited for a fresh proof.
    """

    next_path: str
    purpose: Purpose
    signed_in: SignedIn | None
    ticket: str | None = None


@dataclass(frozen=True, kw_only=True)
class _Journey:
    """A sign-in whose state was used up, with what the provider must be asked with."""

    flow: Flow
    provider: SsoProvider
    secret: str | None
    signer: Signer | None
    alone: bool


async def finish(visit: Visit, answer: Answer) -> Arrival:
    """Let the person in whom the provider sent back.

    Raises: InvalidRequest: the state, the code or the provider's answer does not hold, or the
        provider was turned off. Forbidden: the account is closed, not linked, or kept out by the
        tenant's policy. ServiceUnavailable: the provider does not answer.
    """
    tenant_id = opaque.tenant_of_token(answer.state)
    if tenant_id is None:
        raise errors.stale()
    await fetch_keys(visit.house, tenant_id, to_seal=answer.web)
    async with visit.house.database.tenant(tenant_id) as conn:
        journey = await _use_up(_begin(visit, conn, tenant_id), answer)
    try:
        assertion, id_token = await _ask_provider(visit, journey, answer)
    except BadToken as error:
        raise await _note(visit, journey, str(error), errors.not_believed()) from None
    except Unreachable:
        raise await _note(visit, journey, "it does not answer", errors.silent()) from None
    except InvalidRequest as refusal:
        raise await _note(visit, journey, str(refusal.details.get("reason")), refusal) from None
    async with visit.house.database.tenant(tenant_id) as conn:
        scope = _begin(visit, conn, tenant_id)
        # As it is now: the plan may have changed while the provider was asked.
        scope = replace(scope, plan=(await require_tenant(scope)).plan)
        return await _let_in(
            visit, scope, journey.flow, assertion, id_token if answer.web else None
        )


async def find_flow(visit: Visit, state: str) -> Flow | None:
    """What is under way under a state; nothing is done about it."""
    tenant_id = opaque.tenant_of_token(state)
    if tenant_id is None:
        return None
    async with visit.house.database.tenant(tenant_id) as conn:
        return await rows.find(conn, tenant_id, hash_token(state))


def _begin(visit: Visit, conn: Connection, tenant_id: UUID) -> Scope:
    return scope_in(visit, conn, tenant_id)


async def _use_up(scope: Scope, answer: Answer) -> _Journey:
    """Take the sign-in away, so that its state is good once, whatever comes of it.

    Raises: InvalidRequest.
    """
    flow = await rows.find(scope.conn, scope.tenant_id, hash_token(answer.state))
    if flow is None or not _brought_by_its_beginner(flow, answer):
        raise errors.stale()
    if not await rows.use_up(scope.conn, flow) or flow.expires_at <= scope.now:
        raise errors.stale().keeping_writes()
    tenant = await require_tenant(scope)
    scope = replace(scope, plan=tenant.plan)
    try:
        provider = await providers.require_provider(scope, flow.provider_id)
        await people.require_enabled(scope, provider)
    except AppError as refusal:
        raise refusal.keeping_writes() from None
    if not _says_the_same(answer, flow, provider, slug=tenant.slug):
        raise errors.stale().keeping_writes()
    others = [p for p in await providers.list_enabled(scope) if p.issuer != provider.issuer]
    return _Journey(
        flow=flow,
        provider=provider,
        secret=await providers.open_secret(scope, provider),
        signer=await client_keys.open_signer(scope, provider),
        alone=not others,
    )


def _brought_by_its_beginner(flow: Flow, answer: Answer) -> bool:
    """A browser bears the cookie of this very sign-in; a program's sign-in is no browser's, and
    one that links or proves anew is the signed-in user's own."""
    if not answer.web:
        own = (flow.purpose, flow.link_user_id) == (answer.purpose, answer.user_id)
        same = flow.purpose != "step_up" or flow.link_session_id == answer.session_id
        return flow.browser_hash is None and own and same
    if flow.browser_hash is None or answer.cookie is None:
        return False
    if answer.redirect_uri != flow.redirect_uri:
        # The answer of another provider, which was made to bear this state.
        return False
    return hmac.compare_digest(hash_token(answer.cookie), flow.browser_hash)


def _says_the_same(answer: Answer, flow: Flow, provider: SsoProvider, *, slug: str) -> bool:
    """Whether what a program says of the sign-in is what it began."""
    if answer.named not in (None, provider.slug, provider.type, str(provider.id)):
        return False
    if answer.tenant not in (None, slug, str(flow.tenant_id)):
        return False
    return answer.redirect_uri in (None, flow.redirect_uri)


async def _ask_provider(visit: Visit, journey: _Journey, answer: Answer) -> tuple[Assertion, str]:
    """Trade the code and check every word of the answer; what it says, and the ID token itself.

    Raises: BadToken, Unreachable. InvalidRequest: the provider says no, or is not the one asked.
    """
    house, provider = visit.house, journey.provider
    metadata = await read_metadata(house, provider.issuer)
    _check_issuer(metadata, answer, alone=journey.alone)
    if answer.error is not None:
        raise errors.said_by_provider(answer.error)
    if not answer.code or len(answer.code) > MAX_CODE:
        raise BadToken("no code came back")
    settings, client_id = settings_of(provider), provider.client_id or ""
    tokens = await trade_code(
        house,
        metadata,
        _client(house, metadata, journey),
        code=answer.code,
        verifier=flows.verifier_of(house, answer.state),
        redirect_uri=journey.flow.redirect_uri,
    )
    signed = await read_id_token(
        house,
        metadata,
        tokens.id_token,
        client_id=client_id,
        nonce=flows.nonce_of(house, answer.state),
        access_token=tokens.access_token,
    )
    told = {}
    if metadata.userinfo_endpoint is not None and tokens.access_token is not None:
        told = await ask_userinfo(
            house,
            metadata.userinfo_endpoint,
            access_token=tokens.access_token,
            subject=signed["sub"],
        )
    proved_at = authenticated_at(signed, house.clock.now())
    if journey.flow.purpose == "step_up":
        stepping.check_anew(journey.flow.created_at, proved_at)
    said = assertion_of(provider, settings, signed, told, authenticated_at=proved_at)
    return said, tokens.id_token


def _client(house: House, metadata: Metadata, journey: _Journey) -> Client:
    """Ourselves, with what proves it. Raises: BadToken: there is nothing to prove it by."""
    provider, chosen = journey.provider, settings_of(journey.provider).token_endpoint_auth_method
    client = Client(
        client_id=provider.client_id or "",
        secret=journey.secret,
        method=method_of(metadata, chosen=chosen, secret=journey.secret),
    )
    if client.method != client_keys.METHOD:
        return client
    if journey.signer is None:
        raise BadToken("there is no key for private_key_jwt: save the provider again")
    signed = client_keys.assertion(
        journey.signer,
        metadata,
        provider=provider,
        client_id=client.client_id,
        now=house.clock.now(),
    )
    return replace(client, assertion=signed)


def _check_issuer(metadata: Metadata, answer: Answer, *, alone: bool) -> None:
    """The answer comes from the provider that was asked, by its own word.

    A provider that promises `iss` must send it. Programs of old do not hand it on; that is
    harmless where the tenant has no other provider whose answer could be mixed in.
    Raises: InvalidRequest. Source: RFC 9207; RFC 9700, section 4.4.
    """
    if answer.issuer is not None and answer.issuer != metadata.issuer:
        raise errors.wrong_issuer()
    promised = metadata.authorization_response_iss_parameter_supported
    if answer.issuer is None and promised and (answer.web or not alone):
        raise errors.wrong_issuer()


async def _note(visit: Visit, journey: _Journey, reason: str, refusal: AppError) -> AppError:
    """Tell the tenant's log why nobody was signed in; the visitor is told less."""
    provider = journey.provider
    async with visit.house.database.tenant(provider.tenant_id) as conn:
        scope = _begin(visit, conn, provider.tenant_id)
        text = f"sign-in by {provider.name}: {reason}"
        await scope.emit(LoginFailed(user_id=None, reason=text))
    return refusal


async def _let_in(
    visit: Visit, scope: Scope, flow: Flow, assertion: Assertion, id_token: str | None
) -> Arrival:
    """`id_token` is kept for the sign-out of a browser; None for a program."""
    if await people.require_enabled(scope, assertion.provider) != assertion.provider:
        # Checked against what no longer holds: another client, other rules, another secret.
        raise errors.stale()
    if flow.link_user_id is not None and flow.link_session_id is not None:
        user_id, session_id = flow.link_user_id, flow.link_session_id
        proved = None
        if flow.purpose == "step_up":
            proved = await stepping.go_on(scope, assertion, user_id=user_id, session_id=session_id)
            if id_token is not None:
                await leaving.keep(scope, assertion, id_token)
        else:
            await link_own(scope, assertion, user_id=user_id, session_id=session_id)
        return Arrival(
            next_path=flow.next_path, purpose=flow.purpose, signed_in=proved, ticket=flow.ticket
        )
    await begin_idempotent(visit, scope, visit.body)
    try:
        signed_in = await people.sign_in(
            scope, assertion, kind=TOKEN if id_token is None else WEB, next_path=flow.next_path
        )
    except MfaRequired:
        # There is no session yet, but it will be one of this sign-in.
        if id_token is not None:
            await leaving.keep(scope, assertion, id_token)
        raise
    if id_token is not None:
        await leaving.keep(scope, assertion, id_token)
    return Arrival(next_path=flow.next_path, purpose=flow.purpose, signed_in=signed_in)
