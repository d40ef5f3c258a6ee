"""Proving ourselves at a provider by a key of our own instead of a shared secret."""

from typing import Any

import asyncpg
import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from leanvibe_server.identity.federation import repository
from tests.fakes.oidc_provider import CLIENT_ID, FakeProvider, connect
from tests.given import Organisation
from tests.identity.oidc_world import World, make_world, query_of

METHODS = ["client_secret_basic", "private_key_jwt"]
SETTINGS = {"token_endpoint_auth_method": "private_key_jwt"}


@pytest.fixture
async def world(client: httpx.AsyncClient, acme: Organisation) -> World:
    """A provider that knows us by a key, whose address it reads."""
    idp = FakeProvider(acme.house, issuer="https://keys.example.com")
    idp.bend_metadata = lambda document: document.update(
        token_endpoint_auth_methods_supported=METHODS
    )
    connect(acme.house, idp)
    body = {
        "provider_type": "oidc",
        "provider_name": "Keys",
        "client_id": CLIENT_ID,
        "issuer": idp.issuer,
        "settings": SETTINGS,
    }
    headers = await acme.headers(client)
    added = await client.post("/v1/auth/sso/providers", json=body, headers=headers)
    assert added.status_code == 201, added.text
    assert added.json()["has_client_secret"] is False
    async with acme.house.database.tenant(acme.id) as conn:
        provider = await repository.find(conn, acme.id, added.json()["id"])
    assert provider is not None
    made = World(client, acme, idp, provider)
    idp.client_keys = await published(made)
    return made


def keys_path(world: World) -> str:
    return f"/v1/auth/sso/providers/{world.provider.id}/keys"


async def told(world: World) -> dict[str, Any]:
    headers = await world.organisation.headers(world.client)
    answer = await world.client.get(keys_path(world), headers=headers)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def published(world: World) -> list[dict[str, Any]]:
    """What anybody finds at the address."""
    uri = (await told(world))["jwks_uri"]
    answer = await world.client.get(uri)
    assert answer.status_code == 200, answer.text
    keys: list[dict[str, Any]] = answer.json()["keys"]
    return keys


async def test_we_prove_ourselves_by_our_key(world: World) -> None:
    answer = await world.sign_in()
    assert answer.status_code == 200, answer.text
    (header,) = world.idp.headers
    (key,) = world.idp.client_keys
    assert (header["alg"], header["kid"]) == ("RS256", key["kid"])
    assert header["x5t#S256"] == key["x5t#S256"]
    assert (await world.sign_in()).status_code == 200
    assert len(set(world.idp.assertions)) == 2


async def test_the_private_key_is_told_to_nobody(world: World, admin: asyncpg.Connection) -> None:
    (key,) = await published(world)
    assert set(key) == {"kty", "n", "e", "use", "kid", "x5c", "x5t#S256"}
    (kept,) = (await told(world))["client_keys"]
    certificate = x509.load_pem_x509_certificate(kept["certificate"].encode())
    assert kept["fingerprint"] == certificate.fingerprint(SHA256()).hex(":").upper()
    assert "PRIVATE" not in str(kept)
    sealed = await admin.fetchval(
        "SELECT private_key_sealed FROM oidc_client_keys WHERE id = $1", kept["id"]
    )
    number = certificate.public_key().public_numbers().n  # type: ignore[union-attr]
    assert number.to_bytes(256) not in sealed


async def test_another_key_is_used_once_the_provider_knows_it(world: World) -> None:
    headers = await world.organisation.headers(world.client)
    made = await world.client.post(keys_path(world), headers=headers)
    assert (made.status_code, made.json()["status"]) == (201, "next")
    assert (await world.client.post(keys_path(world), headers=headers)).status_code == 409
    assert (await world.sign_in()).status_code == 200
    before = world.idp.client_keys
    assert len(await published(world)) == 2
    path = f"{keys_path(world)}/{made.json()['id']}/activate"
    used = await world.client.post(path, headers=headers)
    assert (used.status_code, used.json()["status"]) == (200, "current")
    assert (await world.client.post(path, headers=headers)).status_code == 409
    assert (await world.sign_in()).status_code == 400
    world.idp.client_keys = await published(world)
    assert [key["kid"] for key in world.idp.client_keys] == [made.json()["id"]]
    assert world.idp.client_keys != before
    assert (await world.sign_in()).status_code == 200


