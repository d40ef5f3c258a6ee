"""Flows of several steps, each gone but for its last step."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import asyncpg
import httpx

from leanvibe_server.identity.account.passwords import SEND_RESET
from leanvibe_server.identity.federation import service as providers
from leanvibe_server.kernel.sealing import unseal_for
from tests.conftest import FakeClock
from tests.given import PASSWORD, Organisation
from tests.identity.given_mail import link_to, work_off
from tests.identity.given_people import system_scope
from tests.identity.given_providers import link_identity
from tests.identity.given_scim import add_scim_token, person
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
from tests.identity.test_service_accounts import ask, by, granted, make_account, make_client

NEW = "another horse battery staple"
TRACES = """
SELECT 'session', id::text FROM sessions WHERE tenant_id = $1
UNION SELECT 'factor', id::text FROM mfa_factors WHERE tenant_id = $1 AND verified_at IS NOT NULL
UNION SELECT 'code', id::text FROM mfa_sent_codes WHERE tenant_id = $1
UNION SELECT 'password', password_hash FROM users WHERE tenant_id = $1 AND password_hash IS NOT NULL
UNION SELECT 'address', email FROM users WHERE tenant_id = $1 AND email_verified_at IS NOT NULL
UNION SELECT 'message', id::text FROM outgoing_sms WHERE tenant_id = $1
UNION SELECT 'role', id || role FROM users WHERE tenant_id = $1
UNION SELECT 'token', id::text FROM oauth_tokens WHERE tenant_id = $1
UNION SELECT 'project', id::text FROM projects WHERE tenant_id = $1
"""
LATEST_SMS = (
    "SELECT id, body_sealed FROM outgoing_sms WHERE tenant_id = $1 ORDER BY id DESC LIMIT 1"
)


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

    @property
    def number(self) -> str:
        """A mobile number nobody else has."""
        return f"+1415{self.acme.id.int % 10**7:07}"

    async def owner(self) -> dict[str, str]:
        return await self.acme.headers(self.client)

    async def developer(self) -> dict[str, str]:
        return await self.acme.headers(self.client, "developer")

    async def code_texted(self) -> str:
        """The code in the latest text message of the organisation."""
        row = await self.admin.fetchrow(LATEST_SMS, self.acme.id)
        place = ("outgoing_sms", "body_sealed", row["id"])
        text = await unseal_for(self.acme.house, self.acme.id, row["body_sealed"], place=place)
        return re.findall(r"\b[0-9]{6}\b", text.decode())[0]

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


async def password_then_code_by_mail(way: Way) -> Step:
    await add_email(way.client, way.admin, way.acme, "developer")
    token = (await begin(way.client, way.acme, "developer"))["mfa_token"]
    await way.post("/auth/mfa/challenge", mfa_token=token, method="email")
    code = await code_mailed_to(way.admin, way.email)
    return lambda: way.post("/auth/mfa/challenge", mfa_token=token, method="email", code=code)


async def _with_texts(way: Way) -> str:
    confirm = await texts_added(way)
    assert (await confirm()).status_code == 200
    return str((await begin(way.client, way.acme, "developer"))["mfa_token"])


async def password_then_text(way: Way) -> Step:
    token = await _with_texts(way)
    return lambda: way.post("/auth/mfa/challenge", mfa_token=token, method="sms")


async def password_then_code_by_text(way: Way) -> Step:
    token = await _with_texts(way)
    await way.post("/auth/mfa/challenge", mfa_token=token, method="sms")
    code = await way.code_texted()
    return lambda: way.post("/auth/mfa/challenge", mfa_token=token, method="sms", code=code)


async def password_then_backup_code(way: Way) -> Step:
    codes = (await enrol(way.client, way.acme, way.clock, "developer"))["backup_codes"]
    token = (await begin(way.client, way.acme, "developer"))["mfa_token"]
    return lambda: way.post("/auth/mfa/challenge", mfa_token=token, code=codes[0])


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


async def first_factor_mailed(way: Way) -> Step:
    token = await _waiting_to_enrol(way)
    return lambda: way.post("/auth/mfa/setup", mfa_token=token, method="email")


async def first_factor_by_mail(way: Way) -> Step:
    token = await _waiting_to_enrol(way)
    await way.post("/auth/mfa/setup", mfa_token=token, method="email")
    code = await code_mailed_to(way.admin, way.email)
    return lambda: way.post("/auth/mfa/verify", mfa_token=token, method="email", code=code)


async def first_factor_texted(way: Way) -> Step:
    token = await _waiting_to_enrol(way)
    return lambda: way.post("/auth/mfa/setup", mfa_token=token, method="sms", phone=way.number)


async def first_factor_by_text(way: Way) -> Step:
    token = await _waiting_to_enrol(way)
    await way.post("/auth/mfa/setup", mfa_token=token, method="sms", phone=way.number)
    code = await way.code_texted()
    return lambda: way.post("/auth/mfa/verify", mfa_token=token, method="sms", code=code)


async def app_added(way: Way) -> Step:
    me = await way.developer()
    begun = (await way.post("/auth/mfa/setup", me, method="totp")).json()
    code = totp_code(begun["secret"], way.clock)
    return lambda: way.post("/auth/mfa/verify", me, method="totp", code=code)


async def letters_added(way: Way) -> Step:
    me = await way.developer()
    await way.post("/auth/mfa/setup", me, method="email")
    code = await code_mailed_to(way.admin, way.email)
    return lambda: way.post("/auth/mfa/verify", me, method="email", code=code)


async def texts_begun(way: Way) -> Step:
    me = await way.developer()
    return lambda: way.post("/auth/mfa/setup", me, method="sms", phone=way.number)


async def texts_added(way: Way) -> Step:
    me = await way.developer()
    await way.post("/auth/mfa/setup", me, method="sms", phone=way.number)
    code = await way.code_texted()
    return lambda: way.post("/auth/mfa/verify", me, method="sms", code=code)


async def key_added(way: Way) -> Step:
    me = await way.developer()
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
    me = await way.developer()
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
    me = await way.developer()
    wanted = f"new-{way.email}"
    await way.post("/auth/email/change", me, new_email=wanted)
    token = await link_to(way.admin, wanted, "confirm-email")
    return lambda: way.post("/auth/email/confirm", token=token)


async def address_verified(way: Way) -> Step:
    await way.sql(
        "UPDATE users SET email_verified_at = NULL WHERE tenant_id = $1 AND email = $2", way.email
    )
    me = await way.developer()
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


async def reset_by_the_owner(way: Way) -> Step:
    owner, lost = await way.owner(), way.acme.people["developer"].id
    return lambda: way.post(f"/users/{lost}/mfa/reset", owner)


async def handover(way: Way) -> Step:
    owner, heir = await way.owner(), str(way.acme.people["developer"].id)
    return lambda: way.post("/tenants/me/ownership", owner, user_id=heir, keep_role="admin")


async def _program(way: Way) -> dict[str, Any]:
    owner = await way.owner()
    account = await make_account(way.client, owner, role="admin")
    return await make_client(way.client, owner, account["id"])


async def program_asks(way: Way) -> Step:
    made = await _program(way)
    return lambda: ask(way.client, made)


async def program_reads(way: Way) -> Step:
    held = by(await granted(way.client, await _program(way)))
    return lambda: way.client.get("/v1/users", headers=held)


async def program_writes(way: Way) -> Step:
    held = by(await granted(way.client, await _program(way)))
    return lambda: way.post("/projects", held, name="Made by a program")


async def _provisioner(way: Way) -> tuple[str, dict[str, str]]:
    token = (await add_scim_token(way.acme)).token
    return f"/scim/v2/{way.acme.tenant.slug}/Users", by(token)


async def provisioner_reads(way: Way) -> Step:
    people, held = await _provisioner(way)
    return lambda: way.client.get(people, headers=held)


async def provisioner_writes(way: Way) -> Step:
    people, held = await _provisioner(way)
    return lambda: way.client.post(people, headers=held, json=person())
