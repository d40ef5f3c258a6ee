"""The end of a sign-in that a program began: it brings code and state itself."""

from leanvibe_server.identity import login
from leanvibe_server.identity.federation import linking, stepping
from leanvibe_server.identity.federation.entry import told
from leanvibe_server.identity.federation.protocols import Wish
from leanvibe_server.identity.federation.schemas import Begin, LinkedIdentities, Redirect
from leanvibe_server.identity.oidc import service
from leanvibe_server.identity.oidc.errors import stale
from leanvibe_server.identity.oidc.schemas import LinkFinish, SsoLogin
from leanvibe_server.identity.oidc.service import Answer
from leanvibe_server.identity.schemas import LoginRequest, TokenAnswer
from leanvibe_server.kernel.access import Errand, require_signed_in
from leanvibe_server.kernel.errors import invalid_field
from leanvibe_server.kernel.request import Visit

LOCAL = "local"


async def log_in(visit: Visit, request: LoginRequest) -> TokenAnswer:
    """Open a session by password, or for another provider than `local` by its code.

    Raises: as `login.login` and `service.finish`.
    """
    if request.provider == LOCAL:
        return await login.login(visit, request)
    if request.auth_code is None:
        raise invalid_field(
            "auth_code",
            "Field required",
            f"auth_code is missing: begin at GET /v1/auth/sso/{request.provider}, and send the "
            "code and the state that come back.",
        )
    return await sso_login(
        visit,
        SsoLogin(
            provider=request.provider,
            tenant_id=request.tenant_id,
            authorization_code=request.auth_code,
            redirect_uri=request.redirect_uri,
            state=request.state,
            iss=request.iss,
        ),
    )


async def sso_login(visit: Visit, request: SsoLogin) -> TokenAnswer:
    """Open a session for a program by a provider's code. Raises: as `service.finish`."""
    if not request.state:
        raise invalid_field(
            "state",
            "Field required",
            f"state is missing: begin at GET /v1/auth/sso/{request.provider}, which gives it.",
        )
    answer = Answer(
        state=request.state,
        code=request.authorization_code,
        issuer=request.iss,
        named=request.provider,
        redirect_uri=request.redirect_uri,
        tenant=None if request.tenant_id is None else request.tenant_id.strip().lower(),
    )
    arrival = await service.finish(visit, answer)
    if arrival.signed_in is None:
        raise stale()
    return login.answer(visit.house, arrival.signed_in)


async def begin_step_up(
    visit: Visit, errand: Errand, provider: str, wanted: Begin | None
) -> Redirect:
    """Tell a signed-in user's program where to prove themselves. Raises: as `stepping.depart`."""
    wish = Wish(web=False, redirect_uri=wanted.redirect_uri if wanted else None)
    return told(*await stepping.depart(visit, errand, provider, wish))


async def finish_step_up(visit: Visit, errand: Errand, request: LinkFinish) -> TokenAnswer:
    """Go on in the caller's session with the proof behind a code. Raises: as `service.finish`."""
    actor = errand.caller.actor
    answer = Answer(
        state=request.state,
        code=request.auth_code,
        issuer=request.iss,
        redirect_uri=request.redirect_uri,
        purpose="step_up",
        user_id=actor.id,
        session_id=actor.session_id,
    )
    arrival = await service.finish(visit, answer)
    if arrival.signed_in is None:
        raise stale()
    return login.answer(visit.house, arrival.signed_in)


async def finish_link(visit: Visit, errand: Errand, request: LinkFinish) -> LinkedIdentities:
    """Link the account behind a code with the caller's own. Raises: as `service.finish`."""
    user_id, _ = require_signed_in(errand.caller.actor)
    answer = Answer(
        state=request.state,
        code=request.auth_code,
        issuer=request.iss,
        redirect_uri=request.redirect_uri,
        purpose="link",
        user_id=user_id,
    )
    await service.finish(visit, answer)
    async with errand.scope() as scope:
        return await linking.list_own(scope)
