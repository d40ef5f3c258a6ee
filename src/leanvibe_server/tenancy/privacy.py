"""What tenancy and metering keep of people."""

from leanvibe_server.kernel.personal_data import Subject, TableData
from leanvibe_server.kernel.scope import Scope
from leanvibe_server.tenancy import repository

TABLES = (
    TableData(
        "tenants",
        "The organisation and its plan",
        ("e-mail address of the first contact",),
        person="lower(admin_email) = lower({email})",
        tenant_column="id",
        kept_because="the organisation's own row; the address was replaced by that of an owner",
    ),
    TableData("tenant_ancestors", "Organisations above and below", exported=False),
    TableData("usage_counters", "Limits and billing"),
    TableData("usage_events", "Limits and billing"),
)


async def forget(scope: Scope, subject: Subject) -> dict[str, int]:
    """Where the organisation names the person as its contact, name an owner instead."""
    changed = await repository.replace_contact(scope.conn, scope.tenant_id, subject.email)
    return {"tenants": changed} if changed else {}
