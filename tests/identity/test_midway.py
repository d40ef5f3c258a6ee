"""What ends on the way ends the way: every flow, with what is taken between its steps.

A change is made behind the back of the services, so that no tidying up of theirs helps: each step
must ask by itself whether it may still be taken.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import asyncpg
import httpx
import pytest

from leanvibe_server.identity.account.passwords import SEND_RESET
from leanvibe_server.identity.federation import service as providers
from leanvibe_server.kernel.house import House
from tests.conftest import FakeClock
from tests.given import PASSWORD, Organisation, organisation
from tests.identity.given_mail import link_to, work_off
from tests.identity.given_people import system_scope
from tests.identity.given_providers import link_identity
from tests.identity.given_sessions import bearer, set_policy, sign_in
from tests.identity.mfa.authenticator import Key
from tests.identity.mfa.given_factors import (
    add_email,
    begin,
    code_mailed_to,
    enrol,
    post,
    totp_code,
)
from tests.identity.mfa.test_webauthn import key_of
from tests.identity.oidc_world import make_world
from tests.identity.saml.documents import signed_response
from tests.identity.saml.provider import connect, deliver

NEW = "another horse battery staple"
TRACES = """
SELECT 'session', id::text FROM sessions WHERE tenant_id = $1
UNION SELECT 'factor', id::text FROM mfa_factors WHERE tenant_id = $1 AND verified_at IS NOT NULL
UNION SELECT 'code', id::text FROM mfa_sent_codes WHERE tenant_id = $1
UNION SELECT 'password', password_hash FROM users WHERE tenant_id = $1 AND password_hash IS NOT NULL
UNION SELECT 'address', email FROM users WHERE tenant_id = $1 AND email_verified_at IS NOT NULL
"""


@dataclass
class Way:
    """An organisation in which somebody, the developer, is on their way."""

    client: httpx.AsyncClient
    acme: Organisation
    clock: FakeClock
    admin: asyncpg.Connection

    @property
    def email(self) -> str:
        return self.acme.people["developer"].email

    async def sql(self, statement: str, *values: object) -> None:
        await self.admin.execute(statement, self.acme.id, *values)

    async def policy(self, **policy: Any) -> None:
        await set_policy(self.acme.house, self.acme, **policy)

    async def post(
        self, path: str, headers: dict[str, str] | None = None, **body: Any
    ) -> httpx.Response:
        return await post(self.client, path, headers, **body)

    async def traces(self) -> set[tuple[str, ...]]:
        """What a step that is taken leaves: sessions, factors, codes that are sent."""
        rows = await self.admin.fetch(TRACES, self.acme.id)
        return {tuple(row) for row in rows}


Step = Callable[[], Awaitable[httpx.Response]]
Flow = Callable[[Way], Awaitable[Step]]
Change = Callable[[Way], Awaitable[None]]


async def password_then_code(way: Way) -> Step:
    secret = (await enrol(way.client, way.acme, way.clock, "developer"))["secret"]
    token = (await begin(way.client, way.acme, "developer"))["mfa_token"]
    return lambda: way.post(
        "/auth/mfa/challenge", mfa_token=token, code=totp_code(secret, way.clock)
    )


async def password_then_letter(way: Way) -> Step:
    await add_email(way.client, way.admin, way.acme, "developer")
    token = (await begin(way.client, way.acme, "developer"))["mfa_token"]
    return lambda: way.post("/auth/mfa/challenge", mfa_token=token, method="email")


async def password_then_key(way: Way) -> Step:
    key = await key_of(way.client, way.acme, "developer")
    token = (await begin(way.client, way.acme, "developer"))["mfa_token"]
    asked = await way.post("/auth/mfa/challenge", mfa_token=token, method="webauthn")
    answer = key.get(asked.json()["options"])
    return lambda: way.post("/auth/mfa/challenge", mfa_token=token, credential=answer)


async def passkey(way: Way) -> Step:
    key = await key_of(way.client, way.acme, "developer")
    offer = (await way.post("/auth/passkeys/options")).json()
    answer = key.get(offer["options"])
    return lambda: way.post(
        "/auth/passkeys/login", passkey_token=offer["passkey_token"], credential=answer
    )


async def _waiting_to_enrol(way: Way) -> str:
    await way.policy(mfa_required=True)
    return str((await begin(way.client, way.acme, "developer"))["mfa_token"])


async def first_factor_begun(way: Way) -> Step:
    token = await _waiting_to_enrol(way)
    return lambda: way.post("/auth/mfa/setup", mfa_token=token, method="totp")


async def first_factor_confirmed(way: Way) -> Step:
    token = await _waiting_to_enrol(way)
    begun = (await way.post("/auth/mfa/setup", mfa_token=token, method="totp")).json()
    code = totp_code(begun["secret"], way.clock)
    return lambda: way.post("/auth/mfa/verify", mfa_token=token, method="totp", code=code)


async def app_added(way: Way) -> Step:
    me = bearer(await sign_in(way.client, way.acme, "developer"))
    begun = (await way.post("/auth/mfa/setup", me, method="totp")).json()
    code = totp_code(begun["secret"], way.clock)
    return lambda: way.post("/auth/mfa/verify", me, method="totp", code=code)


async def letters_added(way: Way) -> Step:
    me = bearer(await sign_in(way.client, way.acme, "developer"))
    await way.post("/auth/mfa/setup", me, method="email")
    code = await code_mailed_to(way.admin, way.email)
    return lambda: way.post("/auth/mfa/verify", me, method="email", code=code)


async def key_added(way: Way) -> Step:
    me = bearer(await sign_in(way.client, way.acme, "developer"))
    options = (await way.post("/auth/mfa/setup", me, method="webauthn")).json()["options"]
    answer = Key().create(options)
    return lambda: way.post("/auth/mfa/verify", me, method="webauthn", credential=answer)


async def step_up_by_key(way: Way) -> Step:
    key = await key_of(way.client, way.acme, "developer")
    token = (await begin(way.client, way.acme, "developer"))["mfa_token"]
    asked = await way.post("/auth/mfa/challenge", mfa_token=token, method="webauthn")
    answer = key.get(asked.json()["options"])
    done = await way.post("/auth/mfa/challenge", mfa_token=token, credential=answer)
    me = bearer(done.json())
    again = (await way.post("/auth/mfa/step-up", me, method="webauthn")).json()
    proof = key.get(again["options"], count=0)
    return lambda: way.post("/auth/step-up", me, credential=proof)


async def step_up_by_password(way: Way) -> Step:
    me = bearer(await sign_in(way.client, way.acme, "developer"))
    return lambda: way.post("/auth/step-up", me, password=PASSWORD)


async def refresh(way: Way) -> Step:
    held = await sign_in(way.client, way.acme, "developer")
    return lambda: way.post("/auth/refresh", refresh_token=held["refresh_token"])


async def password_reset(way: Way) -> Step:
    await way.post("/auth/password/forgot", email=way.email)
    await work_off(way.acme.house, way.admin, SEND_RESET)
    token = await link_to(way.admin, way.email, "reset")
    return lambda: way.post("/auth/password/reset", token=token, password=NEW)


async def address_changed(way: Way) -> Step:
    me = bearer(await sign_in(way.client, way.acme, "developer"))
    wanted = f"new-{way.email}"
    await way.post("/auth/email/change", me, new_email=wanted)
    token = await link_to(way.admin, wanted, "confirm-email")
    return lambda: way.post("/auth/email/confirm", token=token)


async def address_verified(way: Way) -> Step:
    await way.sql(
        "UPDATE users SET email_verified_at = NULL WHERE tenant_id = $1 AND email = $2", way.email
    )
    me = bearer(await sign_in(way.client, way.acme, "developer"))
    await way.post("/auth/verify-email/resend", me)
    token = await link_to(way.admin, way.email, "verify-email")
    return lambda: way.post("/auth/verify-email", token=token)


async def invitation(way: Way) -> Step:
    owner = await way.acme.headers(way.client)
    user = way.acme.people["developer"].id
    await way.sql(
        "UPDATE users SET status = 'invited', password_hash = NULL"
        " WHERE tenant_id = $1 AND id = $2",
        user,
    )
    invited = await way.post(f"/users/{user}/invitation", owner)
    assert invited.is_success, invited.text
    token = await link_to(way.admin, way.email, "invitations")
    return lambda: way.post("/auth/invitations/accept", token=token, password=NEW)


async def oidc(way: Way) -> Step:
    world = await make_world(way.client, way.acme)
    await link_identity(way.acme.house, world.provider, way.acme.people["developer"].id)
    back = await world.come_back()
    return lambda: world.finish(back)


async def oidc_then_code(way: Way) -> Step:
    secret = (await enrol(way.client, way.acme, way.clock, "developer"))["secret"]
    finish = await oidc(way)
    token = (await finish()).json()["details"]["mfa_token"]
    return lambda: way.post(
        "/auth/mfa/challenge", mfa_token=token, code=totp_code(secret, way.clock)
    )


async def oidc_then_letter(way: Way) -> Step:
    await add_email(way.client, way.admin, way.acme, "developer")
    finish = await oidc(way)
    token = (await finish()).json()["details"]["mfa_token"]
    return lambda: way.post("/auth/mfa/challenge", mfa_token=token, method="email")


async def oidc_then_refresh(way: Way) -> Step:
    finish = await oidc(way)
    held = (await finish()).json()
    return lambda: way.post("/auth/refresh", refresh_token=held["refresh_token"])


async def saml(way: Way) -> Step:
    corp = await connect(way.client, way.acme)
    flow = await corp.set_off()
    async with way.acme.house.database.tenant(way.acme.id) as conn:
        scope = system_scope(way.acme.house, way.acme, conn)
        provider = await providers.require_provider(scope, corp.provider_id)
    developer = way.acme.people["developer"].id
    await link_identity(way.acme.house, provider, developer, subject=corp.email)
    document = signed_response(flow.facts())
    return lambda: deliver(way.client, flow, document)


async def disable_the_user(way: Way) -> None:
    await way.sql(
        "UPDATE users SET status = 'disabled' WHERE tenant_id = $1 AND email = $2", way.email
    )


async def suspend(way: Way) -> None:
    await way.sql("UPDATE tenants SET status = 'suspended' WHERE id = $1")


async def lose_the_plan(way: Way) -> None:
    await way.sql("UPDATE tenants SET plan = 'developer' WHERE id = $1")


async def disable_the_provider(way: Way) -> None:
    await way.sql("UPDATE sso_providers SET enabled = false WHERE tenant_id = $1")


async def remove_the_factors(way: Way) -> None:
    await way.sql("DELETE FROM mfa_factors WHERE tenant_id = $1")


async def end_the_sessions(way: Way) -> None:
    await way.sql("UPDATE sessions SET ended_at = now() WHERE tenant_id = $1")


async def shut_the_network(way: Way) -> None:
    await way.policy(allowed_networks=["203.0.113.0/24"])


async def ask_for_a_provider(way: Way) -> None:
    await way.policy(sso_required=True)


async def allow_no_such_factor(way: Way) -> None:
    await way.policy(mfa_methods=["sms"])


BY_PASSWORD = (password_then_code, password_then_letter, password_then_key)
ENROLLING = (first_factor_begun, first_factor_confirmed)
ADDING = (app_added, letters_added, key_added)
STEPPING_UP = (step_up_by_key, step_up_by_password)
BY_LINK = (password_reset, address_changed, address_verified, invitation)
BY_PROVIDER = (oidc, oidc_then_code, oidc_then_letter, saml)
SIGNING_IN = (*BY_PASSWORD, passkey, *ENROLLING)
IN_A_SESSION = (*ADDING, *STEPPING_UP, refresh)
EVERY = (*SIGNING_IN, *IN_A_SESSION, *BY_LINK, *BY_PROVIDER, oidc_then_refresh)

ENDINGS: list[tuple[Change, tuple[Flow, ...]]] = [
    (disable_the_user, EVERY),
    (suspend, (invitation,)),
    (lose_the_plan, BY_PROVIDER),
    (disable_the_provider, (*BY_PROVIDER, oidc_then_refresh)),
    (remove_the_factors, (*BY_PASSWORD, passkey, step_up_by_key)),
    (allow_no_such_factor, (*BY_PASSWORD, passkey, *ENROLLING, *ADDING)),
    (end_the_sessions, (*IN_A_SESSION, oidc_then_refresh)),
    (shut_the_network, (*SIGNING_IN, *IN_A_SESSION, *BY_PROVIDER, oidc_then_refresh)),
    (ask_for_a_provider, (*SIGNING_IN, *IN_A_SESSION)),
]


@pytest.fixture
async def way(
    house: House, client: httpx.AsyncClient, clock: FakeClock, admin: asyncpg.Connection
) -> Way:
    corp = await organisation(house, plan="enterprise", name="Acme", roles=("owner", "developer"))
    return Way(client, corp, clock, admin)


@pytest.mark.parametrize("flow", EVERY)
async def test_a_way_leads_on_while_nothing_ends(way: Way, flow: Flow) -> None:
    answer = await (await flow(way))()
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(
    ("change", "flow"), [(change, flow) for change, flows in ENDINGS for flow in flows]
)
async def test_what_ends_on_the_way_ends_the_way(way: Way, flow: Flow, change: Change) -> None:
    last_step = await flow(way)
    before = await way.traces()
    await change(way)
    answer = await last_step()
    assert answer.status_code in (400, 401, 403, 404), answer.text
    assert await way.traces() <= before
