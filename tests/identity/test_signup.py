"""Sign-up, invitations and proven addresses."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest

from leanvibe_server import wiring
from leanvibe_server.kernel.house import House
from tests.conftest import FakeClock, Ground
from tests.given import PASSWORD, Organisation, fresh_email, platform_headers
from tests.identity.given_people import add_person
from tests.identity.timing import difference

GOOD = "a good long password"


async def sign_up(client: httpx.AsyncClient, email: str, **more: Any) -> httpx.Response:
    body = {"email": email, "username": "developer", "password": GOOD} | more
    return await client.post("/v1/users", json=body)


async def link_in_mail(admin: asyncpg.Connection, email: str, path: str) -> str:
    body = await admin.fetchval(
        "SELECT body FROM outgoing_mail WHERE recipient = $1 AND body LIKE '%' || $2 || '%' "
        "ORDER BY id DESC LIMIT 1",
        email,
        path,
    )
    assert body is not None
    return str(body.split(path)[1].split()[0])


@pytest.fixture
async def closed(ground: Ground, clock: FakeClock) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an installation whose sign-up is closed."""
    house = await wiring.open_house(replace(ground.settings, signup="closed"))
    house.clock = clock
    doors = await wiring.build_app(house)
    transport = httpx.ASGITransport(app=doors.app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8765") as client:
        yield client
    await house.database.close()


async def test_signing_up_makes_a_tenant_of_one_s_own(
    client: httpx.AsyncClient, admin: asyncpg.Connection
) -> None:
    email = fresh_email()
    answer = await sign_up(client, email)
    assert answer.status_code == 201, answer.text
    body = answer.json()
    assert (body["email"], body["username"], body["is_active"]) == (email, "developer", True)
    assert body["role"] == "owner"
    tenant = await admin.fetchrow(
        "SELECT * FROM tenants WHERE id = (SELECT tenant_id FROM users WHERE email = $1)", email
    )
    assert tenant is not None
    assert str(tenant["id"]) == body["tenant_id"]
    assert tenant["plan"] == "developer"
    assert tenant["trial_ends_at"] is not None
    login = await client.post("/v1/auth/login", json={"email": email, "password": GOOD})
    assert login.json()["user"]["tenant_id"] == body["tenant_id"]


async def test_an_organisation_s_name_is_taken_over(
    client: httpx.AsyncClient, admin: asyncpg.Connection
) -> None:
    email = fresh_email()
    name = f"Tech Startup {uuid4().hex[:6]}"
    body = (await sign_up(client, email, organization_name=name)).json()
    stored = await admin.fetchval(
        "SELECT organization_name FROM tenants WHERE id = $1::text::uuid", body["tenant_id"]
    )
    assert stored == name


async def test_sec_password_account_02_a_registered_address_gets_the_same_answer_and_a_mail(
    client: httpx.AsyncClient, acme: Organisation, admin: asyncpg.Connection
) -> None:
    known = acme.people["owner"].email
    tenants = await admin.fetchval("SELECT count(*) FROM tenants")
    first, again = await sign_up(client, fresh_email()), await sign_up(client, known)
    assert first.status_code == again.status_code == 201
    mine, other = first.json(), again.json()
    assert mine.keys() == other.keys()
    for name in mine.keys() - {"id", "email", "tenant_id"}:
        assert mine[name] == other[name]
    assert other["email"] == known
    assert await admin.fetchval("SELECT count(*) FROM tenants") == tenants + 1
    assert await admin.fetchval("SELECT count(*) FROM users WHERE email = $1", known) == 1
    mail = await admin.fetchval("SELECT body FROM outgoing_mail WHERE recipient = $1", known)
    assert "already" in mail
    assert (
        await client.post("/v1/auth/login", json={"email": known, "password": GOOD})
    ).status_code == 401
    assert (
        await client.post("/v1/auth/login", json={"email": known, "password": PASSWORD})
    ).status_code == 200


async def test_sec_password_account_02_and_takes_about_the_same_time(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    known = acme.people["owner"].email
    found = await difference(
        lambda: sign_up(client, known), lambda: sign_up(client, fresh_email()), calls=8
    )
    assert found < 0.2


async def test_a_squatted_address_comes_back_to_its_bearer_by_mail(
    client: httpx.AsyncClient, admin: asyncpg.Connection
) -> None:
    email = fresh_email()
    await sign_up(client, email, password="the squatter's password")
    squatter = await client.post(
        "/v1/auth/login", json={"email": email, "password": "the squatter's password"}
    )
    await sign_up(client, email)
    token = await link_in_mail(admin, email, "/reset/")
    key = await client.post(
        "/v1/api-keys",
        json={"name": "left behind"},
        headers={"Authorization": f"Bearer {squatter.json()['access_token']}"},
    )
    accepted = await client.post("/v1/auth/password/reset", json={"token": token, "password": GOOD})
    assert accepted.status_code == 200
    left = {"Authorization": f"Bearer {key.json()['key']}"}
    assert (await client.get("/v1/projects", headers=left)).status_code == 401
    held = {"Authorization": f"Bearer {squatter.json()['access_token']}"}
    assert (await client.get("/v1/auth/me", headers=held)).status_code == 401
    for password, status in ((GOOD, 200), ("the squatter's password", 401)):
        answer = await client.post("/v1/auth/login", json={"email": email, "password": password})
        assert answer.status_code == status


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("secure123", "at least 15"),
        ("password12345678", "too common"),
        ("aaaaaaaaaaaaaaaa", "too common"),
        ("", ""),
        ("x" * 1025, ""),
        (None, ""),
    ],
)
async def test_a_weak_password_is_refused_with_why(
    client: httpx.AsyncClient, password: str | None, why: str
) -> None:
    answer = await sign_up(client, fresh_email(), password=password)
    assert answer.status_code == 400
    assert answer.json()["error"] == "invalid_request"
    assert why in answer.json()["message"]
    assert answer.json()["details"]["field"] == "password"


