"""What a credential makes never exceeds it, and ends with it; what outlives its maker is told."""

from typing import Any

import asyncpg
import httpx
import pytest

from tests.conftest import FakeClock
from tests.given import Organisation
from tests.identity.given_mail import letters_to

MANAGE = ["api_key:manage", "scim:manage", "project:read", "user:read", "self"]


def by(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


@pytest.fixture
async def owner(client: httpx.AsyncClient, acme: Organisation) -> dict[str, str]:
    return await acme.headers(client)


async def make(
    client: httpx.AsyncClient, headers: dict[str, str], path: str = "/v1/api-keys", **about: Any
) -> dict[str, Any]:
    answer = await client.post(path, json={"name": "made"} | about, headers=headers)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def refusal(
    client: httpx.AsyncClient, headers: dict[str, str], path: str = "/v1/api-keys", **about: Any
) -> str:
    answer = await client.post(path, json={"name": "made"} | about, headers=headers)
    assert answer.status_code == 403, answer.text
    return str(answer.json()["details"].get("field"))


async def works(client: httpx.AsyncClient, secret: str) -> bool:
    answer = await client.get("/v1/projects", headers=by(secret))
    assert answer.status_code in (200, 401), answer.text
    return answer.status_code == 200


async def account_of(client: httpx.AsyncClient, headers: dict[str, str], name: str = "Bot") -> str:
    return str((await make(client, headers, "/v1/service-accounts", name=name, role="admin"))["id"])


@pytest.fixture
async def bound(client: httpx.AsyncClient, owner: dict[str, str]) -> dict[str, Any]:
    """A key that may make keys, with every bound there is."""
    return await make(
        client,
        owner,
        scopes=MANAGE,
        expires_in_days=10,
        rate_limit_per_minute=100,
        allowed_addresses=["127.0.0.0/8", "10.0.0.0/8"],
    )


async def test_sec_api_keys_02_a_key_makes_none_that_lives_longer_comes_from_elsewhere_or_is_faster(
    client: httpx.AsyncClient, bound: dict[str, Any]
) -> None:
    key = by(bound["key"])
    assert await refusal(client, key, expires_in_days=11) == "expires_at"
    assert await refusal(client, key, rate_limit_per_minute=101) == "rate_limit_per_minute"
    for beyond in ("0.0.0.0/0", "11.0.0.0/8", "::/0", "126.0.0.0/7"):
        elsewhere = ["127.0.0.1/32", beyond]
        assert await refusal(client, key, allowed_addresses=elsewhere) == "allowed_addresses"
    narrower = await make(
        client,
        key,
        expires_in_days=9,
        rate_limit_per_minute=99,
        allowed_addresses=["127.0.0.1"],
        scopes=["project:read"],
    )
    assert narrower["made_with"] == bound["id"]


async def test_sec_api_keys_02_what_is_not_said_is_that_of_the_maker(
    client: httpx.AsyncClient, bound: dict[str, Any]
) -> None:
    made = await make(client, by(bound["key"]))
    same = ("expires_at", "rate_limit_per_minute", "allowed_addresses")
    assert {name: made[name] for name in same} == {name: bound[name] for name in same}
    assert set(made["scopes"]) <= set(bound["scopes"])


async def test_sec_api_keys_02_clients_and_tokens_are_bound_too(
    client: httpx.AsyncClient, owner: dict[str, str], bound: dict[str, Any]
) -> None:
    account = await account_of(client, owner)
    clients = f"/v1/service-accounts/{account}/clients"
    await refusal(client, by(bound["key"]), clients)
    await refusal(client, by(bound["key"]), "/v1/scim/tokens")
    ending = await make(client, owner, scopes=[*MANAGE, "project:create"], expires_in_days=10)
    client_made = await make(client, by(ending["key"]), clients, scopes=["project:read"])
    assert client_made["expires_at"] == ending["expires_at"]
    assert client_made["made_with"] == ending["id"]
    assert await refusal(client, by(ending["key"]), clients, expires_at="2027-01-01T00:00:00Z")


async def test_sec_api_keys_02_a_key_prolongs_itself_by_no_rotation(
    client: httpx.AsyncClient, owner: dict[str, str], clock: FakeClock
) -> None:
    eternal = await make(client, owner, scopes=["project:read"])
    first = await make(client, owner, scopes=MANAGE, expires_in_days=10)
    clock.advance(days=5)
    path = f"/v1/api-keys/{first['id']}/rotate"
    second = await make(client, by(first["key"]), path)
    assert second["expires_at"] == first["expires_at"]
    taken = await make(client, by(second["key"]), f"/v1/api-keys/{eternal['id']}/rotate")
    assert taken["expires_at"] == first["expires_at"]
    assert taken["made_with"] == second["id"]


async def test_sec_api_keys_02_a_bound_key_rotates_none_that_is_bound_less(
    client: httpx.AsyncClient, owner: dict[str, str], bound: dict[str, Any]
) -> None:
    anywhere = await make(client, owner, scopes=["project:read"], allowed_addresses=["0.0.0.0/0"])
    path = f"/v1/api-keys/{anywhere['id']}/rotate"
    assert await refusal(client, by(bound["key"]), path) == "allowed_addresses"


async def test_sec_api_keys_03_what_a_key_made_ends_when_it_is_revoked_and_what_that_made(
    client: httpx.AsyncClient, owner: dict[str, str]
) -> None:
    account = await account_of(client, owner)
    first = await make(client, owner, scopes=MANAGE)
    second = await make(client, by(first["key"]), scopes=MANAGE)
    third = await make(client, by(second["key"]), scopes=["project:read"])
    path = f"/v1/service-accounts/{account}/clients"
    made_client = await make(client, by(second["key"]), path, scopes=["project:read"])
    token = await make(client, by(first["key"]), "/v1/scim/tokens")
    by_hand = await make(client, owner, scopes=["project:read"])
    gone = await client.delete(f"/v1/api-keys/{first['id']}", headers=owner)
    assert gone.status_code == 204
    for key in (first, second, third):
        assert not await works(client, key["key"])
    assert await works(client, by_hand["key"])
    form = {"grant_type": "client_credentials"}
    basic = (made_client["client_id"], made_client["client_secret"])
    assert (await client.post("/v1/oauth/token", data=form, auth=basic)).status_code == 401
    (kept,) = (await client.get("/v1/scim/tokens", headers=owner)).json()["data"]
    assert kept["id"] == token["id"]
    assert kept["revoked_at"] is not None
    log = await client.get("/v1/admin/audit/auth", params={"limit": "100"}, headers=owner)
    why = [
        (one["event_type"], one["details"]["reason"])
        for one in log.json()["data"]
        if one["event_type"].endswith("revoked")
    ]
    cascade = "its maker was revoked"
    assert sorted(why) == [
        ("api_key.revoked", cascade),
        ("api_key.revoked", cascade),
        ("api_key.revoked", "revoked"),
        ("oauth_client.revoked", cascade),
        ("scim_token.revoked", cascade),
    ]


async def test_sec_api_keys_03_a_secret_taken_by_rotation_ends_with_the_key_that_took_it(
    client: httpx.AsyncClient, owner: dict[str, str]
) -> None:
    thief = await make(client, owner, scopes=MANAGE)
    victim = await make(client, owner, scopes=["project:read"])
    taken = await make(client, by(thief["key"]), f"/v1/api-keys/{victim['id']}/rotate")
    await client.delete(f"/v1/api-keys/{thief['id']}", headers=owner)
    assert not await works(client, taken["key"])
    assert await works(client, victim["key"])


async def test_what_a_key_made_belongs_to_its_successor_after_a_rotation(
    client: httpx.AsyncClient, owner: dict[str, str]
) -> None:
    old = await make(client, owner, scopes=MANAGE)
    made = await make(client, by(old["key"]), scopes=["project:read"])
    path = f"/v1/api-keys/{old['id']}/rotate"
    new = await make(client, by(old["key"]), path, overlap_hours=0)
    assert not await works(client, old["key"])
    assert await works(client, made["key"])
    await client.delete(f"/v1/api-keys/{new['id']}", headers=owner)
    assert not await works(client, made["key"])


async def test_what_a_deleted_service_account_made_ends_with_it(
    client: httpx.AsyncClient, owner: dict[str, str]
) -> None:
    account = await account_of(client, owner)
    path = f"/v1/service-accounts/{account}/api-keys"
    maker = await make(client, owner, path, scopes=["api_key:manage", "project:read"])
    other = await account_of(client, owner, "Other")
    path = f"/v1/service-accounts/{other}/api-keys"
    made = await make(client, by(maker["key"]), path, scopes=["project:read"])
    assert await works(client, made["key"])
    await client.delete(f"/v1/service-accounts/{account}", headers=owner)
    assert not await works(client, made["key"])


async def test_sec_api_keys_03_what_an_oauth_client_made_ends_when_it_is_revoked(
    client: httpx.AsyncClient, owner: dict[str, str]
) -> None:
    account = await account_of(client, owner)
    path = f"/v1/service-accounts/{account}"
    ending = {"scopes": ["api_key:manage", "project:read"], "expires_at": "2026-03-20T00:00:00Z"}
    maker = await make(client, owner, f"{path}/clients", **ending)
    form = {"grant_type": "client_credentials"}
    basic = (maker["client_id"], maker["client_secret"])
    token = (await client.post("/v1/oauth/token", data=form, auth=basic)).json()["access_token"]
    made = await make(client, by(token), f"{path}/api-keys", scopes=["project:read"])
    assert (made["made_with"], made["expires_at"]) == (maker["id"], maker["expires_at"])
    assert await refusal(client, by(token), f"{path}/api-keys", expires_in_days=90) == "expires_at"
    gone = await client.delete(f"{path}/clients/{maker['id']}", headers=owner)
    assert gone.status_code == 204
    assert not await works(client, made["key"])


async def test_sec_api_keys_06_own_keys_end_with_a_person_and_the_rest_is_told_to_the_owners(
    client: httpx.AsyncClient,
    acme: Organisation,
    owner: dict[str, str],
    admin: asyncpg.Connection,
) -> None:
    leaver = await acme.headers(client, "admin")
    account = await account_of(client, leaver)
    own = await make(client, leaver, scopes=["project:read"])
    path = f"/v1/service-accounts/{account}/api-keys"
    shared = await make(client, leaver, path, scopes=["project:read"], name="Deploy")
    token = await make(client, leaver, "/v1/scim/tokens", name="Okta")
    assert (shared["created_by"], shared["orphaned"]) == (str(acme.people["admin"].id), False)
    assert await listed(client, owner, "/v1/api-keys") == []
    path = f"/v1/users/{acme.people['admin'].id}"
    gone = await client.patch(path, json={"status": "disabled"}, headers=owner)
    assert gone.status_code == 200, gone.text
    assert not await works(client, own["key"])
    assert await works(client, shared["key"])
    assert await listed(client, owner, "/v1/api-keys") == [shared["id"]]
    assert await listed(client, owner, "/v1/scim/tokens") == [token["id"]]
    letters = await letters_to(admin, acme.people["owner"].email)
    (told,) = [text for subject, text in letters if "left" in subject]
    assert "API key “Deploy”" in told
    assert "SCIM token “Okta”" in told
    log = await client.get(
        "/v1/admin/audit/auth", params={"event_type": "credentials.orphaned"}, headers=owner
    )
    (entry,) = log.json()["data"]
    assert entry["details"]["keys"] == [shared["id"]]
    assert entry["details"]["tokens"] == [token["id"]]


async def listed(client: httpx.AsyncClient, headers: dict[str, str], path: str) -> list[str]:
    answer = await client.get(path, params={"orphaned": "true"}, headers=headers)
    return [one["id"] for one in answer.json()["data"]]


async def test_who_left_nothing_behind_is_told_of_to_nobody(
    client: httpx.AsyncClient,
    acme: Organisation,
    owner: dict[str, str],
    admin: asyncpg.Connection,
) -> None:
    path = f"/v1/users/{acme.people['developer'].id}"
    await client.patch(path, json={"status": "disabled"}, headers=owner)
    letters = await letters_to(admin, acme.people["owner"].email)
    assert [subject for subject, _ in letters if "left" in subject] == []


async def test_an_invitation_says_who_sent_it(
    client: httpx.AsyncClient,
    acme: Organisation,
    owner: dict[str, str],
    admin: asyncpg.Connection,
) -> None:
    email = f"new@{acme.id.hex}.example"
    made = await client.post("/v1/users", json={"email": email, "role": "viewer"}, headers=owner)
    assert made.status_code == 201, made.text
    sender = acme.people["owner"]
    ((_, text),) = await letters_to(admin, email)
    assert text.startswith(f"{sender.email} invites you to join ")
    (one,) = (await client.get("/v1/invitations", headers=owner)).json()["data"]
    assert (one["invited_by"], one["invited_by_email"]) == (str(sender.id), sender.email)
