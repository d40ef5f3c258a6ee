"""Proving once more who one is, at the identity provider, in a session that is open.

The provider is told to ask anew, and must say when it did (`auth_time`, `AuthnInstant`): a session
that is still open there proves nothing.

Source: OpenID Connect Core 1.0, sections 2 and 3.1.2.1; SAML 2.0 Core, sections 2.7.2 and 3.4.1.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from leanvibe_server.identity.account import proving
from leanvibe_server.identity.account.factors import check_password_is_enough
from leanvibe_server.identity.events import LoginFailed
from leanvibe_server.identity.federation import repository as rows
from leanvibe_server.identity.federation.entry import no_such_provider
from leanvibe_server.identity.federation.models import SsoProvider
from leanvibe_server.identity.federation.people import Assertion, require_enabled
from leanvibe_server.identity.federation.protocols import Departure, Protocols, Wish
from leanvibe_server.identity.login import SignedIn
from leanvibe_server.identity.models import Proof, User
from leanvibe_server.kernel.access import Errand
from leanvibe_server.kernel.errors import Forbidden, InvalidRequest
from leanvibe_server.kernel.request import Visit
from leanvibe_server.kernel.scope import Scope

# How far the provider's clock may be behind ours.
LEEWAY = timedelta(seconds=60)


async def list_ways(scope: Scope, user: User) -> list[SsoProvider]:
    """The providers that are on and linked to the user, and can be asked to prove them anew."""
    linked = {
        one.provider_id for one in await rows.list_identities(scope.conn, scope.tenant_id, user.id)
    }
    enabled = await rows.list_enabled(scope.conn, scope.tenant_id)
    protocols = scope.house.part(Protocols)
    return [one for one in enabled if one.id in linked and protocols.speak(one).asks_again(one)]


async def depart(
    visit: Visit, errand: Errand, name: str, wish: Wish
) -> tuple[SsoProvider, Departure]:
    """Send a signed-in user off to a provider of theirs, to prove themselves there.

    Raises: Forbidden: a key proves nothing; a second factor is needed, which the provider does not
        vouch for. NotFound: no such provider is linked and on. InvalidRequest: it cannot do that.
    """
    async with errand.scope() as scope:
        own = await proving.require_own(scope)
        found = await rows.find_named(scope.conn, scope.tenant_id, name)
        if found is None or found.id not in {one.id for one in await list_ways(scope, own.user)}:
            raise no_such_provider()
        provider = await require_enabled(scope, found)
        if not provider.trusts_mfa:
            await check_password_is_enough(scope, own.user)
    asked = replace(
        wish,
        purpose="step_up",
        login_hint=own.user.email,
        link_user_id=own.user.id,
        link_session_id=own.session.id,
    )
    protocol = errand.house.part(Protocols).speak(provider)
    return provider, await protocol.depart(visit, provider, asked, plan=errand.caller.plan)


def check_anew(asked_at: datetime, proved_at: datetime | None) -> None:
    """Raises: InvalidRequest: the provider did not ask anew, or does not say that it did."""
    if proved_at is not None and proved_at >= asked_at - LEEWAY:
        return
    raise InvalidRequest(
        "The identity provider did not say that you have just signed in there, so it proves "
        "nothing new. Sign out here and sign in again instead, or set up a second factor.",
        details={"reason": "not_proved_anew"},
    )


async def go_on(scope: Scope, assertion: Assertion, *, user_id: UUID, session_id: UUID) -> SignedIn:
    """Go on in the user's session, under a new id and secret, by what the provider says now.

    Raises: Unauthorized: user or session was closed meanwhile. Forbidden: it speaks of another
        account; a second factor is needed beside it.
    """
    actor = replace(scope.actor, kind="user", id=user_id, session_id=session_id)
    own = await proving.require_own(replace(scope, actor=actor))
    inside = replace(scope, actor=replace(actor, label=own.user.email, role=own.user.role))
    provider = assertion.provider
    known = await rows.find_by_subject(scope.conn, scope.tenant_id, provider.id, assertion.subject)
    if known is None or known.user_id != user_id:
        await inside.emit(LoginFailed(user_id=user_id, reason="another account at the provider"))
        raise Forbidden(
            "You signed in at the identity provider with an account that is not linked to yours "
            "here. Try again with your own.",
            details={"reason": "another_account"},
        ).keeping_writes()
    if "mfa" not in assertion.amr:
        await check_password_is_enough(inside, own.user)
    if own.session.provider_id == provider.id and assertion.remote_session is not None:
        # Asked anew, the provider may have begun another session, whose logout it will tell of.
        session = msgspec.structs.replace(own.session, remote_session=assertion.remote_session)
        own = replace(own, session=session)
    proof = Proof(method=provider.protocol, amr=("fed",), provider_id=provider.id)
    return SignedIn(own.user, await proving.go_on(inside, own, proof))
