"""The tokens of a session, and where they are kept."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True)
class Tokens:
    """An access token and the single-use refresh token that follows it."""

    access_token: str = field(repr=False)
    refresh_token: str | None = field(default=None, repr=False)


class TokenStore(Protocol):
    """Where a client keeps its session.

    Refresh tokens are single use, so a store that several processes share must let one of them
    renew at a time: `exclusively` is held from the look at the stored tokens to the saving of
    their successors.
    """

    def load(self) -> Tokens | None: ...

    def save(self, tokens: Tokens | None) -> None: ...

    def exclusively(self) -> AbstractContextManager[object]: ...


class MemoryTokenStore:
    """Tokens that live as long as the client."""

    def __init__(self, tokens: Tokens | None = None) -> None:
        self._tokens = tokens

    def load(self) -> Tokens | None:
        """The current tokens."""
        return self._tokens

    def save(self, tokens: Tokens | None) -> None:
        """Replace the tokens, or forget them."""
        self._tokens = tokens

    def exclusively(self) -> AbstractContextManager[object]:
        """Nothing else reaches this store."""
        return nullcontext()
