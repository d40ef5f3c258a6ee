"""Metadata that is read again by itself, so that a provider's new certificates are known in time.

The same checks hold as at import, the pinned certificate among them, and the entity ID must stay.
What cannot be read or is refused changes nothing: the metadata before it counts on. Whoever rules
the address can sign in as anybody of the tenant, so new certificates are told to its
administrators, and cut the links of people above whoever set the provider up, as by hand.

Source: SAML 2.0 Metadata, section 2.3.2 (validUntil, cacheDuration).
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec

from leanvibe_server.identity import mails, users
from leanvibe_server.identity.federation import repository as providers
from leanvibe_server.identity.federation.models import SAML, SsoProvider
from leanvibe_server.identity.federation.service import cut_links_above, require_provider
from leanvibe_server.identity.saml import importing
from leanvibe_server.identity.saml import repository as rows
from leanvibe_server.identity.saml.events import SamlMetadataChanged, SamlMetadataNotRead
from leanvibe_server.identity.saml.metadata import IdpMetadata
from leanvibe_server.identity.saml.models import Reading
from leanvibe_server.identity.saml.providers import (
    METADATA,
    READ_AT,
    WITH_SAML,
    certificates_of,
    fingerprint_of,
    settings_of,
    stored,
)
from leanvibe_server.identity.saml.schemas import MetadataView
from leanvibe_server.kernel.access import Permission
from leanvibe_server.kernel.db import Connection
from leanvibe_server.kernel.errors import InvalidRequest, NotFound
from leanvibe_server.kernel.events import printable
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.jobs import Jobs, Work
from leanvibe_server.kernel.platform import PLATFORM_TENANT, sweep_regions
from leanvibe_server.kernel.scope import SYSTEM, Scope
from leanvibe_server.tenancy.service import enter_tenant

REFRESH = "saml.refresh_metadata"
USUALLY, AT_LEAST, AT_MOST = timedelta(days=1), timedelta(hours=1), timedelta(days=7)
# A job that was lost on its way is enqueued anew after this time.
CLAIMED_FOR = timedelta(hours=3)
AT_ONCE = 500
MAX_ERROR = 500


def register(jobs: Jobs) -> None:
    """Take the job on. A silent provider holds it up for a while, so it goes in the long lane."""
    jobs.add(REFRESH, refresh, lane="long")


async def sweep(house: House) -> None:
    """Have the metadata read that is due."""

    async def sweep_region(conn: Connection) -> None:
        now = house.clock.now()
        platform = Scope(conn, PLATFORM_TENANT, SYSTEM, house.clock, house)
        due = await rows.claim_readings(
            conn, WITH_SAML, now=now, until=now + CLAIMED_FOR, limit=AT_ONCE
        )
        for tenant_id, provider_id in due:
            scope = await enter_tenant(platform, tenant_id)
            await scope.enqueue(REFRESH, provider_id=provider_id)

    await sweep_regions(house.database, sweep_region)


async def refresh(work: Work, *, provider_id: str) -> None:
    """Read a provider's metadata again, and take what it says now."""
    async with work.scope() as scope:
        before = await providers.find(scope.conn, scope.tenant_id, UUID(provider_id))
    if before is None or not _is_refreshed(before):
        return
    metadata, error = None, None
    try:
        metadata = await _read(work.house, before)
    except InvalidRequest as refusal:
        error = printable(refusal.message, MAX_ERROR)
    async with work.scope() as scope:
        current = await providers.lock(scope.conn, scope.tenant_id, before.id)
        if current is None or current.configuration != before.configuration:
            # Changed by hand meanwhile, perhaps to another address: what was read is out of date.
            return
        if metadata is None:
            await _note_failure(scope, current, error or "")
        else:
            await _take(scope, current, metadata)


async def describe(scope: Scope, provider_id: UUID) -> MetadataView:
    """What is known of a provider by its metadata, and how reading it again went.

    Raises: NotFound: no provider, or one that has no metadata.
    """
    provider = await require_provider(scope, provider_id)
    if provider.protocol != SAML:
        raise NotFound("This provider speaks OpenID Connect: it has no SAML metadata.")
    reading = await rows.find_reading(scope.conn, scope.tenant_id, provider.id)
    return MetadataView.of(provider, reading, refreshed=_is_refreshed(provider))


