"""Single sign-on by SAML, our side of it: what providers are told, and our certificates."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from fastapi import Response

from leanvibe_server.entitlements.plans import plan_of
from leanvibe_server.identity.federation.models import SAML, SsoProvider
from leanvibe_server.identity.federation.reminders import is_near
from leanvibe_server.identity.saml import keys, service
from leanvibe_server.identity.saml.protocol import EXPIRES_SOON
from leanvibe_server.identity.saml.providers import certificates_of, fingerprint_of
from leanvibe_server.identity.saml.reminders import end_of_key
from leanvibe_server.kernel.access import Permission
from leanvibe_server.kernel.http import PathId
from leanvibe_server.kernel.scope import Scope
from leanvibe_server.web.page import ScopedPage, page
from leanvibe_server.web.routes import PageRouter

router = PageRouter()

HERE = "/settings/saml"
READ = page(Permission.SECURITY_READ)
MANAGE = page(Permission.SECURITY_MANAGE, fresh=True)


@dataclass(frozen=True)
class CertificateLine:
    """A certificate of a provider, by its end."""

    fingerprint: str
    ends_at: datetime
    expired: bool
    ends_soon: bool


def certificate_lines(provider: SsoProvider, now: datetime) -> list[CertificateLine]:
    """The certificates a SAML provider signs with; none for providers that have none."""
    if provider.protocol != SAML:
        return []
    return [
        CertificateLine(
            fingerprint_of(certificate),
            certificate.not_valid_after_utc,
            certificate.not_valid_after_utc <= now,
            certificate.not_valid_after_utc <= now + EXPIRES_SOON,
        )
        for certificate in certificates_of(provider)
    ]


@router.get(HERE)
async def show_saml(opened: Annotated[ScopedPage, READ]) -> Response:
    """Our side to copy, and our certificates."""
    return opened.show("settings/saml.html", **await _frame(opened.scope))


@router.post(f"{HERE}/keys")
async def prepare_key(opened: Annotated[ScopedPage, MANAGE]) -> Response:
    """Prepare the next certificate."""
    await keys.prepare_next(opened.scope)
    return opened.go(HERE, toast="saml-key-prepared")


@router.post(f"{HERE}/keys/{{saml_key_id}}/activate")
async def activate_key(saml_key_id: PathId, opened: Annotated[ScopedPage, MANAGE]) -> Response:
    """Put the next certificate to use."""
    await keys.activate(opened.scope, saml_key_id)
    return opened.go(HERE, toast="saml-key-activated")


@router.post(f"{HERE}/keys/{{saml_key_id}}/withdraw")
async def withdraw_key(saml_key_id: PathId, opened: Annotated[ScopedPage, MANAGE]) -> Response:
    """Take the next certificate back."""
    await keys.withdraw(opened.scope, saml_key_id)
    return opened.go(HERE, toast="saml-key-withdrawn")


async def _frame(scope: Scope) -> dict[str, Any]:
    included = SAML in plan_of(scope.plan).features
    return {
        "included": included,
        "ours": await service.describe(scope) if included else None,
        "soon": scope.now + EXPIRES_SOON,
        "ending": [
            end
            for key in await keys.list_keys(scope)
            if key.status == "current" and is_near(end := end_of_key(key), scope.now)
        ],
        "may_change": Permission.SECURITY_MANAGE in scope.permissions,
    }
