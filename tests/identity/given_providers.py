"""Identity providers and verified domains, put in place without asking anybody outside."""

from typing import Any

import msgspec

from leanvibe_server.identity.federation import repository
from leanvibe_server.identity.federation.models import SsoProvider
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


async def verify_domain(house: House, organisation: Organisation, domain: str) -> None:
    """The organisation has proved the domain to be its own."""
    async with house.database.tenant(organisation.id) as conn:
        now = house.clock.now()
        await conn.execute(
            """
            INSERT INTO domains (tenant_id, id, domain, challenge, created_at, verified_at)
            VALUES ($1, $2, $3, 'given', $4, $4)
            """,
            organisation.id,
            new_id(now),
            domain,
            now,
        )
