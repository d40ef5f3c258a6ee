"""Access tokens that somebody made up or altered."""

import json
from collections.abc import Callable

import asyncpg
import httpx
import pytest
from joserfc import jws

from leanvibe_server.identity import tokens
from leanvibe_server.kernel.house import House
from leanvibe_server.wiring import Doors
from tests.conftest import FakeClock
from tests.given import Organisation
from tests.identity.forge import ATTACKER, Forge, ask, b64
from tests.identity.given_sessions import coming_from

Make = Callable[[Forge], str]


def _unsigned(name: str) -> Make:
    return lambda f: f"{b64(f.header | {'alg': name})}.{f.token.split('.')[1]}."


def _unsigned_without_end(f: Forge) -> str:
    return f"{b64(f.header | {'alg': 'none'})}.{f.token.split('.')[1]}"


def _embedded_jwk(f: Forge) -> str:
    header = f.header | {"jwk": ATTACKER.as_dict(private=False)}
    head, body = b64(header), f.token.split(".")[1]
    signature = jws.JWSRegistry.algorithms["ES256"].sign(f"{head}.{body}".encode(), ATTACKER)
    return f"{head}.{body}.{b64(signature)}"


def _other_key(f: Forge) -> str:
    return jws.serialize_compact(
        f.header, json.dumps(f.claims).encode(), ATTACKER, algorithms=["ES256"]
    )


def _duplicate(segment: str, name: str, value: object) -> Make:
    def make(f: Forge) -> str:
        header, claims = json.dumps(f.header), json.dumps(f.claims)
        extra = f"{{{json.dumps(name)}: {json.dumps(value)}, "
        if segment == "header":
            header = extra + header[1:]
        else:
            claims = extra + claims[1:]
        return f.sign_text(b64(header), b64(claims))

    return make