def _is_refreshed(provider: SsoProvider) -> bool:
    if provider.protocol != SAML or not provider.enabled:
        return False
    settings = settings_of(provider)
    return settings.refresh_metadata and settings.metadata_url is not None


async def _read(house: House, provider: SsoProvider) -> IdpMetadata:
    """Raises: InvalidRequest: it cannot be had, is refused, or is that of another provider."""
    settings = settings_of(provider)
    document = await importing.fetch(house, settings.metadata_url or "")
    metadata = importing.read(house, document, settings)
    if metadata.entity_id != provider.issuer:
        raise importing.invalid(
            "metadata_url", f"The address now describes {metadata.entity_id}, another provider."
        )
    return metadata


async def _note_failure(scope: Scope, provider: SsoProvider, error: str) -> None:
    """Keep why, and try again after ever longer waits of a day at most."""
    before = await rows.find_reading(scope.conn, scope.tenant_id, provider.id)
    failures = (0 if before is None else before.failures) + 1
    wait = min(AT_LEAST * 2 ** min(failures - 1, 8), USUALLY)
    await rows.keep_reading(
        scope.conn,
        msgspec.structs.replace(
            before or _first(provider),
            due_at=scope.now + wait,
            tried_at=scope.now,
            failures=failures,
            error=error,
        ),
    )
    if failures == 1:
        await scope.emit(SamlMetadataNotRead(provider_id=provider.id, reason=error))


async def _take(scope: Scope, provider: SsoProvider, metadata: IdpMetadata) -> None:
    said, known = stored(metadata), provider.configuration[METADATA]
    changed = sorted(name for name in said if said[name] != known.get(name))
    if changed:
        configuration = provider.configuration | {METADATA: said, READ_AT: scope.now.isoformat()}
        after = msgspec.structs.replace(provider, configuration=configuration)
        # Where the end of the metadata is pushed on day by day, nothing else is news. When an
        # admin changed the provider last, by which people may have got other names, stays.
        if changed != ["valid_until"]:
            await _tell(scope, provider, after, changed)
        await providers.update(scope.conn, after)
    before = await rows.find_reading(scope.conn, scope.tenant_id, provider.id)
    await rows.keep_reading(
        scope.conn,
        msgspec.structs.replace(
            before or _first(provider),
            due_at=scope.now + _pause(scope, metadata),
            tried_at=scope.now,
            read_at=scope.now,
            failures=0,
            error=None,
        ),
    )


async def _tell(scope: Scope, before: SsoProvider, after: SsoProvider, changed: list[str]) -> None:
    """Write down what is another now; tell the administrators of certificates they never saw."""
    known, shown = _fingerprints(before), _fingerprints(after)
    added = [mark for mark in shown if mark not in known]
    await scope.emit(
        SamlMetadataChanged(
            provider_id=after.id,
            changed=changed,
            certificates_added=added,
            certificates_removed=[mark for mark in known if mark not in shown],
            all_replaced=not set(known) & set(shown),
        )
    )
    if not added:
        return
    await cut_links_above(scope, after)
    for address in await users.list_addresses_holding(scope, Permission.SECURITY_MANAGE):
        await mails.provider_certificates(
            scope, to=address, provider=after.name, provider_id=after.id, added=added,
            all_replaced=not set(known) & set(shown),
        )  # fmt: skip


def _fingerprints(provider: SsoProvider) -> Mapping[str, Any]:
    return {fingerprint_of(one): one for one in certificates_of(provider)}


def _pause(scope: Scope, metadata: IdpMetadata) -> timedelta:
    """How long the metadata may rest: as it says, a day where it says nothing, and never for more
    than half of the time it is still valid."""
    pause = metadata.keep_for or USUALLY
    if metadata.valid_until is not None:
        pause = min(pause, (metadata.valid_until - scope.now) / 2)
    return min(max(pause, AT_LEAST), AT_MOST)


def _first(provider: SsoProvider) -> Reading:
    return Reading(
        tenant_id=provider.tenant_id,
        provider_id=provider.id,
        due_at=provider.updated_at,
        tried_at=None,
        read_at=None,
        failures=0,
        error=None,
    )
