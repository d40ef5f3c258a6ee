"""The keys by which providers of OpenID Connect know us."""

from typing import Annotated

from fastapi import Response

from leanvibe_server.identity.oidc import client_keys
from leanvibe_server.kernel.access import Permission
from leanvibe_server.kernel.errors import NotFound
from leanvibe_server.kernel.http import PathId
from leanvibe_server.web.page import ScopedPage, page
from leanvibe_server.web.routes import PageRouter

router = PageRouter()

READ = page(Permission.SECURITY_READ)
MANAGE = page(Permission.SECURITY_MANAGE, fresh=True)


@router.post("/settings/sso/{provider_id}/keys")
async def prepare_key(provider_id: PathId, opened: Annotated[ScopedPage, MANAGE]) -> Response:
    """Prepare the next key."""
    await client_keys.prepare_next(opened.scope, provider_id)
    return opened.go(f"/settings/sso/{provider_id}", toast="sso-key-prepared")


@router.post("/settings/sso/{provider_id}/keys/{client_key_id}/activate")
async def activate_key(
    provider_id: PathId, client_key_id: PathId, opened: Annotated[ScopedPage, MANAGE]
) -> Response:
    """Put the next key to use."""
    await client_keys.activate(opened.scope, provider_id, client_key_id)
    return opened.go(f"/settings/sso/{provider_id}", toast="sso-key-activated")


@router.get("/settings/sso/{provider_id}/keys/{client_key_id}/certificate")
async def download_certificate(
    provider_id: PathId, client_key_id: PathId, opened: Annotated[ScopedPage, READ]
) -> Response:
    """The certificate as a file, for providers that take no address."""
    found = await client_keys.describe(opened.scope, provider_id)
    key = next((key for key in found.client_keys if key.id == client_key_id), None)
    if key is None:
        raise NotFound("No such key.")
    name = f'attachment; filename="leanvibe-{key.fingerprint[:11].replace(":", "")}.pem"'
    return Response(
        key.certificate,
        media_type="application/x-pem-file",
        headers={"Content-Disposition": name},
    )
