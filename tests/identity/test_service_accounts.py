"""Service accounts and the token endpoint: programs with accounts of their own."""

import base64
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest

from leanvibe_server.identity import opaque, tokens
from leanvibe_server.kernel.house import House
from leanvibe_server.wiring import Doors
from tests.conftest import FakeClock
from tests.given import Organisation

FORM = "application/x-www-form-urlencoded"


def by(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def make_account(
    client: httpx.AsyncClient, headers: dict[str, str], **fields: Any
) -> dict[str, Any]:
    body = {"name": f"Robot {uuid4().hex[:8]}"} | fields
    answer = await client.post("/v1/service-accounts", json=body, headers=headers)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def make_client(
    client: httpx.AsyncClient, headers: dict[str, str], account_id: str, **fields: Any
) -> dict[str, Any]:
    answer = await client.post(
        f"/v1/service-accounts/{account_id}/clients", json=fields, headers=headers
    )
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def ask(
    client: httpx.AsyncClient, made: dict[str, Any], path: str = "/v1/oauth/token", **fields: str
) -> httpx.Response:
    form = {
        "grant_type": "client_credentials",
        "client_id": made["client_id"],
        "client_secret": made["client_secret"],
    }
    return await client.post(path, data=form | fields)


async def granted(client: httpx.AsyncClient, made: dict[str, Any], **fields: str) -> str:
    answer = await ask(client, made, **fields)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["access_token"])


@pytest.fixture
async def owner(client: httpx.AsyncClient, acme: Organisation) -> dict[str, str]:
    return await acme.headers(client)


async def test_a_client_trades_its_secret_for_a_token_of_its_account(
    client: httpx.AsyncClient, acme: Organisation, owner: dict[str, str]
) -> None:
    account = await make_account(client, owner, role="developer")
    made = await make_client(client, owner, account["id"])
    answer = await ask(client, made)
    body = answer.json()
    assert (body["token_type"], body["expires_in"]) == ("Bearer", 3600)
    assert "task:create" in body["scope"].split()
    assert tokens._parse(tokens._decode(body["access_token"].split(".")[0]))["typ"] == "at+jwt"
    me = (await client.get("/v1/auth/me", headers=by(body["access_token"]))).json()
    assert (me["id"], me["session"], me["tenant_id"]) == (account["id"], None, str(acme.id))


async def test_the_secret_may_come_by_http_basic_but_not_twice(
    client: httpx.AsyncClient, owner: dict[str, str]
) -> None:
    made = await make_client(client, owner, (await make_account(client, owner))["id"])
    pair = base64.b64encode(f"{made['client_id']}:{made['client_secret']}".encode()).decode()
    basic = {"Authorization": f"Basic {pair}"}
    form = {"grant_type": "client_credentials"}
    answer = await client.post("/v1/oauth/token", data=form, headers=basic)
    assert answer.status_code == 200
    both = form | {"client_secret": made["client_secret"]}
    answer = await client.post("/v1/oauth/token", data=both, headers=basic)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


async def test_sec_oauth_as_02_no_code_is_traded_at_all(
    client: httpx.AsyncClient, owner: dict[str, str]
) -> None:
    """No authorization-code grant is offered, so that no code can come twice."""
    made = await make_client(client, owner, (await make_account(client, owner))["id"])
    for _ in range(2):
        answer = await ask(client, made, grant_type="authorization_code", code="abc")
        assert (answer.status_code, answer.json()["error"]) == (400, "unsupported_grant_type")
    query = {"response_type": "code", "client_id": made["client_id"]}
    answer = await client.get("/v1/oauth/authorize", params=query)
    assert (answer.status_code, answer.json()["error"]) == (400, "unsupported_response_type")
    metadata = (await client.get("/.well-known/oauth-authorization-server")).json()
    assert metadata["grant_types_supported"] == ["client_credentials"]
    assert metadata["response_types_supported"] == []


