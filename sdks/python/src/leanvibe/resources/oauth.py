"""Tokens by OAuth 2.0 client credentials. Source: RFC 6749, RFC 7009, RFC 7662."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Sequence
from typing import TypeVar
from urllib.parse import quote

import httpx

from leanvibe._faces import Resource, Runner, endpoint
from leanvibe._operations import Call, Operation, given, reads, reads_nothing
from leanvibe.models import AccessToken, Introspection
from leanvibe.resources.auth import Opening

T = TypeVar("T")


class OAuth(Resource[Runner]):
    """Tokens of a service account's client, which shows its id and secret with each call."""

    @endpoint
    def token(
        self, *, client_id: str, client_secret: str, scopes: Sequence[str] | None = None
    ) -> Operation[AccessToken]:
        """Get an access token for an hour, which the client uses from now on.

        There is nothing to renew it by: ask again once it has expired. `scopes` asks for less
        than the client may do.

        Raises:
            AuthenticationError: the client is unknown, its secret wrong, or its account disabled.
        """
        wanted = given(scope=None if scopes is None else " ".join(scopes))
        form = {"grant_type": "client_credentials", **wanted}
        return Opening(_call("token", client_id, client_secret, form, reads(AccessToken)))

    @endpoint
    def introspect(self, token: str, *, client_id: str, client_secret: str) -> Call[Introspection]:
        """Whether a token of a client of the same tenant holds, and what it may do."""
        form = {"token": token}
        return _call("introspect", client_id, client_secret, form, reads(Introspection))

    @endpoint
    def revoke(self, token: str, *, client_id: str, client_secret: str) -> Call[None]:
        """End a token of the client at once."""
        return _call("revoke", client_id, client_secret, {"token": token}, reads_nothing)


def _call(
    path: str,
    client_id: str,
    client_secret: str,
    form: dict[str, str],
    read: Callable[[httpx.Response], T],
) -> Call[T]:
    # Both halves are form-encoded before they are joined. Source: RFC 6749, section 2.3.1.
    shown = f"{quote(client_id, safe='')}:{quote(client_secret, safe='')}"
    basic = b64encode(shown.encode()).decode()
    return Call(
        method="POST",
        path=f"/oauth/{path}",
        read=read,
        form=form,
        anonymous=True,
        headers={"Authorization": f"Basic {basic}"},
        repeatable=True,
    )
