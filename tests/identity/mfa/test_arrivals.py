"""The second factor behind an identity provider's word, and when somebody moves between tenants."""

from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest

from leanvibe_server.identity.federation import people
from leanvibe_server.identity.federation.models import SsoProvider
from leanvibe_server.identity.federation.people import Assertion
from leanvibe_server.identity.sessions import TOKEN
from leanvibe_server.kernel.errors import MfaRequired
from leanvibe_server.kernel.house import House
from tests.conftest import FakeClock
from tests.given import Organisation
from tests.identity.given_people import make_one_person, system_scope
from tests.identity.given_providers import add_provider, change_provider, link_identity
from tests.identity.given_sessions import bearer, set_policy, sign_in, status
from tests.identity.mfa.given_factors import enrol, post, totp_code


async def arrive_by(
    house: House, tenant: Organisation, provider: SsoProvider, **word: Any
) -> people.SignedIn:
    """Sign in with a provider's word about its subject."""
    word = {"subject": "subject-1", "email": f"ada@{uuid4().hex}.example"} | word
    assertion = Assertion(provider=provider, email_verified=True, **word)
    async with house.database.tenant(tenant.id) as conn:
        return await people.sign_in(system_scope(house, tenant, conn), assertion, kind=TOKEN)


async def test_a_provider_s_word_of_a_second_factor_counts_where_it_is_to_be_believed(
    house: House, acme: Organisation
) -> None:
    await set_policy(house, acme, mfa_required=True)
    doubtful = await add_provider(house, acme)
    with pytest.raises(MfaRequired):
        await arrive_by(house, acme, doubtful, amr=("pwd", "mfa"))
    trusted = await add_provider(house, acme, configuration={"settings": {"trust_mfa": True}})
    with pytest.raises(MfaRequired):
        await arrive_by(house, acme, trusted, amr=("pwd",))
    assert (await arrive_by(house, acme, trusted, amr=("pwd", "mfa"))).opened


async def test_a_waiting_sign_in_ends_with_its_provider(
    client: httpx.AsyncClient, house: House, acme: Organisation, clock: FakeClock
) -> None:
    secret = (await enrol(client, acme, clock, "developer"))["secret"]
    provider = await add_provider(house, acme)
    await link_identity(house, provider, acme.people["developer"].id)
    async with house.database.tenant(acme.id) as conn:
        subject = await conn.fetchval(
            "SELECT subject FROM federated_identities WHERE provider_id = $1", provider.id
        )
    tokens = []
    for _ in range(2):
        with pytest.raises(MfaRequired) as asked:
            await arrive_by(house, acme, provider, subject=subject)
        tokens.append(asked.value.details["mfa_token"])

    async def finish(token: str) -> httpx.Response:
        clock.advance(seconds=60)
        code = totp_code(secret, clock)
        return await post(client, "/auth/mfa/challenge", mfa_token=token, code=code)

    done = await finish(tokens[0])
    assert done.status_code == 200, done.text
    me = (await client.get("/v1/auth/me", headers=bearer(done.json()))).json()
    assert set(me["session"]["amr"]) == {"fed", "otp", "mfa"}
    await change_provider(house, provider, enabled=False)
    assert (await finish(tokens[1])).status_code == 401


async def test_a_factor_of_one_tenant_says_nothing_in_another(
    client: httpx.AsyncClient, house: House, acme: Organisation, globex: Organisation,
    clock: FakeClock, admin: asyncpg.Connection,
) -> None:  # fmt: skip
    await make_one_person(admin, acme.people["owner"], globex.people["owner"])
    secret = (await enrol(client, acme, clock))["secret"]
    here = await sign_in(client, acme, mfa_code=totp_code(secret, clock))
    await set_policy(house, globex, mfa_required=True)
    moving = await post(client, "/auth/switch-tenant", bearer(here), tenant_id=str(globex.id))
    assert (moving.status_code, moving.json()["error"]) == (401, "mfa_required")
    assert await status(client, here) == 200


async def test_a_session_that_moved_ends_where_a_factor_of_there_is_asked_for(
    client: httpx.AsyncClient, house: House, acme: Organisation, globex: Organisation,
    clock: FakeClock, admin: asyncpg.Connection,
) -> None:  # fmt: skip
    await make_one_person(admin, acme.people["owner"], globex.people["owner"])
    secret = (await enrol(client, acme, clock))["secret"]
    here = await sign_in(client, acme, mfa_code=totp_code(secret, clock))
    there = await post(client, "/auth/switch-tenant", bearer(here), tenant_id=str(globex.id))
    assert there.status_code == 200, there.text
    me = (await client.get("/v1/auth/me", headers=bearer(there.json()))).json()
    assert me["session"]["amr"] == ["pwd"]
    await set_policy(house, globex, mfa_required=True)
    assert await status(client, there.json()) == 401
