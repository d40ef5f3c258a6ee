"""A provider that publishes its metadata at an address, for tests."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import httpx

from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.outbound import OutboundClient
from tests.identity.saml.documents import metadata

ADDRESS = "https://idp.example/metadata"


@dataclass
class Publisher:
    """What is at the address."""

    answer: httpx.Response = field(default_factory=lambda: published(metadata()))
    leads_to: str = "8.8.8.8"
    asked: list[str] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request.headers["host"])
        return self.answer

    async def resolve(self, host: str, port: int) -> Sequence[str]:
        return (self.leads_to,)


def published(text: str) -> httpx.Response:
    return httpx.Response(200, text=text)


def publish(house: House) -> Publisher:
    """Whatever the house asks for outside is answered by the publisher."""
    there = Publisher()
    outbound = house.part(OutboundClient)
    outbound.transport, outbound.resolve = httpx.MockTransport(there), there.resolve
    outbound.tries, outbound.allow_private = 1, False
    return there