async def test_one_s_own_address_is_no_password(client: httpx.AsyncClient) -> None:
    email = fresh_email()
    assert (await sign_up(client, email, password=email.upper())).status_code == 400


@pytest.mark.parametrize(
    "password",
    [
        "fifteen letters",
        "pass phrase with blanks",
        "ÄÖÜ ñandú 漢字かな交じり",
        "🐘" * 3 + "elephants walk!",
    ],
)
async def test_any_characters_make_a_password(client: httpx.AsyncClient, password: str) -> None:
    email = fresh_email()
    assert (await sign_up(client, email, password=password)).status_code == 201
    answer = await client.post("/v1/auth/login", json={"email": email, "password": password})
    assert answer.status_code == 200


async def test_composed_and_decomposed_letters_are_one_password(
    client: httpx.AsyncClient,
) -> None:
    email = fresh_email()
    await sign_up(client, email, password="\u00e9l\u00e9phant rose bush")
    answer = await client.post(
        "/v1/auth/login", json={"email": email, "password": "e\u0301le\u0301phant rose bush"}
    )
    assert answer.status_code == 200


async def test_where_sign_up_is_closed_strangers_are_told_so(closed: httpx.AsyncClient) -> None:
    users = await sign_up(closed, fresh_email())
    tenants = await closed.post(
        "/v1/tenants", json={"organization_name": "X Corp", "admin_email": fresh_email()}
    )
    for answer in (users, tenants):
        assert answer.status_code == 403
        assert "closed" in answer.json()["message"]


async def test_where_sign_up_is_closed_admins_still_add_people(
    closed: httpx.AsyncClient, acme: Organisation
) -> None:
    headers = await acme.headers(closed)
    answer = await closed.post("/v1/users", json={"email": fresh_email()}, headers=headers)
    assert answer.status_code == 201


async def test_a_bad_token_is_not_taken_for_a_stranger(client: httpx.AsyncClient) -> None:
    answer = await client.post(
        "/v1/users",
        json={"email": fresh_email(), "password": GOOD},
        headers={"Authorization": "Bearer expired"},
    )
    assert answer.status_code == 401


