"""How the service is, and how a tenant is."""

from __future__ import annotations

from leanvibe._faces import Resource, Runner, endpoint
from leanvibe._operations import Call, path_of, reads
from leanvibe.models import Health as HealthRecord
from leanvibe.models import TenantHealth


class Health(Resource[Runner]):
    """What callers may know of the service."""

    @endpoint
    def get(self) -> Call[HealthRecord]:
        """How the service is, as the caller's tenant meets it."""
        return Call(method="GET", path="/health", read=reads(HealthRecord))

    @endpoint
    def tenant(self, tenant_id: str) -> Call[TenantHealth]:
        """How a tenant is: the caller's own, or one below it; for platform administrators any."""
        return Call(
            method="GET", path=path_of("health", "tenant", tenant_id), read=reads(TenantHealth)
        )
