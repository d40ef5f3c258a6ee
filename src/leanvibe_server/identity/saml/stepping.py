"""Proving once more who one is by a SAML provider: what a program brings, and the form that waited.

Source: SAML 2.0 Core, section 3.4.1 (ForceAuthn) and 2.7.2 (AuthnInstant).
"""

from leanvibe_server.identity import opaque
from leanvibe_server.identity.login import answer
from leanvibe_server.identity.saml import repository as rows
from leanvibe_server.identity.saml import sign_in
from leanvibe_server.identity.saml.schemas import SamlStepUp
from leanvibe_server.identity.schemas import TokenAnswer
from leanvibe_server.kernel.access import Errand
from leanvibe_server.kernel.crypto import hash_token
from leanvibe_server.kernel.request import Visit
from leanvibe_server.kernel.scope import Scope


async def finish(visit: Visit, errand: Errand, request: SamlStepUp) -> TokenAnswer:
    """Go on in the caller's session with the proof of a response. Raises: as `receive_own`."""
    proved = await sign_in.receive_own(
        visit,
        errand.tenant_id,
        errand.caller.actor,
        response=request.saml_response,
        relay_state=request.state,
    )
    return answer(errand.house, proved)


async def take_ticket(scope: Scope, handle: str) -> str | None:
    """The form of the caller that waited for the answer to a request, sealed; given out once."""
    if scope.actor.id is None or opaque.tenant_of_token(handle) != scope.tenant_id:
        return None
    return await rows.take_ticket(
        scope.conn, scope.tenant_id, hash_token(handle), user_id=scope.actor.id
    )
