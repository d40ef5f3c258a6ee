"""Security keys and passkeys: what is taken, and what is not."""

import asyncio
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest

from leanvibe_server.kernel.house import House
from tests.conftest import FakeClock
from tests.given import Organisation
from tests.identity.given_sessions import bearer, names_of_events, set_policy, sign_in, status
from tests.identity.mfa.authenticator import BE, BS, UP, UV, Key, encode
from tests.identity.mfa.given_factors import begin, enrol, post, totp_code

EVIL = [
    {"origin": "https://evil.example"},
    {"origin": "http://sub.localhost:8765"},
    {"origin": "https://localhost:8765"},
    {"origin": "http://localhost:8766"},
    {"origin": "http://localhost"},
    {"origin": "null"},
    {"crossOrigin": True},
    {"crossOrigin": "true"},
    {"topOrigin": "https://evil.example"},
    {"challenge": encode(bytes(32))},
    {"type": "payment.get"},
]


async def register(
    client: httpx.AsyncClient,
    organisation: Organisation,
    role: str = "owner",
    key: Key | None = None,
    tokens: dict[str, Any] | None = None,
    **wrong: Any,
) -> tuple[Key, httpx.Response]:
    """Register a key of the person of a role; the key, and what the API said of it."""
    key = key or Key()
    headers = bearer(tokens or await sign_in(client, organisation, role))
    begun = await post(client, "/auth/mfa/setup", headers, method="webauthn")
    assert begun.status_code == 200, begun.text
    answer = key.create(begun.json()["options"], **wrong)
    done = await post(client, "/auth/mfa/verify", headers, method="webauthn", credential=answer)
    return key, done


async def key_of(client: httpx.AsyncClient, organisation: Organisation, role: str = "owner") -> Key:
    key, done = await register(client, organisation, role)
    assert done.status_code == 200, done.text
    return key


async def asked(
    client: httpx.AsyncClient, organisation: Organisation, role: str = "owner"
) -> tuple[str, dict[str, Any]]:
    """A waiting sign-in, and what its key is to sign."""
    token = (await begin(client, organisation, role))["mfa_token"]
    step = await post(client, "/auth/mfa/challenge", mfa_token=token, method="webauthn")
    assert step.status_code == 200, step.text
    return token, step.json()["options"]


async def finish(client: httpx.AsyncClient, token: str, answer: dict[str, Any]) -> httpx.Response:
    return await post(client, "/auth/mfa/challenge", mfa_token=token, credential=answer)


async def by_passkey(client: httpx.AsyncClient, key: Key, **wrong: Any) -> httpx.Response:
    """Sign in with a passkey alone."""
    offer = (await post(client, "/auth/passkeys/options")).json()
    assert offer["options"]["userVerification"] == "required"
    answer = key.get(offer["options"], **wrong)
    return await post(
        client, "/auth/passkeys/login", passkey_token=offer["passkey_token"], credential=answer
    )


