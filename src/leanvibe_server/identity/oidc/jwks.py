"""A provider's signing keys: fetched when needed, kept for a while, asked for again when a token
names an unknown key, but not as often as anybody likes.

Source: OpenID Connect Core 1.0, section 10.1; RFC 8725, section 3.1.
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey

from leanvibe_server.identity.oidc.discovery import fetch_json
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.outbound import Unreachable

FRESH_FOR = timedelta(hours=1)
# A made-up key id leads to no more than one call in this time, for each provider.
ASK_AGAIN_AFTER = timedelta(seconds=30)
MAX_KEYS = 64
MIN_RSA_BITS = 2048
KEEP = 1_000

PublicKey = RSAKey | ECKey | OKPKey
_RSA_ALGORITHMS = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"})
_BY_CURVE = {
    "P-256": frozenset({"ES256"}),
    "P-384": frozenset({"ES384"}),
    "P-521": frozenset({"ES512"}),
    "Ed25519": frozenset({"EdDSA", "Ed25519"}),
}


@dataclass(frozen=True)
class BoundKey:
    """A key and the algorithms it may be used with, which the token has no say in."""

    kid: str | None
    algorithms: frozenset[str]
    key: PublicKey


@dataclass(frozen=True)
class KeySet:
    """The keys of a provider as they were at a time."""

    keys: tuple[BoundKey, ...]
    read_at: datetime

    def find(self, kid: str | None, algorithm: str) -> BoundKey | None:
        """The one key a header names; without a name the only one that would do."""
        fitting = [key for key in self.keys if algorithm in key.algorithms]
        if kid is not None:
            fitting = [key for key in fitting if key.kid == kid]
        return fitting[0] if len(fitting) == 1 else None


@dataclass
class KnownKeys:
    """The key sets this process has read, by address; a part of the house."""

    sets: OrderedDict[str, KeySet] = field(default_factory=OrderedDict)

    def keep(self, url: str, keys: KeySet) -> None:
        self.sets[url] = keys
        self.sets.move_to_end(url)
        while len(self.sets) > KEEP:
            self.sets.popitem(last=False)


async def find_key(house: House, url: str, *, kid: str | None, algorithm: str) -> BoundKey | None:
    """The provider's key for a token. An unknown one has the set asked for anew, now and then.

    Raises: Unreachable: the keys cannot be had.
    """
    known, now = house.part(KnownKeys), house.clock.now()
    kept = known.sets.get(url)
    if kept is not None and now - kept.read_at < FRESH_FOR:
        found = kept.find(kid, algorithm)
        if found is not None or now - kept.read_at < ASK_AGAIN_AFTER:
            return found
    known.keep(url, await fetch_keys(house, url))
    return known.sets[url].find(kid, algorithm)


async def fetch_keys(house: House, url: str) -> KeySet:
    """The keys behind an address. Raises: Unreachable: there is no key set."""
    document = await fetch_json(house, url)
    listed = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(listed, list):
        raise Unreachable("the answer was no key set")
    keys = [key for key in map(_bind, listed[:MAX_KEYS]) if key is not None]
    return KeySet(tuple(keys), house.clock.now())


def _bind(jwk: Any) -> BoundKey | None:
    """A key of ours; None for those that sign nothing or are of a kind we do not use, such as
    symmetric ones, which would let anybody who can read the set sign."""
    if not isinstance(jwk, dict) or jwk.get("use", "sig") != "sig":
        return None
    public = {name: value for name, value in jwk.items() if name not in _PRIVATE}
    try:
        key, allowed = _import(public)
    except (JoseError, ValueError, TypeError, KeyError):
        return None
    named = jwk.get("alg")
    algorithms = allowed if named is None else allowed & {named}
    kid = jwk.get("kid")
    if not algorithms or not (kid is None or isinstance(kid, str)):
        return None
    return BoundKey(kid, frozenset(algorithms), key)


def _import(jwk: dict[str, Any]) -> tuple[PublicKey, frozenset[str]]:
    kind = jwk.get("kty")
    if kind == "RSA":
        rsa = RSAKey.import_key(jwk)
        if rsa.raw_value.key_size < MIN_RSA_BITS:
            raise ValueError("the key is too short")
        return rsa, _RSA_ALGORITHMS
    if kind == "EC":
        return ECKey.import_key(jwk), _BY_CURVE[str(jwk.get("crv"))]
    if kind == "OKP":
        return OKPKey.import_key(jwk), _BY_CURVE[str(jwk.get("crv"))]
    raise ValueError("a kind of key that is not used")


_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k", "key_ops"})