@pytest.mark.parametrize(
    "grant", ["password", "implicit", "refresh_token", "Client_Credentials", "urn:x"]
)
async def test_sec_oauth_as_04_no_other_grant_is_offered(
    grant: str, client: httpx.AsyncClient, acme: Organisation
) -> None:
    form = {
        "grant_type": grant,
        "username": acme.people["owner"].email,
        "password": acme.people["owner"].password,
    }
    answer = await client.post("/v1/oauth/token", data=form)
    assert (answer.status_code, answer.json()["error"]) == (400, "unsupported_grant_type")
    assert answer.json()["error_description"]
    answer = await client.get("/v1/oauth/authorize", params={"response_type": "token"})
    assert (answer.status_code, answer.json()["error"]) == (400, "unsupported_response_type")


async def test_sec_oauth_as_05_a_token_for_another_resource_is_neither_given_nor_taken(
    client: httpx.AsyncClient,
    owner: dict[str, str],
    house: House,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = await make_client(client, owner, (await make_account(client, owner))["id"])
    base = house.settings.base_url
    for foreign in (
        {"resource": "https://elsewhere.example/api"},
        {"resource": f"{base}//"},
        {"resource": f"{base}.elsewhere.example"},
        {"audience": "https://elsewhere.example/api"},
    ):
        answer = await ask(client, made, **foreign)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_target")
    assert (await ask(client, made, audience="leanvibe")).status_code == 200
    own = await ask(client, made, resource=base)
    assert own.status_code == 200
    monkeypatch.setattr(tokens, "AUDIENCE", "https://elsewhere.example/api")
    for_others = await granted(client, made)
    monkeypatch.undo()
    assert (await client.get("/v1/auth/me", headers=by(for_others))).status_code == 401


async def test_sec_oauth_as_06_tokens_and_what_is_said_of_them_are_not_cached(
    client: httpx.AsyncClient, owner: dict[str, str]
) -> None:
    made = await make_client(client, owner, (await make_account(client, owner))["id"])
    token = await granted(client, made)
    for answer in (
        await ask(client, made),
        await ask(client, made, "/v1/oauth/introspect", token=token),
        await ask(client, made, "/v1/oauth/revoke", token=token),
        await ask(client, made, client_secret="wrong"),
    ):
        assert answer.headers["cache-control"] == "no-store"


async def test_a_scope_beyond_the_client_or_its_account_is_refused(
    client: httpx.AsyncClient, owner: dict[str, str]
) -> None:
    account = await make_account(client, owner, role="viewer")
    made = await make_client(client, owner, account["id"], scopes=["task:read", "project:read"])
    token = await granted(client, made, scope="task:read")
    assert (await client.get("/v1/tasks", headers=by(token))).status_code == 200
    assert (await client.get("/v1/projects", headers=by(token))).status_code == 403
    for wanted in ("task:create", "task:read user:read", "everything", "task:read  "):
        answer = await ask(client, made, scope=wanted)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_scope")
    path = f"/v1/service-accounts/{account['id']}/clients"
    beyond = await client.post(path, json={"scopes": ["task:create"]}, headers=owner)
    assert beyond.status_code == 403


async def test_a_wrong_secret_and_an_unknown_client_are_one(
    client: httpx.AsyncClient, acme: Organisation, owner: dict[str, str]
) -> None:
    made = await make_client(client, owner, (await make_account(client, owner))["id"])
    strange = made | {"client_id": opaque.client_id_of(acme.id, uuid4())}
    wrong = made | {"client_secret": opaque.new_client_secret(acme.id)}
    said = [await ask(client, one) for one in (wrong, strange, made | {"client_id": "x"})]
    for answer in said:
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
        assert answer.headers["www-authenticate"].startswith("Basic")
    assert len({answer.json()["error_description"] for answer in said}) == 1


async def test_a_client_shows_itself_in_one_way(
    client: httpx.AsyncClient, owner: dict[str, str]
) -> None:
    made = await make_client(client, owner, (await make_account(client, owner))["id"])
    kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    assertion = {"client_assertion": "a.b.c", "client_assertion_type": kind}
    answer = await ask(client, made, **assertion)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    alone = assertion | {"grant_type": "client_credentials", "client_id": made["client_id"]}
    answer = await client.post("/v1/oauth/token", data=alone)
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


async def test_what_is_no_proper_request_is_refused_in_the_standard_s_words(
    client: httpx.AsyncClient, owner: dict[str, str]
) -> None:
    made = await make_client(client, owner, (await make_account(client, owner))["id"])
    for sent in (
        {"json": {"grant_type": "client_credentials"}},
        {"data": {"scope": "task:read"}},
        {"content": "grant_type=a&grant_type=b", "headers": {"content-type": FORM}},
        {"content": b"grant_type=\xff", "headers": {"content-type": FORM}},
    ):
        answer = await client.post("/v1/oauth/token", **sent)  # type: ignore[arg-type]  # mixed
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request"), sent
        assert answer.json()["error_description"]
    assert (await client.get("/v1/oauth/token")).status_code == 405
    path = f"/v1/oauth/token?client_secret={made['client_secret']}"
    answer = await client.post(path, data={"grant_type": "client_credentials"})
    assert answer.status_code == 400


async def test_a_client_that_asks_too_often_waits(
    client: httpx.AsyncClient, owner: dict[str, str]
) -> None:
    made = await make_client(client, owner, (await make_account(client, owner))["id"])
    answers = [await ask(client, made) for _ in range(61)]
    assert [answer.status_code for answer in answers] == [200] * 60 + [429]
    assert "retry-after" in answers[-1].headers


async def test_a_stranger_who_knows_a_client_s_id_does_not_use_up_its_rate(
    client: httpx.AsyncClient, doors: Doors, owner: dict[str, str]
) -> None:
    made = await make_client(client, owner, (await make_account(client, owner))["id"])
    elsewhere = httpx.ASGITransport(app=doors.app, client=("198.51.100.7", 1))
    async with httpx.AsyncClient(transport=elsewhere, base_url="http://localhost:8765") as stranger:
        wrong = {**made, "client_secret": "guess"}
        answers = [(await ask(stranger, wrong)).status_code for _ in range(61)]
    assert answers[0] == 401
    assert answers[-1] == 429
    assert (await ask(client, made)).status_code == 200


async def test_a_revoked_token_is_refused_at_once_and_only_its_client_revokes_it(
    client: httpx.AsyncClient, owner: dict[str, str]
) -> None:
    account = await make_account(client, owner)
    made, other = [await make_client(client, owner, account["id"]) for _ in range(2)]
    token = await granted(client, made)
    assert (await ask(client, other, "/v1/oauth/revoke", token=token)).status_code == 200
    assert (await client.get("/v1/auth/me", headers=by(token))).status_code == 200
    said = await ask(client, other, "/v1/oauth/introspect", token=token)
    assert said.json()["active"] is True
    assert said.json()["client_id"] == made["client_id"]
    assert (await ask(client, made, "/v1/oauth/revoke", token=token)).status_code == 200
    assert (await client.get("/v1/auth/me", headers=by(token))).status_code == 401
    said = await ask(client, other, "/v1/oauth/introspect", token=token)
    assert said.json() == {"active": False}


async def test_introspection_says_nothing_of_other_tenants_people_or_to_strangers(
    client: httpx.AsyncClient, acme: Organisation, globex: Organisation, owner: dict[str, str]
) -> None:
    made = await make_client(client, owner, (await make_account(client, owner))["id"])
    headers = await globex.headers(client)
    theirs = await make_client(client, headers, (await make_account(client, headers))["id"])
    foreign = await granted(client, theirs)
    for token in (foreign, await acme.token(client), "nonsense"):
        said = await ask(client, made, "/v1/oauth/introspect", token=token)
        assert said.json() == {"active": False}
    nobody = await client.post("/v1/oauth/introspect", data={"token": foreign})
    assert (nobody.status_code, nobody.json()["error"]) == (401, "invalid_client")
    assert (await client.get("/v1/auth/me", headers=by(foreign))).status_code == 200


async def test_introspection_tells_what_the_token_may_do_now(
    client: httpx.AsyncClient, owner: dict[str, str]
) -> None:
    account = await make_account(client, owner)
    made = await make_client(client, owner, account["id"], scopes=["project:read", "task:create"])
    token = await granted(client, made)
    path = f"/v1/service-accounts/{account['id']}"
    assert (await client.patch(path, json={"role": "viewer"}, headers=owner)).status_code == 200
    said = await ask(client, made, "/v1/oauth/introspect", token=token)
    assert said.json()["scope"] == "project:read"


async def test_a_disabled_account_is_refused_at_the_next_request_and_comes_back(
    client: httpx.AsyncClient, owner: dict[str, str]
) -> None:
    account = await make_account(client, owner)
    made = await make_client(client, owner, account["id"])
    path = f"/v1/service-accounts/{account['id']}"
    key = (await client.post(f"{path}/api-keys", json={"name": "k"}, headers=owner)).json()["key"]
    token = await granted(client, made)

    async def seen() -> list[int]:
        return [
            (await client.get("/v1/auth/me", headers=by(token))).status_code,
            (await client.get("/v1/auth/me", headers=by(key))).status_code,
            (await ask(client, made)).status_code,
        ]

    assert await seen() == [200, 200, 200]
    await client.patch(path, json={"status": "disabled"}, headers=owner)
    assert await seen() == [401, 401, 401]
    await client.patch(path, json={"status": "active"}, headers=owner)
    assert await seen() == [200, 200, 200]
    assert (await client.delete(path, headers=owner)).status_code == 204
    assert await seen() == [401, 401, 401]


async def test_a_revoked_client_ends_with_its_tokens(
    client: httpx.AsyncClient, owner: dict[str, str]
) -> None:
    account = await make_account(client, owner)
    made = await make_client(client, owner, account["id"])
    token = await granted(client, made)
    path = f"/v1/service-accounts/{account['id']}/clients/{made['id']}"
    assert (await client.delete(path, headers=owner)).status_code == 204
    assert (await client.get("/v1/auth/me", headers=by(token))).status_code == 401
    assert (await ask(client, made)).status_code == 401


async def test_a_rotated_secret_holds_until_the_overlap_is_over(
    client: httpx.AsyncClient, acme: Organisation, owner: dict[str, str], clock: FakeClock
) -> None:
    account = await make_account(client, owner)
    old = await make_client(client, owner, account["id"])
    path = f"/v1/service-accounts/{account['id']}/clients/{old['id']}/rotate"
    new = (await client.post(path, json={"overlap_hours": 1}, headers=owner)).json()
    assert new["client_id"] == old["client_id"]
    assert new["client_secret"] != old["client_secret"]
    assert [(await ask(client, one)).status_code for one in (old, new)] == [200, 200]
    clock.advance(hours=1)
    assert [(await ask(client, one)).status_code for one in (old, new)] == [401, 200]


async def test_a_token_lasts_an_hour(
    client: httpx.AsyncClient, owner: dict[str, str], clock: FakeClock
) -> None:
    made = await make_client(client, owner, (await make_account(client, owner))["id"])
    token = await granted(client, made)
    clock.advance(minutes=59)
    assert (await client.get("/v1/auth/me", headers=by(token))).status_code == 200
    clock.advance(minutes=1)
    assert (await client.get("/v1/auth/me", headers=by(token))).status_code == 401


async def test_a_token_promises_no_more_time_than_its_client_has(
    client: httpx.AsyncClient, owner: dict[str, str], clock: FakeClock
) -> None:
    account = await make_account(client, owner)
    end = (clock.now() + timedelta(minutes=10)).isoformat()
    made = await make_client(client, owner, account["id"], expires_at=end)
    for left_s in (600, 300):
        got = (await ask(client, made)).json()
        said = await ask(client, made, "/v1/oauth/introspect", token=got["access_token"])
        assert got["expires_in"] == left_s
        assert said.json()["exp"] - said.json()["iat"] == left_s
        clock.advance(minutes=5)
    assert (await client.get("/v1/auth/me", headers=by(got["access_token"]))).status_code == 401


async def test_a_service_account_is_no_person(
    client: httpx.AsyncClient, acme: Organisation, owner: dict[str, str], admin: asyncpg.Connection
) -> None:
    account = await make_account(client, owner)
    listed = (await client.get("/v1/users?limit=100", headers=owner)).json()["data"]
    assert account["id"] not in {user["id"] for user in listed}
    row = await admin.fetchrow("SELECT * FROM users WHERE id = $1", UUID(account["id"]))
    assert row["password_hash"] is None
    for password in ("", "x" * 20):
        answer = await client.post(
            "/v1/auth/login",
            json={"email": row["email"], "password": password, "tenant_id": str(acme.id)},
        )
        assert answer.status_code in (400, 401)
    path = f"/v1/users/{account['id']}"
    assert (await client.patch(path, json={"role": "admin"}, headers=owner)).status_code == 404


async def test_service_accounts_take_no_place_of_people(
    client: httpx.AsyncClient, globex: Organisation
) -> None:
    """The developer plan has room for one user, who is there."""
    headers = await globex.headers(client)
    await make_account(client, headers)


async def test_nobody_makes_an_account_above_themselves_or_an_owner(
    client: httpx.AsyncClient, acme: Organisation, owner: dict[str, str]
) -> None:
    for role in ("owner", "platform_admin", "nonsense"):
        answer = await client.post(
            "/v1/service-accounts", json={"name": "x", "role": role}, headers=owner
        )
        assert answer.status_code == 400, role
    developer = await acme.headers(client, "developer")
    for method, path in (("GET", ""), ("POST", "")):
        answer = await client.request(
            method, f"/v1/service-accounts{path}", json={"name": "x"}, headers=developer
        )
        assert answer.status_code == 403


async def test_two_accounts_bear_no_name_twice(
    client: httpx.AsyncClient, owner: dict[str, str]
) -> None:
    await make_account(client, owner, name="Deploy")
    answer = await client.post("/v1/service-accounts", json={"name": "deploy"}, headers=owner)
    assert (answer.status_code, answer.json()["details"]["field"]) == (409, "name")


async def test_what_happens_to_accounts_and_clients_is_in_the_log(
    client: httpx.AsyncClient, owner: dict[str, str]
) -> None:
    account = await make_account(client, owner)
    made = await make_client(client, owner, account["id"])
    await granted(client, made)
    log = await client.get("/v1/admin/audit/auth?limit=100", headers=owner)
    for name in ("service_account.created", "oauth_client.created", "oauth_token.issued"):
        assert name in log.text
    assert made["client_secret"] not in log.text


async def test_a_client_that_is_refused_is_in_the_log_but_not_at_the_pace_of_who_guesses(
    client: httpx.AsyncClient, doors: Doors, owner: dict[str, str]
) -> None:
    account = await make_account(client, owner)
    made = await make_client(client, owner, account["id"])
    for _ in range(3):
        assert (await ask(client, made | {"client_secret": "guess"})).status_code == 401
    here = {"allowed_networks": ["127.0.0.1"]}
    assert (await client.put("/v1/tenants/me/security", json=here, headers=owner)).is_success
    elsewhere = httpx.ASGITransport(app=doors.app, client=("198.51.100.7", 1))
    async with httpx.AsyncClient(transport=elsewhere, base_url="http://localhost:8765") as thief:
        assert (await ask(thief, made)).status_code == 403
    path = f"/v1/service-accounts/{account['id']}"
    await client.patch(path, json={"status": "disabled"}, headers=owner)
    assert (await ask(client, made)).status_code == 401
    asked = {"event_type": "oauth_client.refused", "user_id": account["id"]}
    log = (await client.get("/v1/admin/audit/auth", params=asked, headers=owner)).json()["data"]
    assert [(one["details"]["reason"], one["ip_address"]) for one in reversed(log)] == [
        ("wrong_secret", "127.0.0.1"),
        ("address_not_allowed", "198.51.100.7"),
        ("closed", "127.0.0.1"),
    ]
