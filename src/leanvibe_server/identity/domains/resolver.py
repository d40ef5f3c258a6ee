"""Looking up TXT records: the port, and the one that asks the system's name servers."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import dns.asyncresolver
import dns.exception
import dns.name
import dns.resolver

TIMEOUT_S = 5.0
MAX_RECORDS = 100


class NoAnswer(Exception):
    """The name servers did not answer: whether there is a record is not known."""


class TxtResolver(Protocol):
    """Says which TXT records a name has."""

    async def texts(self, name: str) -> Sequence[str]:
        """The texts at a name, none when there is no such name. Raises: NoAnswer."""
        ...


@dataclass
class DnsResolver:
    """Asks name servers: the system's own unless others are named, as "address" with `port`."""

    servers: Sequence[str] = ()
    port: int = 53
    timeout_s: float = TIMEOUT_S
    _made: dns.asyncresolver.Resolver | None = field(default=None, repr=False)

    async def texts(self, name: str) -> Sequence[str]:
        """The texts at a name, none when there is no such name. Raises: NoAnswer."""
        try:
            asked = dns.name.from_text(name)
            found = await self._resolver().resolve(asked, "TXT", lifetime=self.timeout_s)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return ()
        except (dns.exception.DNSException, OSError) as error:
            raise NoAnswer(f"no answer about {name}: {type(error).__name__}") from None
        texts = [b"".join(record.strings) for record in list(found)[:MAX_RECORDS]]
        return [text.decode("utf-8", "replace") for text in texts]

    def _resolver(self) -> dns.asyncresolver.Resolver:
        """Made when first needed: a machine without name servers still starts."""
        if self._made is None:
            made = dns.asyncresolver.Resolver(configure=not self.servers)
            if self.servers:
                made.nameservers, made.port = list(self.servers), self.port
            # A record that was just added must be seen at the next try.
            made.cache = None
            self._made = made
        return self._made


@dataclass
class NameServers:
    """The resolver of this process; a part of the house."""

    resolver: TxtResolver = field(default_factory=DnsResolver)
