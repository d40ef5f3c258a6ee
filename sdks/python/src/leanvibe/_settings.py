"""A client's settings, from its arguments and the environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import httpx

DEFAULT_BASE_URL = "http://localhost:8765/v1"


@dataclass(kw_only=True)
class Settings:
    """Where the API is and who calls it. `tenant_id` changes when the session moves."""

    base_url: str
    api_key: str | None = field(repr=False)
    tenant_id: str | None
    timeout: httpx.Timeout

    @classmethod
    def of(
        cls,
        environ: Mapping[str, str],
        *,
        base_url: str | None,
        api_key: str | None,
        tenant_id: str | None,
        timeout_s: float,
    ) -> Settings:
        """Arguments first, then `LEANVIBE_BASE_URL`, `LEANVIBE_API_KEY`, `LEANVIBE_TENANT_ID`.

        Raises:
            ValueError: the base URL is not an http or https address.
        """
        return cls(
            base_url=clean_base_url(
                base_url or environ.get("LEANVIBE_BASE_URL") or DEFAULT_BASE_URL
            ),
            api_key=api_key or environ.get("LEANVIBE_API_KEY") or None,
            tenant_id=tenant_id or environ.get("LEANVIBE_TENANT_ID") or None,
            timeout=httpx.Timeout(timeout_s, connect=min(timeout_s, 5.0)),
        )

    @property
    def websocket_base(self) -> str:
        """The base URL for live streams."""
        return "ws" + self.base_url.removeprefix("http")


def clean_base_url(text: str) -> str:
    """The address without a trailing slash; one without a path gets the API's `/v1`.

    Raises:
        ValueError: not an http or https address.
    """
    try:
        url = httpx.URL(text.strip())
    except httpx.InvalidURL as invalid:
        raise ValueError(f"not an address: {text!r} ({invalid})") from None
    if url.scheme not in ("http", "https") or not url.host:
        raise ValueError(f"not an http or https address: {text!r}")
    cleaned = str(url.copy_with(query=None, fragment=None)).rstrip("/")
    return cleaned if url.path.strip("/") else cleaned + "/v1"
