"""Single logout, begun by either side."""

import time
import zlib
from base64 import b64decode, b64encode
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import httpx
import pytest
from lxml import etree

from leanvibe_server.identity.saml import logout
from leanvibe_server.identity.saml.bindings import from_address, inflate
from leanvibe_server.identity.visits import scope_in
from tests.conftest import FakeClock
from tests.given import Organisation
from tests.identity.saml.documents import (
    OTHER,
    Pair,
    at,
    in_address,
    logout_request,
    sign,
    signed_response,
)
from tests.identity.saml.provider import Connected, connect, deliver, visit_to

SUCCESS = "urn:oasis:names:tc:SAML:2.0:status:Success"


async def sign_in(client: httpx.AsyncClient, corp: Connected, name: str, **said: Any) -> str:
    """An access token of somebody of the provider."""
    flow = await corp.set_off()
    email = f"{name}@{corp.tenant.tenant.slug}.example"
    facts = flow.facts(
        name_id=email,
        attributes={"email": [email]},
        assertion_id=f"_{name}{said.get('session_index', '')}",
        **said,
    )
    answer = await deliver(client, flow, signed_response(facts))
    assert answer.status_code == 200, answer.text
    return str(answer.json()["access_token"])


async def holds(client: httpx.AsyncClient, token: str) -> bool:
    answer = await client.get("/v1/auth/me", headers={"Authorization": f"Bearer {token}"})
    return answer.status_code == 200


def wish(corp: Connected, name: str, **said: Any) -> str:
    return logout_request(
        destination=f"{corp.base}/slo",
        name_id=f"{name}@{corp.tenant.tenant.slug}.example",
        **({"now": corp.house.clock.now()} | said),
    )


async def ask(client: httpx.AsyncClient, corp: Connected, query: str) -> httpx.Response:
    return await client.get(f"{corp.base}/slo?{query}")


def status_in(answer: httpx.Response) -> tuple[str, Any]:
    """The status we answer a logout with, and the message itself."""
    assert answer.status_code == 303, answer.text
    query = urlsplit(answer.headers["location"]).query
    root: Any = etree.fromstring(from_address(query.encode()).document)
    codes = root.xpath("//*[local-name()='StatusCode']/@Value")
    return str(codes[-1]), root


async def test_the_provider_ends_the_session_it_names(
    client: httpx.AsyncClient, corp: Connected
) -> None:
    first = await sign_in(client, corp, "jane", session_index="_one")
    second = await sign_in(client, corp, "jane", session_index="_two")
    text = wish(corp, "jane", indexes=("_one",))
    answer = await ask(client, corp, in_address(text, relay_state="theirs"))
    status, root = status_in(answer)
    assert (status, root.get("InResponseTo")) == (SUCCESS, "_logout")
    query = parse_qs(urlsplit(answer.headers["location"]).query)
    assert query["RelayState"] == ["theirs"]
    assert "Signature" in query
    assert not await holds(client, first)
    assert await holds(client, second)


async def test_without_an_index_every_session_of_the_person_ends(
    client: httpx.AsyncClient, corp: Connected
) -> None:
    tokens = [await sign_in(client, corp, "jane", session_index=f"_{n}") for n in range(2)]
    other = await sign_in(client, corp, "june", session_index="_0")
    await ask(client, corp, in_address(wish(corp, "jane")))
    assert [await holds(client, token) for token in tokens] == [False, False]
    assert await holds(client, other)


async def test_a_request_may_come_by_form(client: httpx.AsyncClient, corp: Connected) -> None:
    token = await sign_in(client, corp, "jane")
    text = sign(wish(corp, "jane"))
    fields = {"SAMLRequest": b64encode(text.encode()).decode()}
    answer = await client.post(f"{corp.base}/slo", data=fields)
    assert status_in(answer)[0] == SUCCESS
    assert not await holds(client, token)


