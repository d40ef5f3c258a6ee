"""What ends that sign-in by SAML rests on: a provider's certificates, its metadata, our own
certificate."""

from collections.abc import Iterator
from uuid import UUID

from leanvibe_server.identity.federation.models import SsoProvider
from leanvibe_server.identity.federation.reminders import End, remind
from leanvibe_server.identity.saml import repository as rows
from leanvibe_server.identity.saml.events import SamlEndNears
from leanvibe_server.identity.saml.keys import certificate_of
from leanvibe_server.identity.saml.models import SpKey
from leanvibe_server.identity.saml.providers import (
    WITH_SAML,
    certificates_of,
    fingerprint_of,
    metadata_of,
    settings_of,
)
from leanvibe_server.kernel.db import Connection
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.platform import PLATFORM_TENANT, sweep_regions
from leanvibe_server.kernel.scope import SYSTEM, Scope

AT_ONCE = 500
BY_ADDRESS = (
    "Its metadata is read again by itself and shows no newer certificate yet. Ask whoever runs "
    "the provider to change it in time."
)
BY_HAND = "Import the provider's new metadata before that day."
OURS = (
    "Prepare the next certificate, have your identity providers read our metadata, and activate "
    "it before that day."
)


async def sweep(house: House) -> None:
    """Write to the administrators of what ends soon."""

    async def sweep_region(conn: Connection) -> None:
        platform = Scope(conn, PLATFORM_TENANT, SYSTEM, house.clock, house)
        after: UUID | None = None
        while True:
            found = await rows.list_providers_of_all(conn, WITH_SAML, after=after, limit=AT_ONCE)
            for provider in found:
                for end in ends_of_provider(provider):
                    await remind(platform, provider.tenant_id, end)
            if len(found) < AT_ONCE:
                break
            after = found[-1].id
        for key in await rows.list_keys_ending(conn, WITH_SAML, now=house.clock.now()):
            await remind(platform, key.tenant_id, end_of_key(key))

    await sweep_regions(house.database, sweep_region)


def ends_of_provider(provider: SsoProvider) -> Iterator[End]:
    """When nobody can sign in by a provider any more: at the end of the last of its certificates,
    as there are several during a change; and at that of metadata somebody sent by hand."""
    settings, path = settings_of(provider), f"/settings/sso/{provider.id}"
    by_itself = settings.metadata_url is not None and settings.refresh_metadata
    last = max(certificates_of(provider), key=lambda one: one.not_valid_after_utc)
    yield End(
        event=SamlEndNears,
        subject=f"{provider.id} {fingerprint_of(last)}",
        what=f"The signing certificate of {provider.name}",
        at=last.not_valid_after_utc,
        advice=BY_ADDRESS if by_itself else BY_HAND,
        path=path,
        provider_id=provider.id,
    )
    until = metadata_of(provider).valid_until
    if until is not None and not by_itself:
        yield End(
            event=SamlEndNears,
            subject=f"{provider.id} {until.isoformat()}",
            what=f"The metadata of {provider.name}",
            at=until,
            advice=BY_HAND,
            path=path,
            provider_id=provider.id,
        )


def end_of_key(key: SpKey) -> End:
    """The end of our own certificate."""
    certificate = certificate_of(key)
    return End(
        event=SamlEndNears,
        subject=f"{key.id} {fingerprint_of(certificate)}",
        what="The SAML certificate of your organisation",
        at=certificate.not_valid_after_utc,
        advice=OURS,
        path="/settings/saml",
        provider_id=None,
    )
