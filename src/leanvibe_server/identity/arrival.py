"""Arrival: the one way from a proof of who somebody is to a session.

Every sign-in ends here, whatever it began with, so that no way in goes around a policy.
"""

from leanvibe_server.identity.models import Proof, User
from leanvibe_server.identity.sessions import OpenedSession, open_session
from leanvibe_server.kernel.scope import Scope


async def arrive(scope: Scope, user: User, proof: Proof, *, kind: str) -> OpenedSession:
    """Open a session of `kind` for a user who gave `proof`, if the tenant's policy lets them in.

    The caller holds the user's row lock, and the scope's actor is the user.
    """
    return await open_session(scope, user, proof, kind=kind)
