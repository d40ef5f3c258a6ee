"""The certificate of a key by which a provider of OpenID Connect knows us ends."""

from leanvibe_server.entitlements.plans import plans_with
from leanvibe_server.identity.federation.models import OIDC, SsoProvider
from leanvibe_server.identity.federation.reminders import End, remind
from leanvibe_server.identity.oidc import repository as rows
from leanvibe_server.identity.oidc.client_keys import METHOD, certificate_of, find_key_in_use
from leanvibe_server.identity.oidc.events import ClientKeyEndNears
from leanvibe_server.identity.oidc.models import ClientKey
from leanvibe_server.identity.oidc.settings import settings_of
from leanvibe_server.kernel.db import Connection
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.platform import PLATFORM_TENANT, sweep_regions
from leanvibe_server.kernel.scope import SYSTEM, Scope

WITH_OIDC = plans_with(OIDC)
EFFECT = (
    "From then on a provider that knows us by the certificate, such as Entra ID, lets nobody sign "
    "in."
)
ADVICE = (
    "Prepare the next key, have the provider know it by our key set's address or by its "
    "certificate, and activate it before that day."
)


async def sweep(house: House) -> None:
    """Write to the administrators of keys whose certificates end soon."""

    async def sweep_region(conn: Connection) -> None:
        platform = Scope(conn, PLATFORM_TENANT, SYSTEM, house.clock, house)
        for key, name in await rows.list_client_keys_ending(
            conn, WITH_OIDC, method=METHOD, now=platform.now
        ):
            await remind(platform, key.tenant_id, end_of_key(key, name))

    await sweep_regions(house.database, sweep_region)


async def ends_of_client(scope: Scope, provider: SsoProvider) -> list[End]:
    """The end of our key at a provider; nothing where it knows us by something else."""
    if settings_of(provider).token_endpoint_auth_method != METHOD:
        return []
    key = await find_key_in_use(scope, provider.id)
    return [] if key is None else [end_of_key(key, provider.name)]


def end_of_key(key: ClientKey, provider_name: str) -> End:
    """The end of the certificate of the key in use at a provider."""
    return End(
        event=ClientKeyEndNears,
        subject=f"{key.provider_id} {key.id}",
        what=f"The certificate of our key at {provider_name}",
        at=certificate_of(key).not_valid_after_utc,
        effect=EFFECT,
        advice=ADVICE,
        path=f"/settings/sso/{key.provider_id}",
        provider_id=key.provider_id,
    )
