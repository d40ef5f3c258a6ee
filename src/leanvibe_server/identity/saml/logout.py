"""Single logout, begun by the identity provider or by us.

A provider ends the sessions of a person it has sent here, and of nobody else: its request is
signed, taken once, and names the person as well as the session.

Source: SAML 2.0 Profiles, section 4.4.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from leanvibe_server.identity import opaque
from leanvibe_server.identity.federation import repository as providers
from leanvibe_server.identity.federation.models import SsoProvider
from leanvibe_server.identity.key_pairs import KeyPair
from leanvibe_server.identity.saml import bindings, logout_messages, messages
from leanvibe_server.identity.saml import repository as rows
from leanvibe_server.identity.saml.addresses import SpAddresses, addresses_of
from leanvibe_server.identity.saml.assertions import NameId
from leanvibe_server.identity.saml.bindings import InAddress
from leanvibe_server.identity.saml.events import SamlLogoutReceived
from leanvibe_server.identity.saml.forms import Parcel
from leanvibe_server.identity.saml.keys import open_keys
from leanvibe_server.identity.saml.logout_messages import LogoutWish
from leanvibe_server.identity.saml.models import SamlRequest, SamlSession
from leanvibe_server.identity.saml.names import REDIRECT, REQUESTER, SAMLP, UNKNOWN_PRINCIPAL
from leanvibe_server.identity.saml.protocol import REQUEST_VALID_FOR, new_message_id
from leanvibe_server.identity.saml.providers import certificates_of, metadata_of, settings_of
from leanvibe_server.identity.saml.refusals import Malformed, Refused, TooLarge
from leanvibe_server.identity.saml.sign_in import (
    check_metadata,
    find_tenant,
    issuer_of,
    not_believed,
    note_refusal,
)
from leanvibe_server.identity.saml.signature import verified
from leanvibe_server.identity.saml.times import forgotten_at
from leanvibe_server.identity.saml.xml import Element, parse, tag
from leanvibe_server.identity.sessions import end_session
from leanvibe_server.identity.visits import scope_in
from leanvibe_server.kernel.crypto import hash_token
from leanvibe_server.kernel.errors import InvalidRequest, PayloadTooLarge
from leanvibe_server.kernel.request import Visit
from leanvibe_server.kernel.scope import Scope
from leanvibe_server.kernel.sealing import fetch_keys
from leanvibe_server.tenancy.models import Tenant
from leanvibe_server.tenancy.service import require_tenant

SIGNED_OUT = "/login"
MAX_RELAY_STATE = 1_000


@dataclass(frozen=True)
class Message:
    """A message as it came: its document, the RelayState, and for an address its signature."""

    document: bytes
    relay_state: str | None
    in_address: InAddress | None


@dataclass(frozen=True)
class _Channel:
    """Between a tenant and one of its providers."""

    tenant: Tenant
    provider: SsoProvider
    addresses: SpAddresses
    key: KeyPair


async def receive(visit: Visit, slug: str, read: Message) -> Parcel:
    """Take a logout request or the answer to ours; returns where the browser goes now.

    Raises: PayloadTooLarge, InvalidRequest, Unauthorized.
    """
    root = _parse(read)
    tenant = await find_tenant(visit, slug)
    channel = None
    try:
        channel = await _look(visit, tenant, issuer_of(root))
        root = _check_signature(visit, channel, root, read)
        if root.tag == tag(SAMLP, "LogoutRequest"):
            return await _answer_request(visit, channel, root, read.relay_state)
        return await _take_answer(visit, channel, root, read.relay_state)
    except Refused as error:
        provider_id = None if channel is None else channel.provider.id
        await note_refusal(visit, tenant.id, provider_id, "Logout", error)
        raise not_believed() from None


def read_posted(text: str, relay_state: str | None) -> Message:
    """A message from a form. Raises: PayloadTooLarge, InvalidRequest."""
    try:
        return Message(bindings.from_post(text), relay_state, None)
    except Malformed as error:
        raise _unreadable(error) from None


def read_address(query: bytes) -> Message:
    """A message from an address. Raises: PayloadTooLarge, InvalidRequest."""
    try:
        found = bindings.from_address(query)
    except Malformed as error:
        raise _unreadable(error) from None
    return Message(found.document, found.relay_state, found)


async def begin(scope: Scope, session_id: UUID) -> Parcel | None:
    """Where a browser whose session has just ended goes to sign out at the provider, too; None
    when the provider knows no logout, or the session came from none."""
    behind = await rows.find_session_behind(scope.conn, scope.tenant_id, session_id)
    if behind is None:
        return None
    provider = await providers.find(scope.conn, scope.tenant_id, behind.provider_id)
    if provider is None or not provider.enabled or not settings_of(provider).single_logout:
        return None
    if metadata_of(provider).logout is None:
        return None
    tenant = await require_tenant(scope)
    keys = await open_keys(scope)
    addresses = addresses_of(scope.house.settings, tenant.slug)
    return await _send_request(scope, _Channel(tenant, provider, addresses, keys.current), behind)


async def _send_request(scope: Scope, channel: _Channel, behind: SamlSession) -> Parcel | None:
    place = metadata_of(channel.provider).logout
    if place is None:
        return None
    handle = opaque.new_token(scope.tenant_id)
    request = SamlRequest(
        tenant_id=scope.tenant_id,
        id=scope.new_id(),
        provider_id=channel.provider.id,
        purpose="logout",
        request_id=new_message_id(),
        handle_hash=hash_token(handle),
        browser_hash=None,
        next_path=SIGNED_OUT,
        link_user_id=None,
        link_session_id=None,
        created_at=scope.now,
        expires_at=scope.now + REQUEST_VALID_FOR,
        consumed_at=None,
    )
    await rows.insert_request(scope.conn, request)
    root = messages.logout_request(
        request_id=request.request_id,
        issuer=channel.addresses.entity_id,
        destination=place.url,
        name_id=NameId(
            behind.name_id, behind.name_format, behind.name_qualifier, behind.sp_name_qualifier
        ),
        session_index=behind.session_index,
        now=scope.now,
    )
    return _parcel(place.url, place.binding, "SAMLRequest", root, handle, channel.key)


def _parse(read: Message) -> Element:
    try:
        return parse(read.document)
    except Malformed as error:
        raise _unreadable(error) from None


async def _look(visit: Visit, tenant: Tenant, issuer: str) -> _Channel:
    await fetch_keys(visit.house, tenant.id)
    async with visit.house.database.tenant(tenant.id) as conn:
        scope = scope_in(visit, conn, tenant.id, plan=tenant.plan)
        provider = await rows.find_provider_by_issuer(conn, tenant.id, issuer)
        if provider is None or not provider.enabled:
            raise Refused("there is no such identity provider, or it is disabled")
        check_metadata(provider, scope)
        keys = await open_keys(scope)
    addresses = addresses_of(visit.house.settings, tenant.slug)
    return _Channel(tenant, provider, addresses, keys.current)


def _check_signature(visit: Visit, channel: _Channel, root: Element, read: Message) -> Element:
    """What the provider signed: the whole document, by the address's signature or its own."""
    certificates, now = certificates_of(channel.provider), visit.house.clock.now()
    if read.in_address is None:
        return verified(root, certificates, now=now)
    expected = "SAMLRequest" if root.tag == tag(SAMLP, "LogoutRequest") else "SAMLResponse"
    if read.in_address.kind != expected:
        raise Malformed("the message came under the name of another kind")
    bindings.check_address_signature(read.in_address, certificates, now=now)
    return root


