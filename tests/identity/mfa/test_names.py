"""What people call their keys is one line that reads alike everywhere."""

import asyncpg
import httpx
import pytest

from tests.given import Organisation


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("Key\n\u202egnir", "Key gnir"),
        ("\u200b", "Security key or passkey"),
        (" My laptop ", "My laptop"),
    ],
)
async def test_a_key_has_a_name_that_shows_all_it_holds(
    client: httpx.AsyncClient, acme: Organisation, admin: asyncpg.Connection, given: str, kept: str
) -> None:
    body = {"method": "webauthn", "name": given}
    headers = await acme.headers(client, "developer")
    begun = await client.post("/v1/auth/mfa/setup", json=body, headers=headers)
    assert begun.status_code == 200, begun.text
    named = "SELECT label FROM mfa_factors WHERE tenant_id = $1"
    assert await admin.fetchval(named, acme.id) == kept
