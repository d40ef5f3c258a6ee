"""Metadata of an identity provider as an admin sends it, or as its address gives it out."""

from typing import Any

from leanvibe_server.identity.saml.metadata import IdpMetadata, read_certificate, read_metadata
from leanvibe_server.identity.saml.providers import SamlSettings
from leanvibe_server.identity.saml.refusals import Refused
from leanvibe_server.identity.saml.xml import MAX_BYTES
from leanvibe_server.kernel.errors import InvalidRequest
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.outbound import OutboundClient, Unreachable


async def find_document(
    house: House, entries: dict[str, Any], settings: SamlSettings
) -> bytes | None:
    """The metadata an admin sent, or what is at its address; None when neither is given.

    Raises: InvalidRequest: naming the field.
    """
    text = entries.get("metadata_xml")
    if text is not None:
        if not isinstance(text, str) or not text.strip():
            raise invalid("metadata_xml", "metadata_xml must hold the metadata's XML.")
        return text.encode()
    if settings.metadata_url is None:
        return None
    return await fetch(house, settings.metadata_url)


async def fetch(house: House, url: str) -> bytes:
    """What is at the address. Raises: InvalidRequest: why there is nothing of use."""
    if house.settings.production and not url.startswith("https://"):
        raise invalid("metadata_url", "metadata_url must begin with https://.")
    try:
        answer = await house.part(OutboundClient).request(
            "GET", url, headers={"Accept": "application/samlmetadata+xml, application/xml"}
        )
    except Unreachable as error:
        raise invalid("metadata_url", f"The metadata cannot be fetched: {error}.") from None
    if answer.status_code != 200:
        raise invalid("metadata_url", f"The metadata's address answers {answer.status_code}.")
    if len(answer.content) > MAX_BYTES:
        raise invalid("metadata_url", f"The metadata is larger than {MAX_BYTES} bytes.")
    return answer.content


def read(
    house: House, document: bytes, settings: SamlSettings, *, place: str = "metadata_url"
) -> IdpMetadata:
    """What the document says; signed, where a certificate is pinned.

    Raises: InvalidRequest: naming `place`.
    """
    try:
        pinned = None
        if settings.metadata_certificate is not None:
            pinned = read_certificate(settings.metadata_certificate)
        return read_metadata(
            document,
            now=house.clock.now(),
            pinned=pinned,
            https_only=house.settings.production,
        )
    except Refused as error:
        raise invalid(place, f"The metadata is refused: {error}.") from None


def invalid(field: str, message: str) -> InvalidRequest:
    """The refusal of a setting."""
    return InvalidRequest(
        message, details={"field": field, "validation_errors": [f"settings.{field}: {message}"]}
    )
