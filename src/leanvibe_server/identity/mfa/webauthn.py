"""Security keys and passkeys: what a browser is asked, and how its answer is judged.

The library checks signature, origin, challenge and the name of the site; what it leaves to us is
here: answers from inside other sites' frames, backup flags that change, the key's counter, whose
key it is, and which statements of a maker are read at all.
Source: W3C, "Web Authentication Level 3", sections 7.1 and 7.2.
"""

import json
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlsplit
from uuid import UUID

import webauthn
from webauthn.helpers import base64url_to_bytes, options_to_json_dict, parse_attestation_object
from webauthn.helpers.cose import COSEAlgorithmIdentifier
from webauthn.helpers.structs import (
    AttestationConveyancePreference,
    AuthenticatorSelectionCriteria,
    AuthenticatorTransport,
    CredentialDeviceType,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from leanvibe_server.identity.mfa.models import Factor
from leanvibe_server.identity.models import User
from leanvibe_server.kernel.house import House

RP_NAME = "LeanVibe"
TIMEOUT_MS = 300_000
ALGORITHMS = [
    COSEAlgorithmIdentifier.ECDSA_SHA_256,
    COSEAlgorithmIdentifier.EDDSA,
    COSEAlgorithmIdentifier.RSASSA_PKCS1_v1_5_SHA_256,
]
# We ask for no statement of the maker; browsers then give none, or the key's own.
FORMATS = frozenset({"none", "packed", "fido-u2f"})
# Shorter ones could be guessed: whether one is registered must tell nobody anything.
SHORTEST_ID, LONGEST_ID = 16, 1023
HANDLE_BYTES = 32

Answer = TypeVar("Answer")
Json = dict[str, Any]


class NotProved(Exception):
    """The answer does not hold. The text is for the log, not for the caller."""


@dataclass(frozen=True)
class NewKey:
    """What is kept of a key that was registered."""

    credential_id: bytes
    public_key: bytes
    sign_count: int
    backup_eligible: bool
    backed_up: bool
    transports: list[str]


@dataclass(frozen=True)
class Assertion:
    """A key's answer that holds, but for its counter."""

    sign_count: int
    backed_up: bool
    user_verified: bool


def new_challenge() -> bytes:
    """What a key is to sign."""
    return secrets.token_bytes(32)


def relying_party(house: House) -> tuple[str, str]:
    """The name keys know this site by, and its one origin."""
    parts = urlsplit(house.settings.base_url)
    return parts.hostname or "localhost", f"{parts.scheme}://{parts.netloc}"


def user_handle(tenant_id: UUID, user_id: UUID) -> bytes:
    """By what a passkey remembers whose it is: where the person is, and who there."""
    return tenant_id.bytes + user_id.bytes


def read_handle(handle: bytes) -> tuple[UUID, UUID] | None:
    """Tenant and user of a handle; None when it is none of ours."""
    if len(handle) != HANDLE_BYTES:
        return None
    return UUID(bytes=handle[:16]), UUID(bytes=handle[16:])


def registration_options(
    house: House, user: User, challenge: bytes, known: Sequence[Factor]
) -> Json:
    """What the browser gives to `navigator.credentials.create`."""
    rp_id, _ = relying_party(house)
    options = webauthn.generate_registration_options(
        rp_id=rp_id,
        rp_name=RP_NAME,
        user_id=user_handle(user.tenant_id, user.id),
        user_name=user.email,
        user_display_name=user.username or user.email,
        challenge=challenge,
        timeout=TIMEOUT_MS,
        attestation=AttestationConveyancePreference.NONE,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.PREFERRED,
            user_verification=UserVerificationRequirement.PREFERRED,
        ),
        exclude_credentials=_descriptors(known),
        supported_pub_key_algs=ALGORITHMS,
    )
    return options_to_json_dict(options)


def assertion_options(house: House, challenge: bytes, factors: Sequence[Factor]) -> Json:
    """What the browser gives to `navigator.credentials.get`. Without factors any passkey may
    answer, and must have verified its owner by itself."""
    rp_id, _ = relying_party(house)
    needed = UserVerificationRequirement.PREFERRED
    options = webauthn.generate_authentication_options(
        rp_id=rp_id,
        challenge=challenge,
        timeout=TIMEOUT_MS,
        allow_credentials=_descriptors(factors),
        user_verification=needed if factors else UserVerificationRequirement.REQUIRED,
    )
    return options_to_json_dict(options)


