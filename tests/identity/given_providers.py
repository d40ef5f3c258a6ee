"""Identity providers and verified domains, put in place without asking anybody outside."""

from typing import Any
from uuid import UUID

import msgspec

from leanvibe_server.identity.domains import repository as domain_rows
from leanvibe_server.identity.domains.models import Domain
from leanvibe_server.identity.federation import repository
from leanvibe_server.identity.federation.models import FederatedIdentity, SsoProvider
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.ids import new_id
from leanvibe_server.kernel.sealing import seal
from tests.given import Organisation
from tests.identity.given_people import system_scope

CLIENT_SECRET = "the secret of the client, long enough"


async def add_provider(house: House, organisation: Organisation, **fields: Any) -> SsoProvider:
    """An identity provider of an organisation: OpenID Connect unless `fields` say otherwise."""
    async with house.database.tenant(organisation.id) as conn:
        scope = system_scope(house, organisation, conn)
        provider_id, now = scope.new_id(), scope.now
        values: dict[str, Any] = {
            "protocol": "oidc",
            "type": "oidc",
            "slug": f"idp-{provider_id.hex[-8:]}",
            "name": "Company login",
            "enabled": True,
            "issuer": "https://idp.example.com",
            "client_id": "leanvibe",
            "configuration": {"settings": {}},
            "default_role": "developer",
            "role_mapping": {},
        } | fields
        secret = values.pop("client_secret", CLIENT_SECRET)
        provider = SsoProvider(
            tenant_id=organisation.id,
            id=provider_id,
            client_secret_sealed=await seal(
                scope,
                secret.encode(),
                place=("sso_providers", "client_secret_sealed", provider_id),
            ),
            created_at=now,
            updated_at=now,
            **values,
        )
        await repository.insert(conn, provider)
    return provider


async def change_provider(house: House, provider: SsoProvider, **fields: Any) -> SsoProvider:
    """The provider with other values, as another request would find it."""
    changed = msgspec.structs.replace(provider, **fields)
    async with house.database.tenant(provider.tenant_id) as conn:
        await repository.update(conn, changed)
    return changed


async def link_identity(
    house: House, provider: SsoProvider, user_id: UUID, subject: str = "subject-1"
) -> UUID:
    """A user may sign in by the provider."""
    now = house.clock.now()
    identity = FederatedIdentity(
        tenant_id=provider.tenant_id,
        id=new_id(now),
        provider_id=provider.id,
        subject=subject,
        user_id=user_id,
        email=None,
        created_at=now,
        last_login_at=None,
    )
    async with house.database.tenant(provider.tenant_id) as conn:
        await repository.insert_identity(conn, identity)
    return identity.id


async def verify_domain(house: House, organisation: Organisation, domain: str) -> UUID:
    """The organisation has proved the domain to be its own; the domain's id."""
    now = house.clock.now()
    proved = Domain(
        tenant_id=organisation.id,
        id=new_id(now),
        domain=domain,
        challenge="given",
        created_at=now,
        verified_at=now,
        checked_at=now,
        missing_since=None,
    )
    async with house.database.tenant(organisation.id) as conn:
        await domain_rows.insert(conn, proved)
    return proved.id