async def test_a_repeat_of_a_sign_up_gets_its_first_answer(client: httpx.AsyncClient) -> None:
    body = {"email": fresh_email(), "username": "developer", "password": GOOD}
    headers = {"Idempotency-Key": uuid4().hex}
    first = await client.post("/v1/users", json=body, headers=headers)
    second = await client.post("/v1/users", json=body, headers=headers)
    assert second.status_code == 201
    assert second.json() == first.json()
    other = await client.post("/v1/users", json=body | {"username": "x"}, headers=headers)
    assert other.status_code == 409


async def test_the_mailed_link_proves_the_address_once(
    client: httpx.AsyncClient, admin: asyncpg.Connection
) -> None:
    email = fresh_email()
    await sign_up(client, email)
    token = await link_in_mail(admin, email, "/verify-email/")
    first = await client.post("/v1/auth/verify-email", json={"token": token})
    assert first.json() == {"success": True}
    verified = "SELECT email_verified_at IS NOT NULL FROM users WHERE email = $1"
    assert await admin.fetchval(verified, email) is True
    assert (await client.post("/v1/auth/verify-email", json={"token": token})).status_code == 404


async def test_a_link_that_proves_an_address_sets_no_password(
    client: httpx.AsyncClient, admin: asyncpg.Connection
) -> None:
    email = fresh_email()
    await sign_up(client, email)
    token = await link_in_mail(admin, email, "/verify-email/")
    answer = await client.post(
        "/v1/auth/invitations/accept", json={"token": token, "password": "another good one"}
    )
    assert answer.status_code == 404


@pytest.mark.parametrize("token", ["", "nonsense", "0" * 65, "z" * 65, "é" * 65])
async def test_a_made_up_link_leads_nowhere(client: httpx.AsyncClient, token: str) -> None:
    for path, body in (
        ("/v1/auth/verify-email", {"token": token}),
        ("/v1/auth/invitations/accept", {"token": token, "password": GOOD}),
    ):
        assert (await client.post(path, json=body)).status_code == 404


async def test_a_link_wears_out_after_a_week(
    client: httpx.AsyncClient, acme: Organisation, admin: asyncpg.Connection, clock: FakeClock
) -> None:
    headers = await acme.headers(client)
    email = fresh_email()
    await client.post("/v1/users", json={"email": email}, headers=headers)
    token = await link_in_mail(admin, email, "/invitations/")
    clock.advance(days=7)
    answer = await client.post(
        "/v1/auth/invitations/accept", json={"token": token, "password": GOOD}
    )
    assert answer.status_code == 404


async def test_a_weak_password_does_not_use_up_an_invitation(
    client: httpx.AsyncClient, acme: Organisation, admin: asyncpg.Connection
) -> None:
    headers = await acme.headers(client)
    email = fresh_email()
    await client.post("/v1/users", json={"email": email}, headers=headers)
    token = await link_in_mail(admin, email, "/invitations/")
    answers = [
        (
            await client.post(
                "/v1/auth/invitations/accept", json={"token": token, "password": password}
            )
        ).status_code
        for password in ("short", GOOD, GOOD)
    ]
    assert answers == [400, 200, 404]


async def test_who_proves_the_same_address_twice_is_one_person(
    client: httpx.AsyncClient,
    house: House,
    acme: Organisation,
    globex: Organisation,
    admin: asyncpg.Connection,
) -> None:
    email = fresh_email()
    await add_person(house, globex, email=email, role="viewer", password="globex password")
    headers = await acme.headers(client)
    await client.post("/v1/users", json={"email": email}, headers=headers)
    token = await link_in_mail(admin, email, "/invitations/")
    await client.post("/v1/auth/invitations/accept", json={"token": token, "password": GOOD})
    login = await client.post("/v1/auth/login", json={"email": email, "password": GOOD})
    held = {"Authorization": f"Bearer {login.json()['access_token']}"}
    moved = await client.post(
        "/v1/auth/switch-tenant", json={"tenant_id": str(globex.id)}, headers=held
    )
    assert moved.status_code == 200
    assert moved.json()["user"]["role"] == "viewer"