async def test_sec_saml_sp_35_an_unsigned_request_ends_nothing(
    client: httpx.AsyncClient, corp: Connected
) -> None:
    token = await sign_in(client, corp, "jane")
    text = wish(corp, "jane")
    by_form = {"SAMLRequest": b64encode(text.encode()).decode()}
    assert (await ask(client, corp, in_address(text, pair=None))).status_code == 401
    assert (await ask(client, corp, in_address(text, pair=OTHER))).status_code == 401
    assert (await client.post(f"{corp.base}/slo", data=by_form)).status_code in (400, 401)
    good = in_address(text)
    for before, after in (("SigAlg=", "SigAlg=x"), ("rsa-sha256", "rsa-sha1")):
        assert (await ask(client, corp, good.replace(before, after))).status_code in (400, 401)
    moved = good + "&RelayState=added"
    assert (await ask(client, corp, moved)).status_code == 401
    twice = good + "&SAMLRequest=AAAA"
    assert (await ask(client, corp, twice)).status_code == 400
    assert await holds(client, token)


async def test_sec_saml_sp_35_a_replayed_request_is_refused(
    client: httpx.AsyncClient, corp: Connected, clock: FakeClock
) -> None:
    await sign_in(client, corp, "jane", session_index="_one")
    query = in_address(wish(corp, "jane"))
    assert (await ask(client, corp, query)).status_code == 303
    later = await sign_in(client, corp, "jane", session_index="_two")
    assert (await ask(client, corp, query)).status_code == 401
    clock.advance(minutes=10)
    assert (await ask(client, corp, query)).status_code == 401
    assert await holds(client, later)


async def test_sec_saml_sp_35_anothers_session_is_not_ended(
    client: httpx.AsyncClient, corp: Connected
) -> None:
    jane = await sign_in(client, corp, "jane", session_index="_janes")
    await sign_in(client, corp, "june", session_index="_junes")
    text = wish(corp, "june", indexes=("_janes",))
    status, _ = status_in(await ask(client, corp, in_address(text)))
    assert status.endswith("UnknownPrincipal")
    assert await holds(client, jane)


async def test_a_shared_index_ends_the_sessions_of_the_named_person_only(
    client: httpx.AsyncClient, corp: Connected
) -> None:
    jane = await sign_in(client, corp, "jane", session_index="1")
    june = await sign_in(client, corp, "june", session_index="1")
    await ask(client, corp, in_address(wish(corp, "june", indexes=("1",))))
    assert (await holds(client, jane), await holds(client, june)) == (True, False)


@pytest.mark.parametrize(
    "change",
    [
        {"destination": "https://other.example/slo"},
        {"issuer": "https://other.example"},
        {"now": None},
    ],
)
async def test_a_request_to_others_by_others_or_of_long_ago_is_refused(
    client: httpx.AsyncClient, corp: Connected, change: dict[str, Any]
) -> None:
    token = await sign_in(client, corp, "jane")
    if "now" in change:
        change = {"now": corp.house.clock.now() - timedelta(minutes=7)}
    text = logout_request(
        **(
            {
                "destination": f"{corp.base}/slo",
                "name_id": f"jane@{corp.tenant.tenant.slug}.example",
                "now": corp.house.clock.now(),
            }
            | change
        )
    )
    assert (await ask(client, corp, in_address(text))).status_code == 401
    assert await holds(client, token)


async def test_sec_saml_sp_35_a_person_named_for_another_service_is_nobody_here(
    client: httpx.AsyncClient, corp: Connected
) -> None:
    token = await sign_in(client, corp, "jane")
    for qualifier, status in (("https://other.example", 401), (f"{corp.base}/metadata", 303)):
        named = f'<saml:NameID SPNameQualifier="{qualifier}"'
        text = wish(corp, "jane", identity=f"_{status}").replace("<saml:NameID", named)
        assert (await ask(client, corp, in_address(text))).status_code == status
        assert await holds(client, token) is (status == 401)