async def test_a_key_confirms_a_sign_in_and_a_passkey_is_one(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    key = await key_of(client, acme)
    token, options = await asked(client, acme)
    done = await finish(client, token, key.get(options))
    assert done.status_code == 200, done.text
    alone = await by_passkey(client, key)
    assert alone.status_code == 200, alone.text
    assert alone.json()["user"]["id"] == str(acme.people["owner"].id)
    me = (await client.get("/v1/auth/me", headers=bearer(alone.json()))).json()
    assert set(me["session"]["amr"]) == {"hwk", "user", "mfa"}


async def test_a_key_brings_backup_codes_with_it_once(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    tokens = await sign_in(client, acme)
    begun = await post(client, "/auth/mfa/setup", bearer(tokens), method="webauthn")
    assert len(begun.json()["backup_codes"]) == 8
    await post(
        client, "/auth/mfa/verify", bearer(tokens), method="webauthn",
        credential=Key().create(begun.json()["options"]),
    )  # fmt: skip
    second = (await post(client, "/auth/mfa/setup", bearer(tokens), method="webauthn")).json()
    assert second["backup_codes"] is None
    assert len(second["options"]["excludeCredentials"]) == 1


@pytest.mark.parametrize("wrong", EVIL, ids=str)
async def test_sec_webauthn_01_an_answer_made_elsewhere_is_refused(
    client: httpx.AsyncClient, acme: Organisation, wrong: dict[str, Any]
) -> None:
    key = await key_of(client, acme)
    token, options = await asked(client, acme)
    assert (await finish(client, token, key.get(options, **wrong))).status_code == 401
    assert (await by_passkey(client, key, **wrong)).status_code == 401
    _, refused = await register(client, acme, "admin", **wrong)
    assert (refused.status_code, refused.json()["details"]["reason"]) == (400, "key_not_registered")


@pytest.mark.parametrize("told", [b"[" * 100_000, b'{"a":' * 50_000, b"\xff", b"NaN"])
async def test_sec_webauthn_01_what_is_no_client_data_is_refused(
    client: httpx.AsyncClient, acme: Organisation, told: bytes
) -> None:
    key = await key_of(client, acme)
    offer = (await post(client, "/auth/passkeys/options")).json()
    answer = key.get(offer["options"])
    answer["response"]["clientDataJSON"] = encode(told)
    refused = await post(
        client, "/auth/passkeys/login", passkey_token=offer["passkey_token"], credential=answer
    )
    assert refused.status_code == 401
    token, _ = await asked(client, acme)
    assert (await finish(client, token, answer)).status_code == 401


async def test_sec_webauthn_02_an_answer_for_another_site_is_refused(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    key = await key_of(client, acme)
    token, options = await asked(client, acme)
    assert (await finish(client, token, key.get(options, rp="evil.example"))).status_code == 401
    assert (await by_passkey(client, key, rp="sub.localhost")).status_code == 401
    _, refused = await register(client, acme, "admin", rp="evil.example")
    assert refused.status_code == 400


async def test_sec_webauthn_03_a_challenge_is_answered_once_by_whom_it_was_for(
    client: httpx.AsyncClient, acme: Organisation, clock: FakeClock
) -> None:
    key = await key_of(client, acme)
    token, options = await asked(client, acme)
    other_token, _ = await asked(client, acme)
    answer = key.get(options)
    assert (await finish(client, other_token, answer)).status_code == 401
    assert (await finish(client, token, answer)).status_code == 200
    assert (await finish(client, token, answer)).status_code == 401
    never = (await begin(client, acme))["mfa_token"]
    assert (await finish(client, never, answer)).status_code == 401
    token, options = await asked(client, acme)
    clock.advance(minutes=5)
    assert (await finish(client, token, key.get(options))).status_code == 401


async def test_sec_webauthn_03_a_passkey_s_challenge_is_spent_by_the_first_look(
    client: httpx.AsyncClient, acme: Organisation, clock: FakeClock
) -> None:
    key = await key_of(client, acme)
    offer = (await post(client, "/auth/passkeys/options")).json()
    body = {"passkey_token": offer["passkey_token"], "credential": key.get(offer["options"])}
    answers = await asyncio.gather(
        *(post(client, "/auth/passkeys/login", **body) for _ in range(4))
    )
    assert sorted(answer.status_code for answer in answers) == [200, 401, 401, 401]
    offer = (await post(client, "/auth/passkeys/options")).json()
    wrong = key.get(offer["options"], origin="https://evil.example")
    for credential in (wrong, key.get(offer["options"])):
        answer = await post(
            client, "/auth/passkeys/login", passkey_token=offer["passkey_token"],
            credential=credential,
        )  # fmt: skip
        assert answer.status_code == 401
    offer = (await post(client, "/auth/passkeys/options")).json()
    clock.advance(minutes=5)
    late = await post(
        client, "/auth/passkeys/login", passkey_token=offer["passkey_token"],
        credential=key.get(offer["options"]),
    )  # fmt: skip
    assert late.status_code == 401


async def test_sec_webauthn_04_a_registration_is_no_sign_in_and_none_is_a_registration(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    key = await key_of(client, acme)
    token, options = await asked(client, acme)
    as_creation = Key(credential_id=key.credential_id, private=key.private).create(
        {**options, "user": {"id": encode(key.handle)}}
    )
    assert (await finish(client, token, as_creation)).status_code == 401
    headers = bearer(await sign_in(client, acme, "admin"))
    begun = (await post(client, "/auth/mfa/setup", headers, method="webauthn")).json()
    as_assertion = Key().get(begun["options"])
    done = await post(
        client, "/auth/mfa/verify", headers, method="webauthn", credential=as_assertion
    )
    assert done.status_code == 400


async def test_sec_webauthn_05_presence_always_and_verification_where_it_is_all_there_is(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    key = await key_of(client, acme)
    assert (await by_passkey(client, key, flags=UP)).status_code == 401
    assert (await by_passkey(client, key, flags=UV)).status_code == 401
    token, options = await asked(client, acme)
    assert (await finish(client, token, key.get(options, flags=UV))).status_code == 401
    token, options = await asked(client, acme)
    assert (await finish(client, token, key.get(options, flags=UP))).status_code == 200
    _, refused = await register(client, acme, "admin", flags=0)
    assert refused.status_code == 400


async def test_sec_webauthn_06_a_counter_that_does_not_grow_is_refused_and_noted(
    client: httpx.AsyncClient, acme: Organisation, admin: asyncpg.Connection
) -> None:
    key = await key_of(client, acme)
    for count, expected in ((0, 200), (0, 200), (5, 200), (5, 401), (4, 401), (0, 401), (6, 200)):
        assert (await by_passkey(client, key, count=count)).status_code == expected, count
    token, options = await asked(client, acme)
    assert (await finish(client, token, key.get(options, count=6))).status_code == 401
    noted = await admin.fetchval(
        "SELECT count(*) FROM events WHERE tenant_id = $1 AND name = 'mfa.failed'"
        " AND payload ->> 'reason' LIKE '%copied%'",
        acme.id,
    )
    assert noted == 4


@pytest.mark.parametrize("algorithm", [-257, -8, -65535, 0])
async def test_sec_webauthn_07_a_key_of_another_algorithm_than_it_says_is_refused(
    client: httpx.AsyncClient, acme: Organisation, algorithm: int
) -> None:
    key, done = await register(client, acme, algorithm=algorithm)
    if done.status_code == 200:
        # What cannot be told at the registration fails with the first signature.
        token, options = await asked(client, acme)
        assert (await finish(client, token, key.get(options))).status_code == 401
    else:
        assert done.status_code == 400


async def test_sec_webauthn_07_a_wrong_signature_is_refused(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    key = await key_of(client, acme)
    forger = Key(credential_id=key.credential_id, handle=key.handle)
    token, options = await asked(client, acme)
    assert (await finish(client, token, forger.get(options))).status_code == 401
    assert (await by_passkey(client, forger)).status_code == 401


async def test_sec_webauthn_08_backup_flags_must_make_sense_and_stay(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    key = await key_of(client, acme)
    assert (await by_passkey(client, key, flags=UP | UV | BS)).status_code == 401
    assert (await by_passkey(client, key, flags=UP | UV | BE | BS)).status_code == 401
    _, refused = await register(client, acme, "admin", flags=UP | UV | BS)
    assert refused.status_code == 400
    synced, done = await register(client, acme, "admin", flags=UP | UV | BE)
    assert done.status_code == 200
    assert (await by_passkey(client, synced, flags=UP | UV)).status_code == 401
    assert (await by_passkey(client, synced, flags=UP | UV | BE | BS)).status_code == 200


@pytest.mark.parametrize(
    "attestation",
    [
        ("none", {"alg": -7}),
        ("packed", {"alg": -7, "sig": b"x" * 70}),
        ("tpm", {}),
        ("android-safetynet", {"ver": "1", "response": b"x"}),
        ("apple", {}),
        ("compound", []),
        ("made-up", {}),
    ],
    ids=lambda one: one[0],
)
async def test_sec_webauthn_09_a_statement_that_does_not_hold_is_refused(
    client: httpx.AsyncClient, acme: Organisation, attestation: tuple[str, Any]
) -> None:
    _, refused = await register(client, acme, attestation=attestation)
    assert refused.status_code == 400, refused.text


async def test_sec_webauthn_10_only_the_person_s_own_key_counts(
    client: httpx.AsyncClient, acme: Organisation, globex: Organisation
) -> None:
    mine = await key_of(client, acme)
    theirs = await key_of(client, acme, "admin")
    token, options = await asked(client, acme)
    assert (await finish(client, token, theirs.get(options))).status_code == 401
    token, options = await asked(client, acme)
    wrong_handle = mine.get(options, handle=theirs.handle)
    assert (await finish(client, token, wrong_handle)).status_code == 401
    elsewhere = globex.id.bytes + globex.people["owner"].id.bytes
    for handle in (theirs.handle, elsewhere, b"x", uuid4().bytes + uuid4().bytes):
        assert (await by_passkey(client, mine, handle=handle)).status_code == 401


async def test_sec_webauthn_11_a_credential_is_registered_once_on_the_platform(
    client: httpx.AsyncClient, acme: Organisation, globex: Organisation
) -> None:
    key = await key_of(client, acme)
    answers = []
    for organisation, role in ((acme, "admin"), (globex, "owner")):
        copy = Key(credential_id=key.credential_id)
        _, refused = await register(client, organisation, role, key=copy)
        answers.append((refused.status_code, refused.json()["message"]))
    _, malformed = await register(client, acme, "viewer", rp="evil.example")
    answers.append((malformed.status_code, malformed.json()["message"]))
    # The answer is that to any key that does not hold.
    assert len(set(answers)) == 1
    assert answers[0][0] == 400
    short = Key(credential_id=b"guessable")
    _, refused = await register(client, acme, "developer", key=short)
    assert refused.status_code == 400
    assert (await by_passkey(client, key)).status_code == 200


async def test_a_key_that_was_removed_may_be_registered_again(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    tokens = await sign_in(client, acme)
    key, _ = await register(client, acme, tokens=tokens)
    [factor] = (await client.get("/v1/auth/mfa", headers=bearer(tokens))).json()["data"]
    gone = await client.delete(f"/v1/auth/mfa/{factor['id']}", headers=bearer(tokens))
    assert gone.status_code == 204
    assert (await by_passkey(client, key)).status_code == 401
    _, again = await register(client, acme, key=key)
    assert again.status_code == 200


async def test_a_passkey_opens_no_closed_account_and_no_door_the_policy_shuts(
    client: httpx.AsyncClient, house: House, acme: Organisation, admin: asyncpg.Connection
) -> None:
    key = await key_of(client, acme, "developer")
    await set_policy(house, acme, allowed_networks=["203.0.113.0/24"])
    assert (await by_passkey(client, key)).status_code == 403
    await set_policy(house, acme, mfa_methods=["totp"])
    refused = await by_passkey(client, key)
    assert refused.status_code in (401, 403)
    assert "access_token" not in refused.json()
    await set_policy(house, acme)
    await admin.execute(
        "UPDATE users SET status = 'disabled' WHERE id = $1", acme.people["developer"].id
    )
    assert (await by_passkey(client, key)).status_code == 401


async def test_a_key_proves_its_bearer_once_more(
    client: httpx.AsyncClient, acme: Organisation, clock: FakeClock
) -> None:
    tokens = await sign_in(client, acme)
    key, _ = await register(client, acme, tokens=tokens)
    clock.advance(minutes=11)
    step = await post(client, "/auth/mfa/step-up", bearer(tokens), method="webauthn")
    answer = key.get(step.json()["options"])
    proved = await post(client, "/auth/step-up", bearer(tokens), credential=answer)
    assert proved.status_code == 200, proved.text
    again = await post(client, "/auth/step-up", bearer(proved.json()), credential=answer)
    assert again.status_code == 403


async def test_an_administrator_resets_what_somebody_lost(
    client: httpx.AsyncClient, acme: Organisation, clock: FakeClock, admin: asyncpg.Connection
) -> None:
    theirs = await enrol(client, acme, clock, "developer")
    owner = bearer(await sign_in(client, acme))
    path = f"/users/{acme.people['developer'].id}/mfa/reset"
    assert (await post(client, path, bearer(theirs))).status_code == 403
    waiting = (await begin(client, acme, "developer"))["mfa_token"]
    done = await post(client, path, owner)
    assert done.status_code == 200, done.text
    assert await status(client, theirs) == 401
    late = await post(
        client, "/auth/mfa/challenge", mfa_token=waiting, code=totp_code(theirs["secret"], clock)
    )
    assert late.status_code == 401
    assert "mfa.reset" in await names_of_events(admin, acme)
    await sign_in(client, acme, "developer")
    above = await post(
        client, f"/users/{acme.people['owner'].id}/mfa/reset",
        bearer(await sign_in(client, acme, "admin")),
    )  # fmt: skip
    assert above.status_code == 403
    own = await post(client, f"/users/{acme.people['owner'].id}/mfa/reset", owner)
    assert own.status_code == 403