HOSTILE: dict[str, Make] = {
    **{f"jwt-01 alg {name}": _unsigned(name) for name in ("none", "None", "nOnE", "NONE")},
    "jwt-01 alg none without a third part": _unsigned_without_end,
    "jwt-02 signature emptied": lambda f: f.token.rpartition(".")[0] + ".",
    "jwt-02 signature cut by a byte": lambda f: (
        f.token.rpartition(".")[0] + "." + b64(tokens._decode(f.token.split(".")[2])[:-1])
    ),
    "jwt-02 signature of another token": lambda f: (
        f.token.rpartition(".")[0] + "." + f.sign(role="guest").split(".")[2]
    ),
    "jwt-02 signature of noughts": lambda f: f.token.rpartition(".")[0] + "." + b64(bytes(64)),
    "jwt-03 mac with the public key as PEM": lambda f: f.mac(f.public_pem()),
    "jwt-03 mac with the public key as DER": lambda f: f.mac(f.public_der()),
    "jwt-03 mac with the PEM after blanks": lambda f: f.mac(b"  " + f.public_pem()),
    "jwt-03 mac with the PEM in CRLF": lambda f: f.mac(f.public_pem().replace(b"\n", b"\r\n")),
    "jwt-03 mac with the PEM on one line": lambda f: f.mac(f.public_pem().replace(b"\n", b"")),
    "jwt-04 mac with the empty key": lambda f: f.mac(b""),
    "jwt-05 embedded key": _embedded_jwk,
    "jwt-06 linked key": lambda f: f.sign(header={"jku": "https://evil.example/jwks.json"}),
    "jwt-06 linked certificate": lambda f: f.sign(header={"x5u": "https://evil.example/c.pem"}),
    "jwt-05 another key under our kid": _other_key,
    "jwt-07 kid is a path": lambda f: f.sign(header={"kid": "../../../../dev/null"}),
    "jwt-07 kid is SQL": lambda f: f.sign(header={"kid": "' OR 1=1--"}),
    "jwt-07 kid is 10 kB": lambda f: f.sign(header={"kid": "k" * 10_000}),
    "jwt-07 kid is unknown": lambda f: f.sign(header={"kid": "0190-unknown"}),
    "jwt-07 kid is a list": lambda f: f.sign(header={"kid": ["a"]}),
    "jwt-09 b64 false without crit": lambda f: f.sign(header={"b64": False}),
    "jwt-09 b64 false with crit": lambda f: f.sign(header={"b64": False, "crit": ["b64"]}),
    "jwt-08 unknown crit": lambda f: f.sign(header={"crit": ["exp"]}),
    "jwt-10 JSON form without signatures": lambda f: json.dumps(
        {"payload": f.token.split(".")[1], "signatures": []}
    ),
    "jwt-11 algorithm is not the key's": lambda f: f.sign(header={"alg": "RS256"}),
    "jwt-11 algorithm is a stronger sibling": lambda f: f.sign(header={"alg": "ES384"}),
    "jwt-12 expired an hour ago": lambda f: f.sign(iat=f.now - 7200, exp=f.now - 3600),
    "jwt-12 expired just beyond the leeway": lambda f: f.sign(
        iat=f.now - 3000, exp=f.now - tokens.LEEWAY_S - 1
    ),
    "jwt-13 no exp": lambda f: f.sign(exp=...),
    "jwt-13 exp is text": lambda f: f.sign(exp="9999999999"),
    "jwt-13 exp is a float": lambda f: f.sign(exp=float(f.now + 100)),
    "jwt-13 exp is huge": lambda f: f.sign(exp=1e30),
    "jwt-13 exp is true": lambda f: f.sign(exp=True),
    "jwt-13 exp beyond the policy": lambda f: f.sign(exp=f.now + tokens.LIFETIME_S + 1),
    "jwt-13 exp is Infinity": lambda f: f.sign(exp=float("inf")),
    "jwt-13 exp is more than can be held": lambda f: f.sign(exp=10**400),
    "jwt-13 exp is before all time": lambda f: f.sign(iat=-2, exp=-1),
    "jwt-14 nbf is nothing": lambda f: f.sign(nbf=None),
    "jwt-14 iat is text": lambda f: f.sign(iat=str(f.now)),
    "jwt-14 iat is long ago": lambda f: f.sign(iat=-1),
    "jwt-14 nbf in an hour": lambda f: f.sign(nbf=f.now + 3600),
    "jwt-14 iat in an hour": lambda f: f.sign(iat=f.now + 3600, exp=f.now + 7200),
    "jwt-17 an ID token": lambda f: f.sign(header={"typ": "JWT"}),
    "jwt-17 no type": lambda f: f.sign_text(
        b64({"alg": "ES256", "kid": f.header["kid"]}), f.token.split(".")[1]
    ),
    "jwt-17 a token in a token": lambda f: f.sign(header={"cty": "JWT"}),
    "jwt-17 a packed token": lambda f: f.sign(header={"zip": "DEF"}),
    "jwt-17 a token that says it is a client's": lambda f: f.sign(client_id="lvc_x"),
    "jwt-17 a logout token": lambda f: f.sign(header={"typ": "logout+jwt"}),
    "jwt-19 alg twice": _duplicate("header", "alg", "none"),
    "jwt-19 tid twice": _duplicate("claims", "tid", "00000000-0000-7000-8000-000000000001"),
    "jwt-19 tid twice, once escaped": lambda f: f.sign(
        payload=b'{"ti\\u0064": "0", ' + json.dumps(f.claims).encode()[1:]
    ),
    "jwt-19 a name twice further in": lambda f: f.sign(
        payload=b'{"x": {"a": 1, "a": 2}, ' + json.dumps(f.claims).encode()[1:]
    ),
    "jwt-19 claims in UTF-16": lambda f: f.sign(payload=json.dumps(f.claims).encode("utf-16")),
    "jwt-19 claims behind a byte order mark": lambda f: f.sign(
        payload=json.dumps(f.claims).encode("utf-8-sig")
    ),
    "jwt-19 half a character": lambda f: f.sign(x="\ud800"),
    "jwt-06 a chain of certificates": lambda f: f.sign(header={"x5c": ["AAAA"]}),
    "jwt-15 no issuer": lambda f: f.sign(iss=...),
    "jwt-15 the issuer with a slash": lambda f: f.sign(iss="http://localhost:8765/"),
    "jwt-16 no audience": lambda f: f.sign(aud=...),
    "jwt-15 another issuer": lambda f: f.sign(iss="https://evil.example"),
    "jwt-16 another audience": lambda f: f.sign(aud="billing"),
    "jwt-16 a list of audiences": lambda f: f.sign(aud=["leanvibe", "billing"]),
    "jwt-18 another user's session": lambda f: f.sign(sub="00000000-0000-7000-8000-000000000009"),
    "jwt-18 another tenant": lambda f: f.sign(tid="00000000-0000-7000-8000-000000000009"),
    "sub is no id": lambda f: f.sign(sub=7),
    "no session": lambda f: f.sign(sid=...),
    "payload is a list": lambda f: f.sign(payload=b"[]"),
    "payload is no JSON": lambda f: f.sign(payload=b"{"),
    "payload is deeply nested": lambda f: f.sign(payload=b"[" * 2000 + b"]" * 2000),
    "five parts": lambda f: f.token + ".a.b",
    "padding": lambda f: f.token + "=",
    "blank inside": lambda f: f.token[:20] + " " + f.token[20:],
    "not ASCII": lambda f: f.token[:20] + "\u00e9" + f.token[20:],
    "empty parts": lambda f: "..",
    "a spelling of the same bytes": lambda f: f.token[:-1] + chr(ord(f.token[-1]) + 1),
    "too long": lambda f: f.sign(role="x" * 5000),
}


