"""Users and API keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from leanvibe._faces import Resource, Runner, endpoint, pages
from leanvibe._operations import Call, given, lists, path_of, reads, reads_nothing
from leanvibe.models import (
    ApiKey,
    BulkResult,
    Membership,
    PendingInvitation,
    Person,
    PersonFactors,
    PersonGroups,
    PersonIdentities,
    SessionList,
    User,
)
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

    @endpoint
    def invite_many(
        self,
        invitations: Sequence[Mapping[str, Any]],
        *,
        role: str | None = None,
        invitation_days: int | None = None,
        idempotency_key: str | None = None,
    ) -> Call[BulkResult]:
        """Invite up to 100 people, each line with an `email`; each line is answered."""
        lines = [dict(line) for line in invitations]
        body = given(invitations=lines, role=role, invitation_days=invitation_days)
        return Call(
            method="POST",
            path="/users/bulk-invite",
            read=reads(BulkResult),
            body=body,
            idempotency_key=idempotency_key,
        )

    @endpoint
    def invite_csv(
        self,
        text: str,
        *,
        role: str | None = None,
        invitation_days: int | None = None,
        idempotency_key: str | None = None,
    ) -> Call[BulkResult]:
        """Invite up to 500 people by the text of a CSV file with the columns `email`, `name`,
        `role` and `expires_at`; each line is answered by its number in the file."""
        return Call(
            method="POST",
            path="/users/bulk-invite/csv",
            read=reads(BulkResult),
            query=given(role=role, invitation_days=invitation_days),
            text=("text/csv", text),
            idempotency_key=idempotency_key,
        )

    @endpoint
    def get(self, user_id: str | UUID) -> Call[Person]:
        """One person of the tenant."""
        return Call(method="GET", path=path_of("users", user_id), read=reads(Person))

    @endpoint
    def update(self, /, user_id: str | UUID, **fields: Any) -> Call[User]:
        """Change name, role, status or the end of access; what is not given stays."""
        path = path_of("users", user_id)
        return Call(method="PATCH", path=path, read=reads(User), body=fields)

    @endpoint
    def delete(self, user_id: str | UUID) -> Call[None]:
        """Remove somebody with their sessions and keys."""
        return Call(method="DELETE", path=path_of("users", user_id), read=reads_nothing)

    @endpoint
    def leave(self) -> Call[None]:
        """Leave the organisation oneself."""
        return Call(method="DELETE", path="/auth/me", read=reads_nothing)

    @endpoint
    def hand_over(self, user_id: str | UUID, *, keep_role: str | None = None) -> Call[User]:
        """Make somebody else the owner in one's own place."""
        body = given(user_id=user_id, keep_role=keep_role)
        return Call(method="POST", path="/tenants/me/ownership", read=reads(User), body=body)

    @endpoint
    def invite_again(self, user_id: str | UUID) -> Call[User]:
        """Send an invitation again; earlier links stop working."""
        path = path_of("users", user_id, "invitation")
        return Call(method="POST", path=path, read=reads(User))

    @endpoint
    def withdraw_invitation(self, user_id: str | UUID) -> Call[None]:
        """Take an invitation back."""
        path = path_of("users", user_id, "invitation")
        return Call(method="DELETE", path=path, read=reads_nothing)

    def _invitations(
        self, *, state: str | None = None, limit: int | None = None, cursor: str | None = None
    ) -> Call[Page[PendingInvitation]]:
        """Who was invited and has not come yet; or with `state` (pending, expired, not_sent,
        accepted) those of whom that holds."""
        return lists(PendingInvitation, "/invitations", state=state, limit=limit, cursor=cursor)

    invitations = endpoint(_invitations)
    iterate_invitations = pages(_invitations)

    def _list(
        self,
        *,
        role: str | None = None,
        status: str | None = None,
        q: str | None = None,
        guest: bool | None = None,
        mfa: str | None = None,
        last_login_before: datetime | None = None,
        last_login_after: datetime | None = None,
        sort: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> Call[Page[Person]]:
        """The people of the tenant, all or those that match.

        `guest`: whether their access ends by itself; `mfa` is enrolled or none; `sort` is
        created_at, email, username or last_login_at, with - in front the other way round.
        """
        return lists(
            Person,
            "/users",
            role=role,
            status=status,
            q=q,
            guest=guest,
            mfa=mfa,
            last_login_before=last_login_before,
            last_login_after=last_login_after,
            sort=sort,
            limit=limit,
            cursor=cursor,
        )

    list = endpoint(_list)
    iterate = pages(_list)

    @endpoint
    def factors(self, user_id: str | UUID) -> Call[PersonFactors]:
        """The second factors a person has set up; `mfa.reset` removes them."""
        path = path_of("users", user_id, "mfa")
        return Call(method="GET", path=path, read=reads(PersonFactors))

    @endpoint
    def identities(self, user_id: str | UUID) -> Call[PersonIdentities]:
        """The accounts at identity providers by which a person may sign in."""
        path = path_of("users", user_id, "identities")
        return Call(method="GET", path=path, read=reads(PersonIdentities))

    @endpoint
    def unlink(self, user_id: str | UUID, identity_id: str | UUID) -> Call[None]:
        """Have a person sign in by one of these accounts no more; its sessions end."""
        path = path_of("users", user_id, "identities", identity_id)
        return Call(method="DELETE", path=path, read=reads_nothing)

    @endpoint
    def groups(self, user_id: str | UUID) -> Call[PersonGroups]:
        """The groups a person is in."""
        path = path_of("users", user_id, "groups")
        return Call(method="GET", path=path, read=reads(PersonGroups))

    def _projects(
        self, user_id: str | UUID, *, limit: int | None = None, cursor: str | None = None
    ) -> Call[Page[Membership]]:
        """The roles a person has on projects, of those one may see oneself."""
        return lists(Membership, path_of("users", user_id, "projects"), limit=limit, cursor=cursor)

    projects = endpoint(_projects)
    iterate_projects = pages(_projects)

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
    def rotate(
        self,
        key_id: str | UUID,
        *,
        overlap_hours: int | None = None,
        idempotency_key: str | None = None,
    ) -> Call[ApiKey]:
        """Give a key a successor; the old one holds for the overlap, a day by default. The new
        secret is in `key` of this answer and nowhere else."""
        return Call(
            method="POST",
            path=path_of("api-keys", key_id, "rotate"),
            read=reads(ApiKey),
            body=given(overlap_hours=overlap_hours),
            idempotency_key=idempotency_key,
        )

    @endpoint
    def revoke(self, key_id: str | UUID) -> Call[None]:
        """End a key at once."""
        return Call(method="DELETE", path=path_of("api-keys", key_id), read=reads_nothing)

    def _list(
        self,
        *,
        user_id: str | UUID | None = None,
        status: str | None = None,
        prefix: str | None = None,
        orphaned: bool | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> Call[Page[ApiKey]]:
        """The keys of the tenant, without their secrets; `orphaned`: those only, or not, that
        somebody made for another and who is there no more."""
        return lists(
            ApiKey,
            "/api-keys",
            user_id=user_id,
            status=status,
            prefix=prefix,
            orphaned=orphaned,
            limit=limit,
            cursor=cursor,
        )

    list = endpoint(_list)
    iterate = pages(_list)