async def test_who_only_claims_an_address_is_nobody_else(
    client: httpx.AsyncClient, house: House, acme: Organisation, globex: Organisation
) -> None:
    email = fresh_email()
    await add_person(house, globex, email=email, role="owner", password="globex password")
    headers = await acme.headers(client)
    await client.post("/v1/users", json={"email": email, "password": GOOD}, headers=headers)
    login = await client.post("/v1/auth/login", json={"email": email, "password": GOOD})
    held = {"Authorization": f"Bearer {login.json()['access_token']}"}
    moved = await client.post(
        "/v1/auth/switch-tenant", json={"tenant_id": str(globex.id)}, headers=held
    )
    assert moved.status_code == 404


async def test_a_tenant_s_owner_is_invited_as_printed(
    client: httpx.AsyncClient, admin: asyncpg.Connection
) -> None:
    email = fresh_email()
    name = f"Tech Startup {uuid4().hex[:8]}"
    answer = await client.post(
        "/api/v1/tenants",
        json={"organization_name": name, "billing_email": email, "plan": "professional"},
    )
    assert answer.status_code == 201, answer.text
    body = answer.json()
    assert (body["plan"], body["is_active"], body["user_count"]) == ("team", True, 0)
    assert body["subdomain"] == body["slug"] == name.lower().replace(" ", "-")
    token = await link_in_mail(admin, email, "/invitations/")
    accepted = await client.post(
        "/v1/auth/invitations/accept", json={"token": token, "password": GOOD}
    )
    assert (accepted.json()["role"], accepted.json()["tenant_id"]) == ("owner", body["id"])


async def test_a_signed_in_user_creates_no_tenant(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    answer = await client.post(
        "/v1/tenants",
        json={"organization_name": "Mine", "admin_email": fresh_email()},
        headers=await acme.headers(client),
    )
    assert answer.status_code == 403


async def test_a_platform_admin_creates_a_tenant_as_printed(
    client: httpx.AsyncClient, house: House
) -> None:
    slug = f"enterprise-{uuid4().hex[:8]}"
    body = {
        "organization_name": "Enterprise Corp",
        "slug": slug,
        "admin_email": fresh_email(),
        "plan": "enterprise",
        "data_residency": "us",
        "configuration": {"branding": {"primary_color": "#1f2937"}},
    }
    headers = await platform_headers(house, client)
    answer = await client.post("/v1/tenants", json=body, headers=headers)
    assert answer.status_code == 201, answer.text
    assert answer.json()["slug"] == slug
    assert answer.json()["configuration"]["branding"]["primary_color"] == "#1f2937"
    assert (await client.post("/v1/tenants", json=body, headers=headers)).status_code == 409


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"organization_name": "X"},
        {"organization_name": "X", "admin_email": "nonsense"},
        {"organization_name": "X", "admin_email": "a@b.example", "plan": "gold"},
        {"organization_name": "X", "admin_email": "a@b.example", "slug": "No Slug"},
        {"organization_name": "X", "admin_email": "a@b.example", "data_residency": "mars"},
    ],
)
async def test_a_tenant_that_cannot_be_is_refused(
    client: httpx.AsyncClient, body: dict[str, str]
) -> None:
    answer = await client.post("/v1/tenants", json=body)
    assert answer.status_code == 400
    assert answer.json()["details"]["validation_errors"]


async def test_typing_an_address_again_and_again_does_not_fill_its_mailbox(
    client: httpx.AsyncClient, acme: Organisation, admin: asyncpg.Connection, clock: FakeClock
) -> None:
    known, unknown = acme.people["developer"].email, fresh_email()
    mails = "SELECT count(*) FROM outgoing_mail WHERE recipient = $1"
    for _ in range(6):
        answers = [await sign_up(client, known), await sign_up(client, unknown)]
        assert [one.status_code for one in answers] == [201, 201]
    assert [await admin.fetchval(mails, one) for one in (known, unknown)] == [3, 3]
    clock.advance(hours=25)
    assert (await sign_up(client, known)).status_code == 201
    assert await admin.fetchval(mails, known) == 4


async def test_and_is_answered_in_about_the_same_time_when_no_mail_is_sent_any_more(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    known = acme.people["developer"].email
    for _ in range(3):
        await sign_up(client, known)
    found = await difference(
        lambda: sign_up(client, known), lambda: sign_up(client, fresh_email()), calls=8
    )
    assert found < 0.2