def hostile(number: str) -> pytest.MarkDecorator:
    """The hostile tokens of one case."""
    return pytest.mark.parametrize("case", [c for c in HOSTILE if c.startswith(f"jwt-{number} ")])


async def expect_refusal(client: httpx.AsyncClient, forge: Forge, case: str) -> None:
    """A hostile token is refused, and the one it was made of still holds."""
    token = HOSTILE[case](forge)
    try:
        token.encode("ascii")
    except UnicodeEncodeError:
        with pytest.raises(tokens.InvalidToken):
            tokens.verify(
                token,
                forge.ring,
                tokens.VerifiedTokens(),
                issuer="http://localhost:8765",
                now_s=forge.now,
            )
        return
    assert await ask(client, token) == 401
    assert await ask(client, forge.token) == 200


@hostile("01")
async def test_sec_jwt_01_an_unsigned_token_is_refused(
    client: httpx.AsyncClient, forge: Forge, case: str
) -> None:
    await expect_refusal(client, forge, case)


@hostile("02")
async def test_sec_jwt_02_a_cut_or_borrowed_signature_is_refused(
    client: httpx.AsyncClient, forge: Forge, case: str
) -> None:
    await expect_refusal(client, forge, case)


@hostile("03")
async def test_sec_jwt_03_our_public_key_is_no_secret_to_sign_with(
    client: httpx.AsyncClient, forge: Forge, case: str
) -> None:
    await expect_refusal(client, forge, case)


@hostile("04")
async def test_sec_jwt_04_an_empty_key_signs_nothing(
    client: httpx.AsyncClient, forge: Forge, case: str
) -> None:
    await expect_refusal(client, forge, case)


@hostile("05")
async def test_sec_jwt_05_a_key_brought_along_is_not_believed(
    client: httpx.AsyncClient, forge: Forge, case: str
) -> None:
    await expect_refusal(client, forge, case)


@hostile("06")
async def test_sec_jwt_06_a_key_to_be_fetched_is_not_fetched(
    client: httpx.AsyncClient, forge: Forge, case: str
) -> None:
    await expect_refusal(client, forge, case)


@hostile("07")
async def test_sec_jwt_07_a_kid_that_is_no_kid_finds_nothing(
    client: httpx.AsyncClient, forge: Forge, case: str
) -> None:
    await expect_refusal(client, forge, case)


@hostile("08")
async def test_sec_jwt_08_a_critical_header_we_do_not_know_is_refused(
    client: httpx.AsyncClient, forge: Forge, case: str
) -> None:
    await expect_refusal(client, forge, case)


@hostile("09")
async def test_sec_jwt_09_an_unencoded_payload_is_refused(
    client: httpx.AsyncClient, forge: Forge, case: str
) -> None:
    await expect_refusal(client, forge, case)


@hostile("10")
async def test_sec_jwt_10_a_token_in_json_form_is_refused(
    client: httpx.AsyncClient, forge: Forge, case: str
) -> None:
    await expect_refusal(client, forge, case)