async def _answer_request(
    visit: Visit, channel: _Channel, root: Element, relay_state: str | None
) -> Parcel:
    wish = logout_messages.read_request(
        root,
        issuer=channel.provider.issuer,
        ours=channel.addresses.entity_id,
        destination=channel.addresses.logout,
        now=visit.house.clock.now(),
    )
    async with visit.house.database.tenant(channel.tenant.id) as conn:
        scope = scope_in(visit, conn, channel.tenant.id, plan=channel.tenant.plan)
        known = await _end_sessions(scope, channel.provider, wish)
    status: Sequence[str] = () if known else (REQUESTER, UNKNOWN_PRINCIPAL)
    place = metadata_of(channel.provider).logout
    if place is None:
        return Parcel(SIGNED_OUT, {})
    answer = messages.logout_response(
        response_id=new_message_id(),
        request_id=wish.id,
        issuer=channel.addresses.entity_id,
        destination=place.response_url,
        status=tuple(status),
        now=visit.house.clock.now(),
    )
    return _parcel(
        place.response_url, place.binding, "SAMLResponse", answer, relay_state, channel.key
    )


async def _end_sessions(scope: Scope, provider: SsoProvider, wish: LogoutWish) -> bool:
    """End the person's sessions; False when the provider never sent us such a person.

    Raises: Refused: the request was taken before.
    """
    expires_at = forgotten_at(wish.usable_until)
    if not await rows.see_message(
        scope.conn, scope.tenant_id, provider.id, wish.id, expires_at=expires_at
    ):
        raise Refused("the logout request was used before")
    found = await rows.list_sessions_of(
        scope.conn,
        scope.tenant_id,
        provider.id,
        name_id=wish.name_id.value,
        name_format=wish.name_id.format,
        indexes=wish.session_indexes,
    )
    live = [session_id for _, session_id in found if session_id is not None]
    for session_id in live:
        await end_session(scope, session_id, reason="signed out at the identity provider")
    # Who was asked for a second factor meanwhile is signed out as well.
    for remote in dict.fromkeys(remote for remote, _ in found):
        await providers.end_waiting(scope.conn, scope.tenant_id, provider.id, remote_session=remote)
    await scope.emit(SamlLogoutReceived(provider_id=provider.id, sessions=len(live)))
    return bool(found)


