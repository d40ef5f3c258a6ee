"""What people call their keys is one line that reads alike everywhere."""

from typing import Any

import asyncpg
import httpx
import pytest

from tests.conftest import FakeClock
from tests.given import Organisation
from tests.identity.given_sessions import bearer, names_of_events
from tests.identity.mfa.given_factors import code_mailed_to, enrol, post


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


async def rename(
    client: httpx.AsyncClient, headers: dict[str, str], factor: dict[str, Any], name: str
) -> httpx.Response:
    return await client.patch(f"/v1/auth/mfa/{factor['id']}", json={"name": name}, headers=headers)


async def test_a_factor_is_given_another_name_by_its_owner_alone(
    client: httpx.AsyncClient, acme: Organisation, admin: asyncpg.Connection, clock: FakeClock
) -> None:
    headers = bearer(await enrol(client, acme, clock, "developer"))
    (factor,) = (await client.get("/v1/auth/mfa", headers=headers)).json()["data"]
    renamed = await rename(client, headers, factor, " My\u202etelephone ")
    assert renamed.status_code == 200, renamed.text
    assert renamed.json() == factor | {"name": "My telephone"}
    (listed,) = (await client.get("/v1/auth/mfa", headers=headers)).json()["data"]
    assert listed["name"] == "My telephone"
    for name in ("", "\u200b", "x" * 61):
        assert (await rename(client, headers, factor, name)).status_code == 400
    owner = await acme.headers(client, "owner")
    assert (await rename(client, owner, factor, "Mine")).status_code == 404
    assert (await names_of_events(admin, acme)).count("mfa.factor_renamed") == 1


async def test_codes_that_are_sent_keep_the_name_of_where_they_go(
    client: httpx.AsyncClient, acme: Organisation, admin: asyncpg.Connection
) -> None:
    headers = await acme.headers(client, "developer")
    await post(client, "/auth/mfa/setup", headers, method="email")
    code = await code_mailed_to(admin, acme.people["developer"].email)
    done = await post(client, "/auth/mfa/verify", headers, method="email", code=code)
    assert done.status_code == 200, done.text
    listed = (await client.get("/v1/auth/mfa", headers=headers)).json()["data"]
    (mail,) = [one for one in listed if one["method"] == "email"]
    refused = await rename(client, headers, mail, "Elsewhere")
    assert refused.status_code == 409
    assert refused.json()["details"] == {"reason": "named_by_address"}
