"""From a provider's word to a user: made, found, linked, or refused."""

import asyncio
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest

from leanvibe_server.entitlements.errors import QuotaExceeded
from leanvibe_server.identity.federation import people
from leanvibe_server.identity.federation.models import SsoProvider
from leanvibe_server.identity.federation.people import Assertion
from leanvibe_server.identity.models import User
from leanvibe_server.identity.sessions import TOKEN
from leanvibe_server.kernel.errors import Forbidden, InvalidRequest, TenantSuspended
from leanvibe_server.kernel.house import House
from tests.conftest import FakeClock
from tests.given import Organisation, organisation
from tests.identity.given_people import add_person, system_scope
from tests.identity.given_providers import add_provider, change_provider, verify_domain


def fresh_domain() -> str:
    return f"{uuid4().hex[:10]}.example"


def word_of(provider: SsoProvider, **fields: Any) -> Assertion:
    values: dict[str, Any] = {
        "provider": provider,
        "subject": "subject-1",
        "email": f"ada@{fresh_domain()}",
        "email_verified": True,
        "name": "Ada",
    } | fields
    return Assertion(**values)


async def enter(house: House, tenant: Organisation, assertion: Assertion) -> User:
    async with house.database.tenant(tenant.id) as conn:
        scope = system_scope(house, tenant, conn)
        return (await people.sign_in(scope, assertion, kind=TOKEN)).user


async def test_a_newcomer_gets_an_account_with_the_default_role(
    house: House, acme: Organisation, admin: asyncpg.Connection
) -> None:
    provider = await add_provider(house, acme, default_role="viewer")
    assertion = word_of(provider)
    user = await enter(house, acme, assertion)
    assert (user.email, user.username, user.role) == (assertion.email, "Ada", "viewer")
    assert (user.status, user.email_verified_at) == ("active", None)
    again = await enter(house, acme, assertion)
    assert again.id == user.id
    names = await admin.fetch(
        "SELECT name FROM events WHERE tenant_id = $1 AND payload->>'user_id' = $2 ORDER BY id",
        acme.id,
        str(user.id),
    )
    assert [row["name"] for row in names] == [
        "user.created",
        "identity.linked",
        "user.login",
        "user.login",
    ]


async def test_sec_oauth_oidc_rp_10_an_unverified_address_opens_no_account_that_is_there(
    house: House, acme: Organisation, admin: asyncpg.Connection
) -> None:
    domain = fresh_domain()
    await verify_domain(house, acme, domain)
    local = await add_person(house, acme, email=f"bob@{domain}", role="developer")
    provider = await add_provider(house, acme)
    for verified in (False,):
        with pytest.raises(Forbidden, match="link the provider") as refused:
            await enter(house, acme, word_of(provider, email=local.email, email_verified=verified))
        assert refused.value.details["reason"] == "linking_required"
    assert not await admin.fetchval(
        "SELECT count(*) FROM federated_identities WHERE user_id = $1", local.id
    )
    assert not await admin.fetchval("SELECT count(*) FROM sessions WHERE user_id = $1", local.id)
    vouched = await enter(house, acme, word_of(provider, email=local.email.upper()))
    assert vouched.id == local.id


async def test_sec_oauth_oidc_rp_11_a_provider_speaks_for_no_domain_its_tenant_has_not_proved(
    house: House, acme: Organisation
) -> None:
    domain = fresh_domain()
    local = await add_person(house, acme, email=f"bob@{domain}", role="developer")
    provider = await add_provider(house, acme)
    with pytest.raises(Forbidden, match="link the provider"):
        await enter(house, acme, word_of(provider, email=local.email))


async def test_sec_oauth_oidc_rp_11_a_newcomer_joins_no_account_of_another_tenant(
    house: House, acme: Organisation
) -> None:
    other = await organisation(house, plan="enterprise", name="Victim", roles=("owner",))
    victim = other.people["owner"]
    await verify_domain(house, acme, victim.email.partition("@")[2])
    provider = await add_provider(house, acme)
    newcomer = await enter(house, acme, word_of(provider, email=victim.email))
    async with house.database.tenant(other.id) as conn:
        account_id = await conn.fetchval("SELECT account_id FROM users WHERE id = $1", victim.id)
    assert newcomer.account_id != account_id
    assert newcomer.tenant_id == acme.id


