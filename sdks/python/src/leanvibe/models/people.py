"""People, what they may do, and those who are still invited."""

from __future__ import annotations

from datetime import datetime

from leanvibe._records import Record


class User(Record):
    """A person in a tenant."""

    id: str
    email: str
    username: str
    role: str
    status: str
    is_active: bool
    email_verified: bool
    tenant_id: str
    expires_at: datetime | None = None
    last_login_at: datetime | None = None
    created_at: datetime


class Person(User):
    """A person as lists show them. `mfa_enabled` is None for who may not change people.

    `own_role` is what they have by themselves; groups give `further_roles` beside `role`.
    """

    mfa_enabled: bool | None = None
    own_role: str
    further_roles: list[str]


class Role(Record):
    """A role and what it permits. `id` is None for a role every tenant has."""

    id: str | None = None
    name: str
    description: str
    built_in: bool
    permissions: list[str]
    users_count: int
    assignable: bool


class RoleList(Record):
    """Every role of the tenant."""

    data: list[Role]


class GroupMember(Record):
    """Somebody in a group."""

    user_id: str
    email: str
    username: str
    added_at: datetime


class PersonGroups(Record):
    """The groups a person is in."""

    data: list[Group]


class RoleByGroup(Record):
    """A role that a group gives its members."""

    group_id: str
    group_name: str
    role: str


class Membership(Record):
    """The roles somebody has on a project: `role` of their own, and those that groups give."""

    project_id: str
    project_name: str
    visibility: str
    role: str | None = None
    by_groups: list[RoleByGroup]
    created_at: datetime


class GroupOnProject(Record):
    """A group with a role on a project, and what it permits its members there."""

    project_id: str
    project_name: str
    visibility: str
    group_id: str
    group_name: str
    role: str
    permissions: list[str]
    created_at: datetime


class Member(Record):
    """Somebody with a role on one project."""

    user_id: str
    email: str
    username: str
    role: str
    permissions: list[str]
    created_at: datetime


class PendingInvitation(Record):
    """Somebody who was invited: `state` is pending, expired, not_sent or accepted."""

    user_id: str
    email: str
    username: str
    role: str
    state: str
    sent_at: datetime | None = None
    expires_at: datetime | None = None
    accepted_at: datetime | None = None
    invited_by: str | None = None
    invited_by_email: str | None = None


class InvitationResult(Record):
    """What came of one line: `status` is invited or refused, `error` says why."""

    index: int
    line: int | None = None
    email: str
    status: str
    user_id: str | None = None
    error: Record | None = None


class BulkResult(Record):
    """What came of each line, in their order."""

    data: list[InvitationResult]
    invited: int
    refused: int


class Group(Record):
    """Some people of the tenant, and the role they get by it."""

    id: str
    name: str
    description: str
    role: str | None = None
    members_count: int
    created_at: datetime
