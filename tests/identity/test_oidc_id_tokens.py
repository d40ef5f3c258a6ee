"""What an ID token must be to be believed, and the keys that sign it."""

import json
from typing import Any

import asyncpg
import httpx
import pytest
from joserfc import jws
from joserfc.jwk import OctKey

from tests.conftest import FakeClock
from tests.fakes.oidc_provider import (
    CLIENT_ID,
    CLIENT_SECRET,
    Person,
    b64,
    new_key,
    new_rsa_key,
    public,
    signed,
    unsigned,
)
from tests.identity.oidc_world import World, query_of, refused, sessions_of


@pytest.mark.parametrize("bent", ["missing", "different", "replayed", "number"])
async def test_sec_oauth_oidc_rp_02_the_nonce_is_that_of_this_sign_in(
    world: World, admin: asyncpg.Connection, bent: str
) -> None:
    earlier = query_of((await world.begin())["redirect_url"])["nonce"]
    before = await sessions_of(admin, world)

    def bend(claims: dict[str, Any]) -> None:
        if bent == "missing":
            del claims["nonce"]
        else:
            claims["nonce"] = {"different": "x" * 43, "replayed": earlier, "number": 7}[bent]

    world.idp.bend_claims = bend
    await refused(world, "provider_answer_invalid")
    assert await sessions_of(admin, world) == before


async def test_sec_oauth_oidc_rp_09_the_client_secret_is_no_signing_key(world: World) -> None:
    secret = OctKey.import_key(CLIENT_SECRET)
    world.idp.sign = lambda header, claims: signed({"alg": "HS256"}, claims, secret)
    await refused(world, "provider_answer_invalid")
    public_key = OctKey.import_key(str(public(world.idp.key)))
    world.idp.sign = lambda header, claims: signed(header | {"alg": "HS256"}, claims, public_key)
    await refused(world, "provider_answer_invalid")
    # Not even where the provider itself says that it would.
    world.idp.bend_metadata = lambda document: document.update(
        id_token_signing_alg_values_supported=["HS256", "none", "ES256"]
    )
    world.idp.sign = lambda header, claims: unsigned(claims)
    await refused(world, "provider_answer_invalid")


async def test_sec_oauth_oidc_rp_12_a_key_signs_by_its_own_algorithm_only(world: World) -> None:
    rsa = new_rsa_key("rsa")
    world.idp.keys = [*world.idp.keys, public(rsa) | {"alg": "RS256"}]
    world.idp.sign = lambda header, claims: signed({"alg": "RS256", "kid": "rsa"}, claims, rsa)
    assert (await world.sign_in()).status_code == 200
    world.idp.sign = lambda header, claims: signed({"alg": "PS256", "kid": "rsa"}, claims, rsa)
    await refused(world, "provider_answer_invalid")
    world.idp.sign = lambda header, claims: signed({"alg": "RS256", "kid": "first"}, claims, rsa)
    await refused(world, "provider_answer_invalid")


@pytest.mark.parametrize(
    "bend",
    [
        {"iss": "https://evil.example"},
        {"iss": "https://idp.example.com/"},
        {"aud": "another client"},
        {"aud": [CLIENT_ID, "another client"]},
        {"aud": [CLIENT_ID, "another client"], "azp": "another client"},
        {"azp": "another client"},
        {"aud": None},
        {"exp": 1},
        {"exp": None},
        {"exp": "tomorrow"},
        {"exp": True},
        {"iat": None},
        {"iat": 1},
        {"iat": 9_999_999_999},
        {"nbf": 9_999_999_999},
        {"sub": None},
        {"sub": ""},
        {"sub": 7},
        {"sub": "x" * 256},
        {"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"},
        {"events": {"http://schemas.openid.net/event/backchannel-logout": {}}},
    ],
    ids=str,
)
async def test_sec_oauth_oidc_rp_13_an_id_token_is_for_this_client_and_this_moment(
    world: World, bend: dict[str, Any]
) -> None:
    world.idp.bend_claims = lambda claims: claims.update(bend)
    await refused(world, "provider_answer_invalid")


@pytest.mark.parametrize(
    "header",
    [{"typ": "at+jwt"}, {"typ": "logout+jwt"}, {"crit": ["exp"], "exp": 1}, {"kid": ["first"]}],
    ids=str,
)
async def test_sec_oauth_oidc_rp_13_a_token_of_another_kind_is_no_id_token(
    world: World, header: dict[str, Any]
) -> None:
    world.idp.sign = lambda plain, claims: _raw(plain | header, claims, world)
    await refused(world, "provider_answer_invalid")


def _raw(header: dict[str, Any], claims: dict[str, Any], world: World) -> str:
    """A token whose header is not what the library would write."""
    good = signed({"alg": "ES256", "kid": "first"}, claims, world.idp.key)
    _, payload, signature = good.split(".")
    return f"{b64(httpx.Response(200, json=header).content)}.{payload}.{signature}"


