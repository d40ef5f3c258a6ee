"""The dashboard's own files: read once, served under an address that changes with their content."""

import hashlib
import mimetypes
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Annotated

from fastapi import APIRouter, Depends, Response

from leanvibe_server.kernel.errors import NotFound

FOREVER = "public, max-age=31536000, immutable"
_TYPES = {".js": "text/javascript", ".svg": "image/svg+xml", ".css": "text/css"}

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True)
class Assets:
    """Every file by name, and one hash over all of them.

    One hash for all keeps relative imports between modules inside one version.
    """

    version: str
    files: dict[str, bytes]

    def url(self, name: str) -> str:
        """The address of a file. Raises: KeyError: there is none of that name."""
        if name not in self.files:
            raise KeyError(name)
        return f"/static/{self.version}/{name}"


@cache
def load_assets() -> Assets:
    """The files that came with the package."""
    folder = resources.files("leanvibe_server.web") / "static"
    files = {item.name: item.read_bytes() for item in folder.iterdir() if item.is_file()}
    digest = hashlib.sha256()
    for name in sorted(files):
        digest.update(name.encode() + b"\0" + files[name] + b"\0")
    return Assets(digest.hexdigest()[:12], files)


async def everyone() -> None:
    """Files of the product itself need no permission."""


everyone.way_in = "public: static files"  # type: ignore[attr-defined]  # read by the route catalogue test


@router.get("/static/{version}/{name}")
async def read_asset(version: str, name: str, _: Annotated[None, Depends(everyone)]) -> Response:
    """One file. An address of an older version still gives the file, but is not kept."""
    assets = load_assets()
    if name not in assets.files:
        raise NotFound("There is nothing at this path.")
    return _answer(name, FOREVER if version == assets.version else "no-cache")


@router.get("/favicon.ico")
async def read_favicon(_: Annotated[None, Depends(everyone)]) -> Response:
    """The logo, for clients that ask without reading the page."""
    return _answer("logo.svg", "public, max-age=86400")


def _answer(name: str, cache_control: str) -> Response:
    suffix = name[name.rfind(".") :]
    kind = _TYPES.get(suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"
    return Response(
        load_assets().files[name], media_type=kind, headers={"Cache-Control": cache_control}
    )
