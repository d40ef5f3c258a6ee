"""Access tokens: what is refused, however it is dressed."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest
from cryptography.hazmat.primitives import serialization
from joserfc import jws
from joserfc.jwk import ECKey, OctKey

from leanvibe_server.identity import keys, tokens
from leanvibe_server.identity.keys import KeyRing
from leanvibe_server.kernel.config import ConfigError, Settings
from leanvibe_server.kernel.house import House
from tests.conftest import FakeClock
from tests.given import Organisation


def b64(value: bytes | str | dict[str, Any]) -> str:
    if isinstance(value, dict):
        value = json.dumps(value)
    if isinstance(value, str):
        value = value.encode()
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


@dataclass
class Forge:
    """A real token, its parts, and the means to make others like it."""

    token: str
    ring: KeyRing
    now: int

    @property
    def header(self) -> dict[str, Any]:
        return dict(json.loads(tokens._decode(self.token.split(".")[0])))

    @property
    def claims(self) -> dict[str, Any]:
        return dict(json.loads(tokens._decode(self.token.split(".")[1])))

    def sign(
        self,
        *,
        header: dict[str, Any] | None = None,
        payload: bytes | None = None,
        **claims: Any,
    ) -> str:
        """A token signed with the house's own key, with other contents."""
        body = payload
        if body is None:
            merged = {k: v for k, v in (self.claims | claims).items() if v is not ...}
            body = json.dumps(merged).encode()
        head = b64(self.header | (header or {}))
        return self.sign_text(head, b64(body))

    def sign_text(self, head: str, body: str) -> str:
        """The house's signature under any two segments."""
        key = self.ring.signer.key
        assert isinstance(key, ECKey)
        algorithm = jws.JWSRegistry.algorithms["ES256"]
        signature = algorithm.sign(f"{head}.{body}".encode(), key)
        return f"{head}.{body}.{b64(signature)}"

    def mac(self, secret: bytes, **header: Any) -> str:
        """An HS256 token over the same contents."""
        head = b64(self.header | {"alg": "HS256"} | header)
        body = self.token.split(".")[1]
        digest = hmac.digest(secret, f"{head}.{body}".encode(), hashlib.sha256)
        return f"{head}.{body}.{b64(digest)}"

    def public_pem(self) -> bytes:
        key = self.ring.signer.key
        assert isinstance(key, ECKey)
        return key.as_pem(private=False)

    def public_der(self) -> bytes:
        loaded = serialization.load_pem_public_key(self.public_pem())
        return loaded.public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )


@pytest.fixture
async def forge(
    client: httpx.AsyncClient, acme: Organisation, house: House, clock: FakeClock
) -> Forge:
    return Forge(await acme.token(client), house.part(KeyRing), int(clock.now().timestamp()))


async def ask(client: httpx.AsyncClient, token: str) -> int:
    answer = await client.get("/v1/auth/me", headers={"Authorization": f"Bearer {token}"})
    if answer.status_code == 401:
        assert answer.json()["error"] == "unauthorized"
        assert answer.headers["www-authenticate"].startswith("Bearer")
    return answer.status_code


async def test_the_real_token_and_its_like_are_let_in(
    client: httpx.AsyncClient, forge: Forge
) -> None:
    assert await ask(client, forge.token) == 200
    assert await ask(client, forge.sign()) == 200


Make = Callable[[Forge], str]
ATTACKER = ECKey.generate_key("P-256")


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
    "jwt-14 nbf in an hour": lambda f: f.sign(nbf=f.now + 3600),
    "jwt-14 iat in an hour": lambda f: f.sign(iat=f.now + 3600, exp=f.now + 7200),
    "jwt-17 an ID token": lambda f: f.sign(header={"typ": "JWT"}),
    "jwt-17 no type": lambda f: f.sign_text(
        b64({"alg": "ES256", "kid": f.header["kid"]}), f.token.split(".")[1]
    ),
    "jwt-17 a logout token": lambda f: f.sign(header={"typ": "logout+jwt"}),
    "jwt-19 alg twice": _duplicate("header", "alg", "none"),
    "jwt-19 tid twice": _duplicate("claims", "tid", "00000000-0000-7000-8000-000000000001"),
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
    assert forge.ring.loaded_at == before
    clock.advance(seconds=5)
    assert await ask(client, stranger) == 401
    assert forge.ring.loaded_at == before


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
    clock.advance(seconds=11)
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
    ring = KeyRing(key, {"k": key}, [], datetime(2026, 1, 1, tzinfo=UTC))
    for digest in (b"a", b"b", b"c"):
        seen.add(digest, "k", claims)
    assert len(seen) == 2
    assert seen.find(b"a", ring) is None
    assert seen.find(b"c", ring) == claims
    ring.by_kid = {}
    assert seen.find(b"c", ring) is None