async def test_an_admin_s_provider_opens_no_owner_s_account_by_itself(
    house: House, acme: Organisation
) -> None:
    owner = acme.people["owner"]
    await verify_domain(house, acme, owner.email.partition("@")[2])
    by_admin = await add_provider(house, acme, configuration={"ceiling": "admin"})
    with pytest.raises(Forbidden, match="link the provider"):
        await enter(house, acme, word_of(by_admin, email=owner.email))
    by_owner = await add_provider(house, acme, configuration={"ceiling": "owner"})
    assert (await enter(house, acme, word_of(by_owner, email=owner.email))).id == owner.id


async def test_a_disabled_user_does_not_get_in_by_a_provider(
    house: House, client: httpx.AsyncClient, acme: Organisation
) -> None:
    provider = await add_provider(house, acme)
    assertion = word_of(provider)
    user = await enter(house, acme, assertion)
    headers = await acme.headers(client)
    path = f"/v1/users/{user.id}"
    assert (await client.patch(path, json={"status": "disabled"}, headers=headers)).is_success
    with pytest.raises(Forbidden, match="disabled"):
        await enter(house, acme, assertion)
    assert (await client.patch(path, json={"status": "active"}, headers=headers)).is_success
    assert (await enter(house, acme, assertion)).status == "active"


async def test_access_that_has_ended_stays_ended(
    house: House, acme: Organisation, clock: FakeClock
) -> None:
    provider = await add_provider(house, acme, default_role="guest")
    assertion = word_of(provider)
    assert (await enter(house, acme, assertion)).expires_at is not None
    clock.advance(days=31)
    with pytest.raises(Forbidden, match="has ended"):
        await enter(house, acme, assertion)


@pytest.mark.parametrize(
    ("groups", "role"),
    [
        (("leads",), "manager"),
        (("staff", "leads"), "manager"),
        (("Leads",), "viewer"),
        (("leads-old",), "viewer"),
        ((), "viewer"),
    ],
)
async def test_groups_give_roles_by_exact_names(
    house: House, acme: Organisation, groups: tuple[str, ...], role: str
) -> None:
    rules = [{"claim": "groups", "value": "leads", "role": "manager"}]
    provider = await add_provider(house, acme, default_role="viewer", role_mapping={"rules": rules})
    assert (await enter(house, acme, word_of(provider, groups=groups))).role == role


async def test_a_mapped_role_follows_the_provider_and_an_unmapped_one_stays(
    house: House, acme: Organisation
) -> None:
    rules = [{"claim": "department", "value": "it", "role": "admin"}]
    provider = await add_provider(house, acme, role_mapping={"rules": rules})
    email = f"eve@{fresh_domain()}"
    in_it = word_of(provider, email=email, attributes={"department": ("it",)})
    assert (await enter(house, acme, in_it)).role == "admin"
    moved = word_of(provider, email=email, attributes={"department": ("sales",)})
    assert (await enter(house, acme, moved)).role == "developer"
    await change_provider(house, provider, role_mapping={}, default_role="viewer")
    assert (await enter(house, acme, in_it)).role == "developer"


@pytest.mark.parametrize("role", ["owner", "platform_admin", "nonsense"])
async def test_no_rule_gives_a_role_that_rules_the_tenant(
    house: House, acme: Organisation, role: str
) -> None:
    rules = [{"claim": "groups", "value": "all", "role": role}]
    provider = await add_provider(house, acme, role_mapping={"rules": rules})
    assert (await enter(house, acme, word_of(provider, groups=("all",)))).role == "guest"


async def test_an_owner_stays_owner_whatever_the_provider_says(
    house: House, acme: Organisation
) -> None:
    owner = acme.people["owner"]
    await verify_domain(house, acme, owner.email.partition("@")[2])
    rules = [{"claim": "groups", "value": "all", "role": "guest"}]
    provider = await add_provider(house, acme, role_mapping={"rules": rules})
    assertion = word_of(provider, email=owner.email, groups=("all",))
    assert (await enter(house, acme, assertion)).role == "owner"


async def test_a_provider_turned_off_in_the_middle_lets_nobody_in(
    house: House, acme: Organisation
) -> None:
    provider = await add_provider(house, acme)
    await change_provider(house, provider, enabled=False)
    with pytest.raises(InvalidRequest, match="turned off"):
        await enter(house, acme, word_of(provider))


