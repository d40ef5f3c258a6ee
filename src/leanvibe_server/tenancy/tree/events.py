"""What happens to the tree of organisations."""

from typing import ClassVar
from uuid import UUID

from leanvibe_server.kernel.events import Event


class OrganizationSuspended(Event, frozen=True, kw_only=True):
    """An administrator suspended an organisation below their own, in whose log this is."""

    name: ClassVar[str] = "organization.suspended"
    suspended_tenant_id: UUID
    reason: str


class OrganizationReactivated(Event, frozen=True, kw_only=True):
    """An administrator ended the suspension of an organisation below their own."""

    name: ClassVar[str] = "organization.reactivated"
    reactivated_tenant_id: UUID


class OrganizationMoved(Event, frozen=True, kw_only=True):
    """An organisation, with all below it, came under another or stands alone now.

    In its own log and in that of whoever moved it.
    """

    name: ClassVar[str] = "organization.moved"
    ends_access: ClassVar[bool] = True
    moved_tenant_id: UUID
    from_parent_id: UUID | None
    to_parent_id: UUID | None
