"""The audit log."""

from __future__ import annotations

from typing import Any

from leanvibe._faces import Resource, Runner, endpoint, pages
from leanvibe._operations import Call, given, path_of, reads, reads_bytes, reads_page
from leanvibe.models import AuditEntry, ChainVerdict
from leanvibe.pagination import Page


class Audit(Resource[Runner]):
    """What happened in the tenant, who did it and when."""

    def _list(
        self,
        /,
        *,
        area: str | None = None,
        event_type: str | None = None,
        start_date: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
        reason: str | None = None,
        **filters: Any,
    ) -> Call[Page[AuditEntry]]:
        """The entries, newest first; `area` such as `auth` narrows the log to one subject.

        Platform admins give a `reason` to look into other tenants, or the one `tenant_id` names.
        """
        query = filters | given(
            event_type=event_type, start_date=start_date, limit=limit, cursor=cursor
        )
        return Call(
            method="GET", path=_path(area), read=reads_page(AuditEntry), query=query,
            headers=_because(reason),
        )  # fmt: skip

    list = endpoint(_list)
    iterate = pages(_list)

    @endpoint
    def export_csv(
        self,
        /,
        *,
        area: str | None = None,
        event_type: str | None = None,
        start_date: str | None = None,
        reason: str | None = None,
        **filters: Any,
    ) -> Call[bytes]:
        """All the entries that the same filters find, as CSV."""
        query = filters | given(event_type=event_type, start_date=start_date)
        return Call(
            method="GET", path=_path(area), read=reads_bytes, query=query, accept="text/csv",
            headers=_because(reason),
        )  # fmt: skip

    @endpoint
    def verify(
        self, /, *, tenant_id: str | None = None, reason: str | None = None
    ) -> Call[ChainVerdict]:
        """Check the chain over the log: `fault` names the first entry that is not as it was."""
        return Call(
            method="GET",
            path="/admin/audit/verify",
            read=reads(ChainVerdict),
            query=given(tenant_id=tenant_id),
            headers=_because(reason),
        )


def _path(area: str | None) -> str:
    return path_of("admin", "audit", *([area] if area else []))


def _because(reason: str | None) -> dict[str, str]:
    return {} if reason is None else {"X-Break-Glass-Reason": reason}