def _sign_text(world: World, header: str, claims: str) -> str:
    """The provider's signature under any text."""
    head, body = b64(header.encode()), b64(claims.encode())
    signature = jws.JWSRegistry.algorithms["ES256"].sign(f"{head}.{body}".encode(), world.idp.key)
    return f"{head}.{body}.{b64(signature)}"


@pytest.mark.parametrize(
    ("into_header", "into_claims"),
    [
        ('"alg": "none", ', ""),
        ("", '"sub": "somebody else", '),
        ("", '"nonce": "another", '),
        ("", f'"deep": {"[" * 3_000}{"]" * 3_000}, '),
        ("", f'"exp": {10**400}, '),
        ("", f'"auth_time": 1{"0" * 400}, '),
        ("", '"auth_time": 1e999, '),
        ("", '"name": "\\ud800", '),
    ],
    ids=["alg", "sub", "nonce", "deep", "exp", "auth_time", "endless", "half a character"],
)
async def test_sec_oauth_oidc_rp_13_an_id_token_reads_in_one_way_only(
    world: World, into_header: str, into_claims: str
) -> None:
    def write(header: dict[str, Any], claims: dict[str, Any]) -> str:
        head, body = (json.dumps(part)[1:] for part in (header, claims))
        return _sign_text(world, f"{{{into_header}{head}", f"{{{into_claims}{body}")

    world.idp.sign = write
    await refused(world, "provider_answer_invalid")


@pytest.mark.parametrize("token", ["\u00e9", "a\r\nX-Evil: 1", "a b", ""])
async def test_an_access_token_that_no_header_holds_is_none(world: World, token: str) -> None:
    def without_hash(header: dict[str, Any], claims: dict[str, Any]) -> str:
        del claims["at_hash"]
        return _sign_text(world, json.dumps(header), json.dumps(claims))

    world.idp.sign = without_hash
    assert (await world.sign_in()).status_code == 200
    world.idp.bend_tokens = lambda tokens: tokens.update(access_token=token)
    await refused(world, "provider_answer_invalid")


@pytest.mark.parametrize("sub", ["somebody else", None, 7])
async def test_sec_oauth_oidc_rp_14_userinfo_speaks_of_the_same_subject(
    world: World, sub: Any
) -> None:
    world.idp.bend_userinfo = lambda claims: claims.update(sub=sub)
    await refused(world, "provider_answer_invalid")


async def test_sec_oauth_oidc_rp_14_userinfo_does_not_overrule_the_id_token(world: World) -> None:
    world.idp.bend_userinfo = lambda claims: claims.update(
        email="owner@corp.example", email_verified=True, groups=["a"]
    )
    answer = await world.sign_in(Person(email="ada@corp.example", email_verified=False))
    assert answer.json()["user"]["email"] == "ada@corp.example"


async def test_sec_oauth_oidc_rp_15_a_new_key_is_asked_for_but_not_at_anybody_s_pleasure(
    world: World, clock: FakeClock
) -> None:
    assert (await world.sign_in()).status_code == 200
    assert world.idp.calls_to("/jwks") == 1
    clock.advance(minutes=1)
    world.idp.rotate("second")
    assert (await world.sign_in()).status_code == 200
    assert world.idp.calls_to("/jwks") == 2
    forged = new_key("made up")
    world.idp.sign = lambda header, claims: signed(
        header | {"kid": f"made up {claims['nonce']}"}, claims, forged
    )
    for _ in range(5):
        await refused(world, "provider_answer_invalid")
    assert world.idp.calls_to("/jwks") == 2


async def test_sec_oauth_oidc_rp_15_a_key_that_was_taken_away_signs_no_more(
    world: World, clock: FakeClock
) -> None:
    assert (await world.sign_in()).status_code == 200
    old = world.idp.key
    world.idp.rotate("second", keep_old=False)
    clock.advance(hours=2)
    world.idp.sign = lambda header, claims: signed({"alg": "ES256", "kid": "first"}, claims, old)
    await refused(world, "provider_answer_invalid")


@pytest.mark.parametrize(
    "keys",
    [
        "nothing",
        [],
        [{"kty": "oct", "k": "c2VjcmV0", "kid": "first"}],
        [{"kty": "EC", "kid": "first"}],
        [7, None, {}],
        "encryption",
        "twice",
    ],
    ids=str,
)
async def test_sec_oauth_oidc_rp_15_a_key_set_that_does_not_hold_lets_nobody_in(
    world: World, keys: Any
) -> None:
    good = public(world.idp.key)
    bent: dict[Any, Any] = {
        "nothing": None,
        "encryption": [good | {"use": "enc"}],
        "twice": [good, public(new_key("first"))],
    }
    world.idp.keys = bent[keys] if isinstance(keys, str) else keys
    answer = await world.sign_in()
    assert answer.status_code in (400, 503)


async def test_an_answer_without_an_id_token_lets_nobody_in(world: World) -> None:
    for bend in (
        {"id_token": None},
        {"id_token": "a.b.c"},
        {"id_token": "no token"},
        {"token_type": "mac"},
        {"id_token": "x" * 40_000},
    ):
        world.idp.bend_tokens = lambda tokens, bend=bend: tokens.update(bend)
        await refused(world, "provider_answer_invalid")