@hostile("11")
async def test_sec_jwt_11_the_algorithm_is_the_key_s(
    client: httpx.AsyncClient, forge: Forge, case: str
) -> None:
    await expect_refusal(client, forge, case)


@hostile("12")
async def test_sec_jwt_12_an_expired_token_is_refused(
    client: httpx.AsyncClient, forge: Forge, case: str
) -> None:
    await expect_refusal(client, forge, case)


@hostile("13")
async def test_sec_jwt_13_an_end_that_is_no_end_is_refused(
    client: httpx.AsyncClient, forge: Forge, case: str
) -> None:
    await expect_refusal(client, forge, case)


@hostile("14")
async def test_sec_jwt_14_a_token_of_the_future_is_refused(
    client: httpx.AsyncClient, forge: Forge, case: str
) -> None:
    await expect_refusal(client, forge, case)


@hostile("15")
async def test_sec_jwt_15_another_issuer_s_token_is_refused(
    client: httpx.AsyncClient, forge: Forge, case: str
) -> None:
    await expect_refusal(client, forge, case)


@hostile("16")
async def test_sec_jwt_16_a_token_for_somebody_else_is_refused(
    client: httpx.AsyncClient, forge: Forge, case: str
) -> None:
    await expect_refusal(client, forge, case)


@hostile("17")
async def test_sec_jwt_17_another_kind_of_token_is_refused(
    client: httpx.AsyncClient, forge: Forge, case: str
) -> None:
    await expect_refusal(client, forge, case)


@hostile("18")
async def test_sec_jwt_18_a_session_is_that_of_its_user_and_tenant(
    client: httpx.AsyncClient, forge: Forge, case: str
) -> None:
    await expect_refusal(client, forge, case)


@hostile("19")
async def test_sec_jwt_19_a_name_that_comes_twice_is_refused(
    client: httpx.AsyncClient, forge: Forge, case: str
) -> None:
    await expect_refusal(client, forge, case)


@pytest.mark.parametrize("case", [case for case in HOSTILE if not case.startswith("jwt-")])
async def test_sec_jwt_a_malformed_token_is_refused(
    client: httpx.AsyncClient, forge: Forge, case: str
) -> None:
    await expect_refusal(client, forge, case)


async def test_sec_jwt_01_a_forgery_is_noted_once_a_minute_for_an_address(
    client: httpx.AsyncClient, forge: Forge, admin: asyncpg.Connection
) -> None:
    count = "SELECT count(*) FROM events WHERE name = 'token.invalid' AND area = 'auth'"
    before = await admin.fetchval(count)
    for _ in range(3):
        assert await ask(client, HOSTILE["jwt-01 alg none"](forge)) == 401
    assert await admin.fetchval(count) == before + 1


async def test_sec_jwt_01_a_forger_s_whole_network_is_one_address(
    doors: Doors, forge: Forge, admin: asyncpg.Connection
) -> None:
    count = "SELECT count(*) FROM events WHERE name = 'token.invalid' AND area = 'auth'"
    before = await admin.fetchval(count)
    for last in "123":
        async with coming_from(doors, f"2001:db8:99::{last}") as stranger:
            assert await ask(stranger, HOSTILE["jwt-01 alg none"](forge)) == 401
    assert await admin.fetchval(count) == before + 1


async def test_sec_jwt_17_other_secrets_of_the_house_are_no_access_tokens(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    owner = acme.people["owner"]
    answer = await client.post(
        "/v1/auth/login", json={"email": owner.email, "password": owner.password}
    )
    refresh_token = answer.json()["refresh_token"]
    for secret in (refresh_token, refresh_token[3:]):
        assert await ask(client, secret) == 401


async def test_sec_jwt_07_unknown_keys_cause_one_look_per_interval(
    forge: Forge, house: House, clock: FakeClock, client: httpx.AsyncClient
) -> None:
    stranger = forge.sign(header={"kid": "0190-unknown"})
    clock.advance(seconds=11)
    before = clock.now()
    for _ in range(20):
        assert await ask(client, stranger) == 401
    assert forge.ring.looked_at == before
    clock.advance(seconds=5)
    assert await ask(client, stranger) == 401
    assert forge.ring.looked_at == before