async def _take_answer(
    visit: Visit, channel: _Channel, root: Element, relay_state: str | None
) -> Parcel:
    """The provider's answer to our request. Our session is over either way."""
    answer = logout_messages.read_response(
        root,
        issuer=channel.provider.issuer,
        destination=channel.addresses.logout,
        now=visit.house.clock.now(),
    )
    async with visit.house.database.tenant(channel.tenant.id) as conn:
        scope = scope_in(visit, conn, channel.tenant.id, plan=channel.tenant.plan)
        found = await rows.find_request(conn, scope.tenant_id, hash_token(relay_state or ""))
        if (
            found is None
            or (found.purpose, found.request_id) != ("logout", answer.request_id)
            or found.provider_id != channel.provider.id
            or not await rows.consume_request(conn, scope.tenant_id, found.id, now=scope.now)
        ):
            raise Refused("the answer belongs to no logout request of ours")
    return Parcel(SIGNED_OUT, {})


def _parcel(
    url: str, binding: str, kind: str, root: Element, relay_state: str | None, key: KeyPair
) -> Parcel:
    if relay_state is not None and len(relay_state) > MAX_RELAY_STATE:
        relay_state = None
    if binding == REDIRECT:
        document = messages.printed(root)
        return Parcel(bindings.to_address(url, kind, document, relay_state, key.private), {})
    document = messages.printed(messages.signed(root, key.private, key.certificate))
    fields = {kind: bindings.to_post(document)}
    return Parcel(url, fields if relay_state is None else fields | {"RelayState": relay_state})


def _unreadable(error: Malformed) -> InvalidRequest | PayloadTooLarge:
    message = f"The message cannot be read: {error}."
    if isinstance(error, TooLarge):
        return PayloadTooLarge(message)
    return InvalidRequest(message, details={"validation_errors": [f"message: {error}"]})