async def test_a_plan_without_single_sign_on_lets_nobody_in_by_it(
    house: House, globex: Organisation
) -> None:
    provider = await add_provider(house, globex)
    with pytest.raises(Forbidden, match="not part of the plan"):
        await enter(house, globex, word_of(provider))


async def test_two_first_sign_ins_at_once_make_one_user(
    house: House, acme: Organisation, admin: asyncpg.Connection
) -> None:
    provider = await add_provider(house, acme)
    assertion = word_of(provider)
    first, second = await asyncio.gather(
        enter(house, acme, assertion), enter(house, acme, assertion)
    )
    assert first.id == second.id
    assert (
        await admin.fetchval(
            "SELECT count(*) FROM users WHERE tenant_id = $1 AND email = $2",
            acme.id,
            assertion.email,
        )
        == 1
    )


async def test_two_subjects_with_one_new_address_are_not_made_one(
    house: House, acme: Organisation
) -> None:
    provider = await add_provider(house, acme)
    email = f"twin@{fresh_domain()}"
    results = await asyncio.gather(
        enter(house, acme, word_of(provider, subject="one", email=email)),
        enter(house, acme, word_of(provider, subject="two", email=email)),
        return_exceptions=True,
    )
    assert sorted(type(result).__name__ for result in results) == ["Forbidden", "User"]


async def test_newcomers_stop_at_the_room_of_the_plan(house: House) -> None:
    team = await organisation(house, plan="team", name="Team")
    provider = await add_provider(house, team)
    room = 10 - len(team.people)
    for number in range(room):
        await enter(house, team, word_of(provider, subject=f"s{number}"))
    with pytest.raises(QuotaExceeded):
        await enter(house, team, word_of(provider, subject="one too many"))


async def test_an_address_is_needed_of_a_newcomer_only(house: House, acme: Organisation) -> None:
    provider = await add_provider(house, acme)
    with pytest.raises(InvalidRequest, match="e-mail"):
        await enter(house, acme, word_of(provider, email=None))
    user = await enter(house, acme, word_of(provider))
    silent = await enter(house, acme, word_of(provider, email=None))
    assert silent.id == user.id


async def test_a_suspended_organisation_gets_nobody_new_and_lets_in_those_it_has(
    house: House, acme: Organisation, admin: asyncpg.Connection
) -> None:
    provider = await add_provider(house, acme)
    known = word_of(provider)
    user = await enter(house, acme, known)
    await admin.execute("UPDATE tenants SET status = 'suspended' WHERE id = $1", acme.id)
    assert (await enter(house, acme, known)).id == user.id
    with pytest.raises(TenantSuspended):
        await enter(house, acme, word_of(provider, subject="subject-2"))
    there = "SELECT count(*) FROM federated_identities WHERE tenant_id = $1"
    assert await admin.fetchval(there, acme.id) == 1


async def test_an_address_that_was_given_to_somebody_else_opens_no_account(
    house: House, acme: Organisation, clock: FakeClock, admin: asyncpg.Connection
) -> None:
    domain = fresh_domain()
    await verify_domain(house, acme, domain)
    provider = await add_provider(house, acme)
    bob = await enter(house, acme, word_of(provider, subject="bob", email=f"bob@{domain}"))
    clock.advance(days=90)
    successor = word_of(provider, subject="new-bob", email=f"bob@{domain}")
    with pytest.raises(Forbidden) as refusal:
        await enter(house, acme, successor)
    assert refusal.value.details["reason"] == "another_subject"
    assert (await enter(house, acme, word_of(provider, subject="bob"))).id == bob.id
    # An administrator removes the link, and with it the claim.
    await admin.execute(
        "DELETE FROM federated_identities WHERE tenant_id = $1 AND user_id = $2", acme.id, bob.id
    )
    assert (await enter(house, acme, successor)).id == bob.id


async def test_a_provider_that_was_changed_may_call_its_people_by_other_names(
    house: House, acme: Organisation, clock: FakeClock
) -> None:
    """Entra ID makes the subject of the client: another registration, other names for all."""
    domain = fresh_domain()
    await verify_domain(house, acme, domain)
    provider = await add_provider(house, acme)
    bob = await enter(house, acme, word_of(provider, subject="bob", email=f"bob@{domain}"))
    clock.advance(days=1)
    changed = await change_provider(house, provider, client_id="anew", updated_at=clock.now())
    renamed = word_of(changed, subject="b-2", email=f"bob@{domain}")
    assert (await enter(house, acme, renamed)).id == bob.id
