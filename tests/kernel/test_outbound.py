"""Calls to the outside: bounded, and into no private network."""

import socket
from collections.abc import Sequence

import httpx
import pytest

from leanvibe_server.kernel.outbound import OutboundClient, Unreachable, is_near, is_public


def leading_to(*addresses: str, **options: object) -> OutboundClient:
    async def resolve(host: str, port: int) -> Sequence[str]:
        return addresses

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, text=f"{request.url.host} {request.headers['host']}")

    return OutboundClient(
        resolve=resolve,
        transport=httpx.MockTransport(answer),
        **options,  # type: ignore[arg-type]
    )


PRIVATE = [
    "127.0.0.1",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "0.0.0.0",
    "224.0.0.1",
    "::1",
    "fe80::1",
    "fd00::1",
    "::ffff:127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "2002:7f00:1::",
]


@pytest.mark.parametrize("address", PRIVATE)
async def test_no_call_leads_into_a_private_network(address: str) -> None:
    assert not is_public(address)
    for addresses in ((address,), ("8.8.8.8", address)):
        with pytest.raises(Unreachable, match="private"):
            await leading_to(*addresses).request("GET", "https://idp.example.com/x")


@pytest.mark.parametrize("address", ["169.254.169.254", "0.0.0.0", "fe80::1", "100.64.0.1"])
async def test_not_even_development_calls_where_clouds_keep_their_credentials(
    address: str,
) -> None:
    assert not is_near(address)
    with pytest.raises(Unreachable, match="private"):
        await leading_to(address, allow_private=True).request("GET", "http://idp.example.com/x")


async def test_the_address_that_was_checked_is_the_one_that_is_called() -> None:
    answer = await leading_to("8.8.8.8").request("GET", "https://idp.example.com/x")
    assert answer.text == "8.8.8.8 idp.example.com"
    near = await leading_to("127.0.0.1", allow_private=True).request("GET", "http://local:81/")
    assert near.text == "127.0.0.1 local:81"


@pytest.mark.parametrize("url", ["file:///etc/passwd", "gopher://a/b", "https://", "http://[::1"])
async def test_other_schemes_and_broken_addresses_are_not_called(url: str) -> None:
    with pytest.raises(Unreachable):
        await leading_to("8.8.8.8").request("GET", url)


async def test_an_answer_without_end_is_given_up() -> None:
    client = leading_to("8.8.8.8")
    client.transport = httpx.MockTransport(lambda _: httpx.Response(200, content=b"x" * 2000))
    with pytest.raises(Unreachable, match="more than 1000"):
        await client.request("GET", "https://idp.example.com/", max_bytes=1000)


async def test_a_redirect_is_not_followed() -> None:
    client = leading_to("8.8.8.8")
    client.transport = httpx.MockTransport(
        lambda _: httpx.Response(302, headers={"location": "http://127.0.0.1/"})
    )
    assert (await client.request("GET", "https://idp.example.com/")).status_code == 302


async def test_a_single_try_is_not_repeated() -> None:
    calls = 0

    def busy(_: httpx.Request) -> httpx.Response:
        nonlocal calls
        calls += 1
        return httpx.Response(503)

    client = leading_to("8.8.8.8")
    client.transport = httpx.MockTransport(busy)
    with pytest.raises(Unreachable, match="503"):
        await client.request("POST", "https://idp.example.com/token", tries=1)
    assert calls == 1


async def test_a_name_that_nobody_knows_is_told_in_plain_words() -> None:
    async def resolve(host: str, port: int) -> Sequence[str]:
        raise socket.gaierror(-2, "Name or service not known")

    client = leading_to()
    client.resolve = resolve
    with pytest.raises(Unreachable) as refused:
        await client.request("GET", "https://idp.exmaple.com/metadata")
    assert str(refused.value) == "the host name idp.exmaple.com cannot be found"


async def test_and_so_is_a_silent_one() -> None:
    def silent(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("[Errno 111] Connection refused")

    client = leading_to("8.8.8.8")
    client.transport = httpx.MockTransport(silent)
    with pytest.raises(Unreachable) as refused:
        await client.request("GET", "https://idp.example.com/x", tries=1)
    assert str(refused.value) == "https://idp.example.com/x did not answer (ConnectError)"