def judge_registration(house: House, answer: Json, challenge: bytes) -> NewKey:
    """The key behind an answer to `registration_options`.

    Raises: NotProved.
    """
    rp_id, origin = relying_party(house)
    response = _part(answer, "response")
    _check_frame(response)
    attestation = _trying(lambda: parse_attestation_object(_bytes(response, "attestationObject")))
    if str(getattr(attestation.fmt, "value", attestation.fmt)) not in FORMATS:
        raise NotProved(f"attestation format {attestation.fmt}")
    verified = _trying(
        lambda: webauthn.verify_registration_response(
            credential=answer,
            expected_challenge=challenge,
            expected_rp_id=rp_id,
            expected_origin=origin,
            supported_pub_key_algs=ALGORITHMS,
        )
    )
    if not SHORTEST_ID <= len(verified.credential_id) <= LONGEST_ID:
        raise NotProved("length of the credential id")
    if _bytes(answer, "rawId") != verified.credential_id:
        raise NotProved("the credential id is not that of the key")
    return NewKey(
        credential_id=verified.credential_id,
        public_key=verified.credential_public_key,
        sign_count=verified.sign_count,
        backup_eligible=verified.credential_device_type == CredentialDeviceType.MULTI_DEVICE,
        backed_up=verified.credential_backed_up,
        transports=_transports(response),
    )


def judge_assertion(
    house: House, answer: Json, challenge: bytes, factor: Factor, *, verified: bool
) -> Assertion:
    """Whether the factor's key gave this answer. `verified` asks that the key verified its owner.

    Raises: NotProved.
    """
    rp_id, origin = relying_party(house)
    response = _part(answer, "response")
    _check_frame(response)
    if credential_id(answer) != factor.credential_id or factor.public_key is None:
        raise NotProved("another key's answer")
    if response.get("userHandle") and _bytes(response, "userHandle") != user_handle(
        factor.tenant_id, factor.user_id
    ):
        raise NotProved("another person's user handle")
    key = factor.public_key
    judged = _trying(
        lambda: webauthn.verify_authentication_response(
            credential=answer,
            expected_challenge=challenge,
            expected_rp_id=rp_id,
            expected_origin=origin,
            credential_public_key=key,
            # The counter is compared in the statement that keeps it.
            credential_current_sign_count=0,
            require_user_verification=verified,
        )
    )
    eligible = judged.credential_device_type == CredentialDeviceType.MULTI_DEVICE
    if eligible != factor.backup_eligible:
        raise NotProved("the key's backup eligibility changed")
    return Assertion(judged.new_sign_count, judged.credential_backed_up, judged.user_verified)


def credential_id(answer: Json) -> bytes:
    """Which key gave an answer. Raises: NotProved: it does not say."""
    return _bytes(answer, "rawId")


def handle_of(answer: Json) -> bytes:
    """Whose a passkey says it is. Raises: NotProved: it does not say."""
    return _bytes(_part(answer, "response"), "userHandle")


def _check_frame(response: Json) -> None:
    """Refuse answers from inside another site's frame. Source: section 7.1, steps 10 and 11."""
    told = _trying(lambda: json.loads(_bytes(response, "clientDataJSON")))
    if not isinstance(told, dict) or told.get("crossOrigin", False) is not False:
        raise NotProved("asked across origins")
    if "topOrigin" in told:
        raise NotProved("asked inside a frame")


def _descriptors(factors: Sequence[Factor]) -> list[PublicKeyCredentialDescriptor]:
    return [
        PublicKeyCredentialDescriptor(
            id=factor.credential_id,
            transports=[AuthenticatorTransport(name) for name in factor.transports],
        )
        for factor in factors
        if factor.credential_id is not None
    ]


def _transports(response: Json) -> list[str]:
    known = {transport.value for transport in AuthenticatorTransport}
    told = response.get("transports")
    named = told if isinstance(told, list) else []
    return sorted({name for name in named if isinstance(name, str) and name in known})


def _part(answer: Json, name: str) -> Json:
    part = answer.get(name)
    if not isinstance(part, dict):
        raise NotProved(f"{name} is missing")
    return part


def _bytes(answer: Json, name: str) -> bytes:
    text = answer.get(name)
    if not isinstance(text, str) or not text:
        raise NotProved(f"{name} is missing")
    return _trying(lambda: base64url_to_bytes(text))


def _trying(judge: Callable[[], Answer]) -> Answer:
    try:
        return judge()
    except Exception as error:  # a parser of others' bytes: whatever it stumbles over is a refusal
        raise NotProved(f"{type(error).__name__}: {error}") from None