@pytest.mark.parametrize(
    ("offered", "wanted"), [(["PS256", "ES256"], "PS256"), (["PS256", "RS256"], "RS256")]
)
async def test_the_algorithm_is_one_the_provider_takes(
    world: World, offered: list[str], wanted: str
) -> None:
    world.idp.bend_metadata = lambda document: document.update(
        token_endpoint_auth_methods_supported=METHODS,
        token_endpoint_auth_signing_alg_values_supported=offered,
    )
    await world.client.post(
        f"/v1/auth/sso/providers/{world.provider.id}/test",
        headers=await world.organisation.headers(world.client),
    )
    assert (await world.sign_in()).status_code == 200
    assert world.idp.headers[0]["alg"] == wanted


async def test_without_an_algorithm_of_ours_nothing_is_sent(world: World) -> None:
    world.idp.bend_metadata = lambda document: document.update(
        token_endpoint_auth_methods_supported=METHODS,
        token_endpoint_auth_signing_alg_values_supported=["HS256", "ES256"],
    )
    tested = await world.client.post(
        f"/v1/auth/sso/providers/{world.provider.id}/test",
        headers=await world.organisation.headers(world.client),
    )
    assert tested.json()["success"] is False
    assert (await world.sign_in()).status_code == 400
    assert not [request for request in world.idp.requests if request.url.path == "/token"]


async def test_a_way_the_provider_does_not_offer_is_refused(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    world = await make_world(client, acme)
    answer = await client.patch(
        f"/v1/auth/sso/providers/{world.provider.id}",
        json={"settings": SETTINGS},
        headers=await acme.headers(client),
    )
    assert answer.status_code == 400, answer.text
    assert answer.json()["details"]["field"] == "settings.token_endpoint_auth_method"
    path = f"/v1/auth/sso/providers/{world.provider.id}/keys"
    made = await client.post(path, headers=await acme.headers(client))
    assert made.status_code == 400


async def test_a_provider_that_was_known_by_a_secret_gets_a_key(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    world = await make_world(client, acme)
    world.idp.bend_metadata = lambda document: document.update(
        token_endpoint_auth_methods_supported=METHODS
    )
    answer = await client.patch(
        f"/v1/auth/sso/providers/{world.provider.id}",
        json={"settings": SETTINGS},
        headers=await acme.headers(client),
    )
    assert answer.status_code == 200, answer.text
    world.idp.client_keys = await published(world)
    assert (await world.sign_in()).status_code == 200
    sent = [request for request in world.idp.requests if request.url.path == "/token"]
    assert "authorization" not in sent[-1].headers
    assert b"client_secret=" not in sent[-1].content


@pytest.mark.parametrize("place", ["x", "0" * 44, "z" * 44, "!" * 44, "0" * 43])
async def test_an_address_that_names_nothing_shows_nothing(
    client: httpx.AsyncClient, place: str
) -> None:
    answer = await client.get(f"/v1/auth/sso/client-keys/{place}")
    assert answer.status_code == 404


async def test_keys_are_made_by_who_may_manage_security_only(
    world: World, globex: Organisation
) -> None:
    for headers, wanted in (
        (await world.organisation.headers(world.client, "manager"), 403),
        (await globex.headers(world.client), 404),
    ):
        assert (await world.client.post(keys_path(world), headers=headers)).status_code == wanted
        assert (await world.client.get(keys_path(world), headers=headers)).status_code == wanted
    assert "client_assertion" not in str(query_of((await world.begin())["redirect_url"]))
