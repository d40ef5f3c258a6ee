"""Users and API keys."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from leanvibe._faces import Resource, Runner, endpoint, pages
from leanvibe._operations import Call, given, path_of, reads, reads_nothing, reads_page
from leanvibe.models import ApiKey, SessionList, User
from leanvibe.pagination import Page


class Users(Resource[Runner]):
    """The people of the tenant."""

    @endpoint
    def create(
        self,
        /,
        *,
        email: str,
        password: str | None = None,
        role: str | None = None,
        idempotency_key: str | None = None,
        **fields: Any,
    ) -> Call[User]:
        """Add a person to the tenant; without credentials, sign up with a tenant of one's own."""
        body = {**fields, **given(email=email, password=password, role=role)}
        return Call(
            method="POST",
            path="/users",
            read=reads(User),
            body=body,
            idempotency_key=idempotency_key,
        )

    def _list(self, *, limit: int | None = None, cursor: str | None = None) -> Call[Page[User]]:
        """The people of the tenant."""
        query = given(limit=limit, cursor=cursor)
        return Call(method="GET", path="/users", read=reads_page(User), query=query)

    list = endpoint(_list)
    iterate = pages(_list)

    @endpoint
    def sessions(self, user_id: str | UUID) -> Call[SessionList]:
        """Where a person of the tenant is signed in."""
        path = path_of("users", user_id, "sessions")
        return Call(method="GET", path=path, read=reads(SessionList))

    @endpoint
    def end_sessions(self, user_id: str | UUID) -> Call[None]:
        """Sign a person of the tenant out everywhere."""
        path = path_of("users", user_id, "sessions")
        return Call(method="DELETE", path=path, read=reads_nothing)

    @endpoint
    def end_session(self, user_id: str | UUID, session_id: str | UUID) -> Call[None]:
        """End one session of a person of the tenant."""
        path = path_of("users", user_id, "sessions", session_id)
        return Call(method="DELETE", path=path, read=reads_nothing)


class ApiKeys(Resource[Runner]):
    """Keys for programs."""

    @endpoint
    def create(
        self,
        /,
        *,
        name: str,
        scopes: Sequence[str] | None = None,
        expires_at: datetime | None = None,
        idempotency_key: str | None = None,
        **fields: Any,
    ) -> Call[ApiKey]:
        """Make a key. Its secret is in `key` of this answer and nowhere else.

        Raises:
            ConflictError: an earlier attempt made the key but its answer was lost. Revoke that
                key and make another.
        """
        body = {**fields, **given(name=name, scopes=scopes, expires_at=expires_at)}
        return Call(
            method="POST",
            path="/api-keys",
            read=reads(ApiKey),
            body=body,
            idempotency_key=idempotency_key,
        )

    @endpoint
    def revoke(self, key_id: str | UUID) -> Call[None]:
        """End a key at once."""
        return Call(method="DELETE", path=path_of("api-keys", key_id), read=reads_nothing)

    def _list(self, *, limit: int | None = None, cursor: str | None = None) -> Call[Page[ApiKey]]:
        """The keys of the tenant, without their secrets."""
        query = given(limit=limit, cursor=cursor)
        return Call(method="GET", path="/api-keys", read=reads_page(ApiKey), query=query)

    list = endpoint(_list)
    iterate = pages(_list)
