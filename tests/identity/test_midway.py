"""What ends on the way ends the way: every flow, with what is taken between its steps.

A change is made behind the back of the services, so that no tidying up of theirs helps: each step
must ask by itself whether it may still be taken.
"""

from collections.abc import Awaitable, Callable

import asyncpg
import httpx
import pytest

from leanvibe_server.kernel.house import House
from tests.conftest import FakeClock
from tests.given import organisation
from tests.identity import given_ways as ways
from tests.identity.given_ways import Flow, Way

Change = Callable[[Way], Awaitable[None]]


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


async def allow_another_factor_only(way: Way) -> None:
    await way.policy(mfa_methods=["sms"])


async def allow_no_texts(way: Way) -> None:
    await way.policy(mfa_methods=["totp"])


async def schedule_the_deletion(way: Way) -> None:
    await way.sql(
        "UPDATE tenants SET status = 'deleting', deletes_at = now() + interval '10 years'"
        " WHERE id = $1"
    )


async def disable_the_owner(way: Way) -> None:
    await way.sql("UPDATE users SET status = 'disabled' WHERE tenant_id = $1 AND role = 'owner'")


async def take_the_owners_role(way: Way) -> None:
    await way.sql("UPDATE users SET role = 'viewer' WHERE tenant_id = $1 AND role = 'owner'")


async def disable_the_program(way: Way) -> None:
    await way.sql("UPDATE users SET status = 'disabled' WHERE tenant_id = $1 AND kind = 'service'")


async def end_the_program(way: Way) -> None:
    await way.sql(
        "UPDATE users SET expires_at = '2020-01-01' WHERE tenant_id = $1 AND kind = 'service'"
    )


async def revoke_the_client(way: Way) -> None:
    await way.sql("UPDATE oauth_clients SET revoked_at = now() WHERE tenant_id = $1")


async def take_the_programs_role(way: Way) -> None:
    await way.sql("UPDATE users SET role = 'guest' WHERE tenant_id = $1 AND kind = 'service'")


async def revoke_the_provisioner(way: Way) -> None:
    await way.sql("UPDATE scim_tokens SET revoked_at = now() WHERE tenant_id = $1")


async def be_reset_by_the_owner(way: Way) -> None:
    """Behind nobody's back: this is the recovery itself."""
    await (await ways.reset_by_the_owner(way))()


BY_MAIL = (ways.password_then_letter, ways.password_then_code_by_mail)
BY_TEXT = (ways.password_then_text, ways.password_then_code_by_text)
# A backup code stands in for a factor that counts no more, so a stricter policy shuts nobody out.
BY_FACTOR = (ways.password_then_code, *BY_MAIL, ways.password_then_key, ways.passkey)
BY_PASSWORD = (*BY_FACTOR, ways.password_then_backup_code)
ENROLLING = (
    ways.first_factor_begun,
    ways.first_factor_confirmed,
    ways.first_factor_mailed,
    ways.first_factor_by_mail,
)
ENROLLING_TEXT = (ways.first_factor_texted, ways.first_factor_by_text)
ADDING = (ways.app_added, ways.letters_added, ways.key_added)
ADDING_TEXT = (ways.texts_begun, ways.texts_added)
STEPPING_UP = (ways.step_up_by_key, ways.step_up_by_password)
BY_LINK = (ways.password_reset, ways.address_changed, ways.address_verified, ways.invitation)
BY_PROVIDER = (ways.oidc, ways.oidc_then_code, ways.oidc_then_letter, ways.saml)
SIGNING_IN = (*BY_PASSWORD, *BY_TEXT, *ENROLLING, *ENROLLING_TEXT)
IN_A_SESSION = (*ADDING, *ADDING_TEXT, *STEPPING_UP, ways.refresh)
OF_THE_USER = (*SIGNING_IN, *IN_A_SESSION, *BY_LINK, *BY_PROVIDER, ways.oidc_then_refresh)
OF_THE_OWNER = (ways.reset_by_the_owner, ways.handover)
BY_PROGRAM = (ways.program_asks, ways.program_reads, ways.program_writes)
PROVISIONING = (ways.provisioner_reads, ways.provisioner_writes)
CHANGING = (ways.invitation, ways.handover, ways.program_writes, ways.provisioner_writes)
EVERY = (*OF_THE_USER, *OF_THE_OWNER, *BY_PROGRAM, *PROVISIONING)

ENDINGS: list[tuple[Change, tuple[Flow, ...]]] = [
    (disable_the_user, (*OF_THE_USER, ways.handover)),
    (suspend, (*CHANGING, ways.reset_by_the_owner)),
    (schedule_the_deletion, (*CHANGING, ways.reset_by_the_owner)),
    (lose_the_plan, (*BY_PROVIDER, *PROVISIONING)),
    (disable_the_provider, (*BY_PROVIDER, ways.oidc_then_refresh)),
    (remove_the_factors, (*BY_PASSWORD, *BY_TEXT, ways.step_up_by_key)),
    (be_reset_by_the_owner, (*BY_PASSWORD, *BY_TEXT, *IN_A_SESSION)),
    (allow_another_factor_only, (*BY_FACTOR, *ENROLLING, *ADDING)),
    (allow_no_texts, (*BY_TEXT, *ENROLLING_TEXT, *ADDING_TEXT)),
    (end_the_sessions, (*IN_A_SESSION, ways.oidc_then_refresh, *OF_THE_OWNER)),
    (shut_the_network, tuple(flow for flow in EVERY if flow not in BY_LINK)),
    (ask_for_a_provider, (*SIGNING_IN, *IN_A_SESSION)),
    (disable_the_owner, OF_THE_OWNER),
    (take_the_owners_role, OF_THE_OWNER),
    (disable_the_program, BY_PROGRAM),
    (end_the_program, BY_PROGRAM),
    (revoke_the_client, BY_PROGRAM),
    (take_the_programs_role, (ways.program_reads, ways.program_writes)),
    (revoke_the_provisioner, PROVISIONING),
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
    assert answer.status_code in (200, 201), answer.text


@pytest.mark.parametrize(
    ("change", "flow"), [(change, flow) for change, flows in ENDINGS for flow in flows]
)
async def test_what_ends_on_the_way_ends_the_way(way: Way, flow: Flow, change: Change) -> None:
    last_step = await flow(way)
    await change(way)
    before = await way.traces()
    answer = await last_step()
    assert answer.status_code in (400, 401, 403, 404, 409), answer.text
    assert await way.traces() <= before
