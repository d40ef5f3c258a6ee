"""What nobody will ask for again is forgotten: personal data is not kept for its own sake."""

from datetime import timedelta

from leanvibe_server.identity.federation import repository as federation
from leanvibe_server.identity.mfa import repository as mfa
from leanvibe_server.identity.oauth import repository as oauth
from leanvibe_server.identity.oidc import repository as oidc
from leanvibe_server.identity.repository import account, sessions, sign_in
from leanvibe_server.kernel.db import Connection
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.platform import sweep_regions

# Ended sessions hold addresses and browsers; the log tells what happened for as long as it is
# kept itself.
KEEP_SESSIONS = timedelta(days=30)
KEEP_FAILURES = timedelta(days=2)
# The log tells that a token was given.
KEEP_TOKENS = timedelta(days=1)


async def sweep(house: House) -> None:
    """Remove sessions that ended a month ago, failed sign-ins of days past, dead links and
    second factors that nobody confirmed."""
    now = house.clock.now()

    async def sweep_region(conn: Connection) -> None:
        await sessions.sweep_sessions(conn, before=now - KEEP_SESSIONS)
        await oauth.sweep_tokens(conn, before=now - KEEP_TOKENS)
        await sign_in.sweep_throttles(conn, before=now - KEEP_FAILURES)
        await account.sweep_links(conn, before=now)
        await oidc.sweep(conn, now=now)
        await federation.sweep_reminders(conn, now=now)
        await mfa.sweep(conn, before=now)

    await sweep_regions(house.database, sweep_region)
