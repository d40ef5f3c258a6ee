"""Every page of the dashboard, by the routers themselves, so that no new one goes unseen."""

import re
from collections.abc import Mapping

from leanvibe_server.web import pages

# Addresses that answer a browser with something other than a page of the shell.
NO_PAGES = {
    "/static/{version}/{name}",
    "/static/brand/{color}/accents.css",
    "/favicon.ico",
    "/audit.csv",
    "/settings/sso/{provider_id}/keys/{client_key_id}/certificate",
    "/tasks/{task_id}/patch",
    "/auth/sso/start/{provider}",
    "/step-up/resume",
    # Seen signed out, at an address of nobody.
    "/auth/sso/callback/{organisation}/{provider}",
}
SIGNED_OUT = [
    "/login",
    "/login/sso",
    "/login/second-factor",
    "/signup",
    "/forgot",
    "/reset/{token}",
    "/invitations/{token}",
    "/verify-email/{token}",
    "/confirm-email/{token}",
    "/auth/sso/callback/unknown/oidc",
]
FOUND = sorted(
    {
        route.path
        for router in pages.ROUTERS
        for route in router.routes
        if "GET" in route.methods and route.path not in NO_PAGES
    }
)
OF_THE_PLATFORM = [path for path in FOUND if path.startswith("/platform/")]
PAGES = [path for path in FOUND if path not in SIGNED_OUT and path not in OF_THE_PLATFORM]
_PLACE = re.compile(r"\{(\w+)\}")


def address(path: str, ids: Mapping[str, str]) -> str:
    """Where a page is, with the ids of things that are there."""
    return _PLACE.sub(lambda found: ids[found[1]], path)
