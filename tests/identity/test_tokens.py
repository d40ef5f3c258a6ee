"""The keys that sign access tokens: rotation, what is published, what is remembered."""

import asyncio
import json
from dataclasses import replace
from uuid import UUID

import httpx
import pytest
from joserfc import jws
from joserfc.jwk import ECKey, OctKey

from leanvibe_server.identity import keys, tokens
from leanvibe_server.identity.keys import KeyRing
from leanvibe_server.kernel.config import ConfigError, Settings
from leanvibe_server.kernel.house import House
from tests.conftest import FakeClock
from tests.given import Organisation
from tests.identity.forge import ATTACKER, Forge, ask


async def test_the_real_token_and_its_like_are_let_in(
    client: httpx.AsyncClient, forge: Forge
) -> None:
    assert await ask(client, forge.token) == 200
    assert await ask(client, forge.sign()) == 200


async def test_a_rotated_key_signs_new_tokens_and_old_ones_hold(
    client: httpx.AsyncClient, acme: Organisation, house: House, clock: FakeClock
) -> None:
    old = await acme.token(client)
    old_kid = house.part(KeyRing).signer.kid
    elsewhere = replace(house.part(KeyRing))
    new_kid = await keys.rotate(house)
    assert new_kid != old_kid
    fresh = await acme.token(client)
    assert json.loads(tokens._decode(fresh.split(".")[0]))["kid"] == new_kid
    assert elsewhere.find(new_kid) is None
    assert await elsewhere.refetch(house)
    assert elsewhere.find(new_kid) is not None
    assert await ask(client, fresh) == 200
    assert await ask(client, old) == 200
    published = (await client.get("/.well-known/jwks.json")).json()["keys"]
    assert {old_kid, new_kid} <= {key["kid"] for key in published}


async def test_a_retired_key_leaves_the_ring_after_the_overlap(
    client: httpx.AsyncClient, acme: Organisation, house: House, clock: FakeClock
) -> None:
    old_kid = house.part(KeyRing).signer.kid
    await keys.rotate(house)
    clock.advance(hours=3)
    ring = await keys.load(house)
    assert ring.find(old_kid) is None


async def test_a_key_that_leaked_is_gone_at_once(
    client: httpx.AsyncClient, acme: Organisation, house: House
) -> None:
    old, old_kid = await acme.token(client), house.part(KeyRing).signer.kid
    await keys.rotate(house, at_once=True)
    assert await ask(client, old) == 401
    published = (await client.get("/.well-known/jwks.json")).json()["keys"]
    assert old_kid not in {key["kid"] for key in published}


async def test_a_running_process_takes_over_what_another_rotated(
    house: House, acme: Organisation, monkeypatch: pytest.MonkeyPatch
) -> None:
    await keys.load(house)
    monkeypatch.setattr(keys, "RELOAD_EVERY_S", 0.01)
    elsewhere = replace(house, parts={})
    async with keys.keeping_current(house):
        kid = await keys.rotate(elsewhere)
        async with asyncio.timeout(5):
            while house.part(KeyRing).signer.kid != kid:
                await asyncio.sleep(0.01)


async def test_the_published_keys_are_public_halves_only(client: httpx.AsyncClient) -> None:
    answer = await client.get("/.well-known/jwks.json")
    assert answer.status_code == 200
    for key in answer.json()["keys"]:
        assert set(key) == {"kty", "crv", "x", "y", "kid", "alg", "use"}
        assert (key["alg"], key["use"]) == ("ES256", "sig")


async def test_the_published_key_verifies_a_token_elsewhere(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    token = await acme.token(client)
    kid = json.loads(tokens._decode(token.split(".")[0]))["kid"]
    published = (await client.get("/.well-known/jwks.json")).json()["keys"]
    key = ECKey.import_key(next(key for key in published if key["kid"] == kid))
    assert jws.deserialize_compact(token, key, algorithms=["ES256"]).payload


async def test_a_shared_secret_signs_hs256_and_publishes_nothing(
    house: House, acme: Organisation
) -> None:
    house.settings = replace(house.settings, jwt_secret="s" * 32)
    ring = await keys.load(house)
    person = acme.people["owner"]
    token = tokens.mint(
        house, user_id=person.id, tenant_id=acme.id, session_id=person.id, role="owner"
    )
    now_s = house.clock.now().timestamp()
    claims = tokens.verify(
        token,
        ring,
        tokens.VerifiedTokens(),
        issuer=house.settings.base_url,
        now_s=now_s,
    )
    assert claims.tenant_id == acme.id
    assert ring.jwks() == {"keys": []}
    forged = jws.serialize_compact(
        {"alg": "HS256", "kid": ring.signer.kid, "typ": "at+jwt"},
        tokens._decode(token.split(".")[1]),
        OctKey.import_key("t" * 32),
        algorithms=["HS256"],
    )
    with pytest.raises(tokens.InvalidToken):
        tokens.verify(
            forged,
            ring,
            tokens.VerifiedTokens(),
            issuer=house.settings.base_url,
            now_s=now_s,
        )


@pytest.mark.parametrize("secret", ["short", "s" * 31])
def test_sec_jwt_04_a_short_secret_stops_the_start(secret: str) -> None:
    with pytest.raises(ConfigError, match="JWT_SECRET"):
        Settings.from_env({"JWT_SECRET": secret})


def test_remembered_tokens_are_bounded_and_forgotten_with_their_key() -> None:
    seen = tokens.VerifiedTokens(size=2)
    claims = tokens.Claims(UUID(int=1), UUID(int=2), UUID(int=3), "owner", 1, 2)
    key = keys.BoundKey("k", "ES256", ATTACKER)
    ring = KeyRing(key, {"k": key}, [])
    for digest in (b"a", b"b", b"c"):
        seen.add(digest, "k", claims)
    assert len(seen) == 2
    assert seen.find(b"a", ring) is None
    assert seen.find(b"c", ring) == claims
    ring.by_kid = {}
    assert seen.find(b"c", ring) is None
