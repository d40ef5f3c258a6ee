"""Mail and the jobs behind it, for tests."""

import json
import re
from uuid import UUID

import asyncpg

from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.jobs import Work
from leanvibe_server.wiring import jobs
from tests.given import Organisation


async def work_off(house: House, admin: asyncpg.Connection, name: str) -> int:
    """Do the queued jobs of a name, as a worker would; how many there were."""
    queued = await admin.fetch("DELETE FROM pgqueuer WHERE entrypoint = $1 RETURNING payload", name)
    for row in queued:
        payload = json.loads(row["payload"])
        work = Work(house, UUID(payload.pop("tenant_id")), 0)
        await jobs().handlers[name](work, **payload)
    return len(queued)


async def letters_to(admin: asyncpg.Connection, address: str) -> list[tuple[str, str]]:
    """Subject and text of what was mailed to an address, oldest first."""
    rows = await admin.fetch(
        "SELECT subject, body FROM outgoing_mail WHERE recipient = $1 ORDER BY id", address
    )
    return [(row["subject"], row["body"]) for row in rows]


async def link_to(admin: asyncpg.Connection, address: str, page: str) -> str:
    """The token of the latest link to a page that was mailed to an address."""
    for _, text in reversed(await letters_to(admin, address)):
        found = re.search(rf"/{page}/(\w+)", text)
        if found is not None:
            return found[1]
    raise AssertionError(f"no letter to {address} leads to /{page}")


async def endings_told(
    admin: asyncpg.Connection, acme: Organisation, role: str = "owner"
) -> list[str]:
    """The subjects of the letters that something single sign-on rests on ends."""
    letters = await letters_to(admin, acme.people[role].email)
    return [subject for subject, _ in letters if " ends on " in subject]
