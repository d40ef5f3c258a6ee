"""Roles, the members of projects, and organisations below one's own."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from leanvibe._faces import Resource, Runner, endpoint, pages
from leanvibe._operations import Call, given, lists, path_of, reads, reads_nothing
from leanvibe.models import (
    GroupOnProject,
    Member,
    Organization,
    Role,
    RoleList,
    SubtreeUsage,
    Tenant,
)
from leanvibe.pagination import Page


class Roles(Resource[Runner]):
    """What people may do: the built-in roles, and those the tenant made of permissions."""

    @endpoint
    def list(self) -> Call[RoleList]:
        """Every role people can have here; the roles are in `data`."""
        return Call(method="GET", path="/roles", read=reads(RoleList))

    @endpoint
    def create(
        self,
        *,
        name: str,
        permissions: Sequence[str],
        description: str | None = None,
        idempotency_key: str | None = None,
    ) -> Call[Role]:
        """Make a role of permissions, none beyond one's own."""
        body = given(name=name, permissions=permissions, description=description)
        return Call(
            method="POST",
            path="/roles",
            read=reads(Role),
            body=body,
            idempotency_key=idempotency_key,
        )

    @endpoint
    def update(
        self,
        role_id: str | UUID,
        *,
        permissions: Sequence[str] | None = None,
        description: str | None = None,
    ) -> Call[Role]:
        """Change a role; it holds for its people from their next request on."""
        body = given(permissions=permissions, description=description)
        return Call(method="PATCH", path=path_of("roles", role_id), read=reads(Role), body=body)

    @endpoint
    def delete(self, role_id: str | UUID, *, replacement: str | None = None) -> Call[None]:
        """Remove a role. One that people have needs a `replacement`."""
        return Call(
            method="DELETE",
            path=path_of("roles", role_id),
            read=reads_nothing,
            query=given(replacement=replacement),
        )


class Members(Resource[Runner]):
    """Who has a role on a single project: people, and groups."""

    def _list(
        self, project_id: str | UUID, *, limit: int | None = None, cursor: str | None = None
    ) -> Call[Page[Member]]:
        """The members of a project."""
        return lists(Member, path_of("projects", project_id, "members"), limit=limit, cursor=cursor)

    list = endpoint(_list)
    iterate = pages(_list)

    @endpoint
    def set(self, project_id: str | UUID, user_id: str | UUID, *, role: str) -> Call[Member]:
        """Give somebody a role on the project, in place of the one they have there."""
        path = path_of("projects", project_id, "members", user_id)
        return Call(method="PUT", path=path, read=reads(Member), body={"role": role})

    @endpoint
    def remove(self, project_id: str | UUID, user_id: str | UUID) -> Call[None]:
        """Take somebody's role on the project."""
        path = path_of("projects", project_id, "members", user_id)
        return Call(method="DELETE", path=path, read=reads_nothing)

    def _groups(
        self, project_id: str | UUID, *, limit: int | None = None, cursor: str | None = None
    ) -> Call[Page[GroupOnProject]]:
        """The groups that have a role on the project, and with them their members."""
        path = path_of("projects", project_id, "groups")
        return lists(GroupOnProject, path, limit=limit, cursor=cursor)

    groups = endpoint(_groups)
    iterate_groups = pages(_groups)

    @endpoint
    def set_group(
        self, project_id: str | UUID, group_id: str | UUID, *, role: str
    ) -> Call[GroupOnProject]:
        """Give a group a role on the project, in place of the one it has there."""
        path = path_of("projects", project_id, "groups", group_id)
        return Call(method="PUT", path=path, read=reads(GroupOnProject), body={"role": role})

    @endpoint
    def remove_group(self, project_id: str | UUID, group_id: str | UUID) -> Call[None]:
        """Take a group's role on the project."""
        path = path_of("projects", project_id, "groups", group_id)
        return Call(method="DELETE", path=path, read=reads_nothing)


class Organizations(Resource[Runner]):
    """Organisations below one's own. To act for one, make a client with its `tenant_id`."""

    def _list(
        self,
        *,
        depth: int | None = None,
        q: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> Call[Page[Organization]]:
        """The organisations below, to any depth unless one is named."""
        return lists(
            Organization, "/tenants/me/organizations", depth=depth, q=q, limit=limit, cursor=cursor
        )

    list = endpoint(_list)
    iterate = pages(_list)

    @endpoint
    def usage(self, *, limit: int | None = None, cursor: str | None = None) -> Call[SubtreeUsage]:
        """What the own organisation and those below it use, each and in sum."""
        query = given(limit=limit, cursor=cursor)
        path = "/tenants/me/organizations/usage"
        return Call(method="GET", path=path, read=reads(SubtreeUsage), query=query)

    @endpoint
    def suspend(self, tenant_id: str | UUID, *, reason: str) -> Call[Tenant]:
        """Stop the writes of an organisation below."""
        path = path_of("tenants", "me", "organizations", tenant_id, "suspend")
        return Call(method="POST", path=path, read=reads(Tenant), body={"reason": reason})

    @endpoint
    def reactivate(self, tenant_id: str | UUID) -> Call[Tenant]:
        """End a suspension that was given from here or from below."""
        path = path_of("tenants", "me", "organizations", tenant_id, "reactivate")
        return Call(method="POST", path=path, read=reads(Tenant))

    @endpoint
    def move(self, tenant_id: str | UUID, *, parent_tenant_id: str | UUID) -> Call[Tenant]:
        """Put an organisation, with all below it, under another."""
        body = {"parent_tenant_id": str(parent_tenant_id)}
        path = path_of("tenants", tenant_id, "parent")
        return Call(method="PUT", path=path, read=reads(Tenant), body=body)
