"""A small DNS server on the loopback: answers TXT questions from a table, over UDP."""

import asyncio

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset


class DnsServer(asyncio.DatagramProtocol):
    """Names and their TXT records; `silent` answers nobody."""

    def __init__(self) -> None:
        self.texts: dict[str, list[str]] = {}
        self.silent = False
        self.asked: list[str] = []

    async def __aenter__(self) -> "DnsServer":
        loop = asyncio.get_running_loop()
        self.transport, _ = await loop.create_datagram_endpoint(
            lambda: self, local_addr=("127.0.0.1", 0)
        )
        self.port: int = self.transport.get_extra_info("sockname")[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self.transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Nothing to greet."""

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        if self.silent:
            return
        question = dns.message.from_wire(data)
        name = question.question[0].name
        self.asked.append(str(name).rstrip("."))
        answer = dns.message.make_response(question)
        found = self.texts.get(self.asked[-1])
        if found is None:
            answer.set_rcode(dns.rcode.NXDOMAIN)
        else:
            quoted = [f'"{text}"' for text in found]
            answer.answer.append(dns.rrset.from_text(name, 60, "IN", "TXT", *quoted))
        self.transport.sendto(answer.to_wire(), address)
