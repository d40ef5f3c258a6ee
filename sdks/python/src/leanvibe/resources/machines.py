"""Service accounts, groups and the tokens of provisioning clients."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from leanvibe._faces import Resource, Runner, endpoint, pages
from leanvibe._operations import Call, given, lists, path_of, reads, reads_nothing, reads_page
from leanvibe._records import Record
from leanvibe.models import (
    ApiKey,
    Group,
    GroupMember,
    GroupOnProject,
    OAuthClient,
    ScimToken,
    ServiceAccount,
)
from leanvibe.pagination import Page


class ServiceAccounts(Resource[Runner]):
    """Accounts for programs, with API keys and OAuth clients of their own."""

    @endpoint
    def create(
        self, /, *, name: str, role: str | None = None, description: str | None = None
    ) -> Call[ServiceAccount]:
        """Add an account for a program."""
        body = given(name=name, role=role, description=description)
        return Call(method="POST", path="/service-accounts", read=reads(ServiceAccount), body=body)

    @endpoint
    def get(self, account_id: str | UUID) -> Call[ServiceAccount]:
        """One service account."""
        path = path_of("service-accounts", account_id)
        return Call(method="GET", path=path, read=reads(ServiceAccount))

    @endpoint
    def update(self, account_id: str | UUID, /, **fields: Any) -> Call[ServiceAccount]:
        """Change name, description, role or status."""
        path = path_of("service-accounts", account_id)
        return Call(method="PATCH", path=path, read=reads(ServiceAccount), body=given(**fields))

    @endpoint
    def delete(self, account_id: str | UUID) -> Call[None]:
        """Remove an account with its keys, clients and tokens."""
        path = path_of("service-accounts", account_id)
        return Call(method="DELETE", path=path, read=reads_nothing)

    @endpoint
    def create_key(self, account_id: str | UUID, /, *, name: str, **fields: Any) -> Call[ApiKey]:
        """Make an API key of the account. Its secret is in `key` of this answer only."""
        return Call(
            method="POST",
            path=path_of("service-accounts", account_id, "api-keys"),
            read=reads(ApiKey),
            body={**given(**fields), "name": name},
        )

    @endpoint
    def create_client(
        self,
        account_id: str | UUID,
        /,
        *,
        name: str | None = None,
        scopes: Sequence[str] | None = None,
        expires_at: datetime | None = None,
    ) -> Call[OAuthClient]:
        """Make OAuth client credentials. `client_secret` is in this answer only."""
        return Call(
            method="POST",
            path=path_of("service-accounts", account_id, "clients"),
            read=reads(OAuthClient),
            body=given(name=name, scopes=scopes, expires_at=expires_at),
        )

    @endpoint
    def clients(self, account_id: str | UUID) -> Call[Page[OAuthClient]]:
        """The OAuth clients of an account, without their secrets."""
        path = path_of("service-accounts", account_id, "clients")
        return Call(method="GET", path=path, read=reads_page(OAuthClient))

    @endpoint
    def rotate_client(
        self, account_id: str | UUID, client_id: str | UUID, *, overlap_hours: int | None = None
    ) -> Call[OAuthClient]:
        """Give a client, named by its `id`, a new secret."""
        return Call(
            method="POST",
            path=path_of("service-accounts", account_id, "clients", client_id, "rotate"),
            read=reads(OAuthClient),
            body=given(overlap_hours=overlap_hours),
        )

    @endpoint
    def revoke_client(self, account_id: str | UUID, client_id: str | UUID) -> Call[None]:
        """End a client, named by its `id`, and its tokens at once."""
        path = path_of("service-accounts", account_id, "clients", client_id)
        return Call(method="DELETE", path=path, read=reads_nothing)

    def _list(
        self, *, limit: int | None = None, cursor: str | None = None
    ) -> Call[Page[ServiceAccount]]:
        """The service accounts of the tenant."""
        return lists(ServiceAccount, "/service-accounts", limit=limit, cursor=cursor)

    list = endpoint(_list)
    iterate = pages(_list)


class Groups(Resource[Runner]):
    """Groups of people, and the roles they give."""

    @endpoint
    def create(
        self, /, *, name: str, role: str | None = None, description: str | None = None
    ) -> Call[Group]:
        """Make a group; with a role, also one of your own, its members have it too."""
        body = given(name=name, role=role, description=description)
        return Call(method="POST", path="/groups", read=reads(Group), body=body)

    @endpoint
    def update(self, group_id: str | UUID, /, **fields: Any) -> Call[Group]:
        """Change name, description or role; `role=None` takes the role away."""
        path = path_of("groups", group_id)
        return Call(method="PATCH", path=path, read=reads(Group), body=fields)

    @endpoint
    def delete(self, group_id: str | UUID) -> Call[None]:
        """Delete a group; its members lose the role it gave."""
        return Call(method="DELETE", path=path_of("groups", group_id), read=reads_nothing)

    @endpoint
    def get(self, group_id: str | UUID) -> Call[Group]:
        """One group."""
        return Call(method="GET", path=path_of("groups", group_id), read=reads(Group))

    def _members(
        self, group_id: str | UUID, *, limit: int | None = None, cursor: str | None = None
    ) -> Call[Page[GroupMember]]:
        """Who is in a group."""
        return lists(
            GroupMember, path_of("groups", group_id, "members"), limit=limit, cursor=cursor
        )

    members = endpoint(_members)
    iterate_members = pages(_members)

    def _projects(
        self, group_id: str | UUID, *, limit: int | None = None, cursor: str | None = None
    ) -> Call[Page[GroupOnProject]]:
        """The roles the group has on projects; `members.set_group` gives one."""
        path = path_of("groups", group_id, "projects")
        return lists(GroupOnProject, path, limit=limit, cursor=cursor)

    projects = endpoint(_projects)
    iterate_projects = pages(_projects)

    @endpoint
    def add_members(self, group_id: str | UUID, user_ids: Sequence[str | UUID]) -> Call[Group]:
        """Put people into a group."""
        return Call(
            method="POST",
            path=path_of("groups", group_id, "members"),
            read=reads(Group),
            body={"user_ids": [str(one) for one in user_ids]},
        )

    @endpoint
    def remove_member(self, group_id: str | UUID, user_id: str | UUID) -> Call[None]:
        """Take somebody out of a group."""
        path = path_of("groups", group_id, "members", user_id)
        return Call(method="DELETE", path=path, read=reads_nothing)

    def _list(self, *, limit: int | None = None, cursor: str | None = None) -> Call[Page[Group]]:
        """The groups of the tenant."""
        return lists(Group, "/groups", limit=limit, cursor=cursor)

    list = endpoint(_list)
    iterate = pages(_list)


class Scim(Resource[Runner]):
    """Provisioning: its tokens, and when a client was last here."""

    @endpoint
    def status(self) -> Call[Record]:
        """Where clients find the tenant, and when they were last here."""
        return Call(method="GET", path="/scim", read=reads(Record))

    @endpoint
    def create_token(self, /, *, name: str, expires_in_days: int | None = None) -> Call[ScimToken]:
        """Make a token; it is in `token` of this answer only."""
        body = given(name=name, expires_in_days=expires_in_days)
        return Call(method="POST", path="/scim/tokens", read=reads(ScimToken), body=body)

    @endpoint
    def revoke_token(self, token_id: str | UUID) -> Call[None]:
        """End a token at once."""
        return Call(method="DELETE", path=path_of("scim", "tokens", token_id), read=reads_nothing)

    def _list(
        self,
        *,
        orphaned: bool | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> Call[Page[ScimToken]]:
        """The tokens of the tenant, without their secrets; `orphaned`: those only, or not, that
        outlived the stay of who made them."""
        return lists(ScimToken, "/scim/tokens", orphaned=orphaned, limit=limit, cursor=cursor)

    tokens = endpoint(_list)
    iterate_tokens = pages(_list)
