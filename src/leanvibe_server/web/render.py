"""Turning a template and values into a page, with the headers every page bears."""

from functools import cache
from typing import Any

from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from leanvibe_server.web.assets import load_assets
from leanvibe_server.web.formats import FILTERS, between
from leanvibe_server.web.icons import icon
from leanvibe_server.web.statuses import STATUSES, status_of

# Everything a page loads is our own file; nothing stands inline.
_POLICY = (
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    "connect-src 'self'",
    "form-action 'self'",
    "frame-ancestors 'none'",
    "base-uri 'none'",
)


def content_security_policy(image_source: str) -> str:
    """The policy of a page whose logo comes from `image_source`; empty: from ourselves."""
    images = f"img-src 'self' data: {image_source}"
    return "; ".join(
        images if image_source and part.startswith("img-src") else part for part in _POLICY
    )


@cache
def environment() -> Environment:
    """The templates of the dashboard. An unknown name in one is an error, never a gap."""
    made = Environment(
        loader=PackageLoader("leanvibe_server.web", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(FILTERS)
    made.globals.update(
        asset=load_assets().url,
        icon=icon,
        between=between,
        status_of=status_of,
        statuses=STATUSES,
    )
    return made


def render(template: str, values: dict[str, Any], *, status: int = 200) -> HTMLResponse:
    """The page as an answer."""
    return HTMLResponse(
        environment().get_template(template).render(values),
        status_code=status,
        headers={
            "Content-Security-Policy": content_security_policy(values["brand"].image_source),
            "Cache-Control": "no-store",
            "Vary": "Cookie",
        },
    )