async def test_another_tenants_provider_ends_nothing_here(
    client: httpx.AsyncClient, corp: Connected
) -> None:
    from tests import given
    from tests.identity.saml.documents import metadata

    token = await sign_in(client, corp, "jane")
    others = await given.organisation(corp.house, plan="enterprise", name="Initech")
    theirs = await connect(client, others, text=metadata(pairs=(OTHER,)))
    text = wish(corp, "jane").replace(f"{corp.base}/slo", f"{theirs.base}/slo")
    status, _ = status_in(await ask(client, theirs, in_address(text, pair=OTHER)))
    assert status.endswith("UnknownPrincipal")
    assert await holds(client, token)


async def test_sec_saml_sp_32_a_bomb_in_an_address_is_refused_at_once(
    client: httpx.AsyncClient, corp: Connected
) -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    bomb = packer.compress(b" " * 30_000_000) + packer.flush()
    for packed, status in ((bomb, 413), (b"not packed", 400), (bomb[:100], 400)):
        query = f"SAMLRequest={quote(b64encode(packed).decode(), safe='')}"
        began = time.process_time()
        answer = await ask(client, corp, query)
        assert answer.status_code == status
        assert time.process_time() - began < 0.05
    assert (await ask(client, corp, "SAMLRequest=%%%")).status_code == 400
    assert (await ask(client, corp, "")).status_code == 400


async def begin(corp: Connected, token: str, client: httpx.AsyncClient) -> Any:
    me = await client.get("/v1/auth/me", headers={"Authorization": f"Bearer {token}"})
    session_id = me.json()["session"]["id"]
    async with corp.house.database.tenant(corp.tenant.id) as conn:
        scope = scope_in(visit_to(corp.house), conn, corp.tenant.id, plan="enterprise")
        return await logout.begin(scope, session_id)


def logout_answer(corp: Connected, request_id: str, pair: Pair) -> str:
    text = logout_request(
        destination=f"{corp.base}/slo",
        name_id="x",
        now=corp.house.clock.now(),
        identity="_answer",
    )
    root: Any = etree.fromstring(text)
    root.tag = root.tag.replace("LogoutRequest", "LogoutResponse")
    root.set("InResponseTo", request_id)
    root.remove(root[1])
    status = etree.SubElement(root, root.tag.replace("LogoutResponse", "Status"))
    etree.SubElement(status, status.tag + "Code", Value=SUCCESS)
    return str(etree.tostring(root).decode())


async def test_our_own_logout_tells_the_provider(
    client: httpx.AsyncClient, corp: Connected
) -> None:
    token = await sign_in(client, corp, "jane", session_index="_one")
    parcel = await begin(corp, token, client)
    query = parse_qs(urlsplit(parcel.url).query)
    root: Any = etree.fromstring(inflate(b64decode(query["SAMLRequest"][0])))
    assert root.xpath("string(//*[local-name()='SessionIndex'])") == "_one"
    assert root.xpath("string(//*[local-name()='NameID'])").startswith("jane@")
    assert root.get("NotOnOrAfter") == at(corp.house.clock.now() + timedelta(minutes=5))
    handle = query["RelayState"][0]
    text = logout_answer(corp, root.get("ID"), OTHER)
    forged = in_address(text, kind="SAMLResponse", relay_state=handle, pair=OTHER)
    assert (await ask(client, corp, forged)).status_code == 401
    good = in_address(text, kind="SAMLResponse", relay_state=handle)
    answer = await ask(client, corp, good)
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    assert (await ask(client, corp, good)).status_code == 401
    renamed = in_address(text, kind="SAMLRequest", relay_state=handle)
    assert (await ask(client, corp, renamed)).status_code == 401


async def test_a_session_by_password_has_no_provider_to_tell(
    client: httpx.AsyncClient, corp: Connected, acme: Organisation
) -> None:
    assert await begin(corp, await acme.token(client), client) is None
