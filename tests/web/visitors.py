"""A person before a browser, without JavaScript: follows links and sends the forms of pages."""

import re
from collections.abc import Mapping
from html import unescape
from typing import Any

import httpx

from tests.given import Person

_TOKEN = re.compile(r'name="form_token" value="([0-9a-f]+)"')


class Visitor:
    """One browser session: a cookie jar, and the page it looks at."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client
        self.client.headers["accept"] = "text/html"
        self.page = ""

    async def open(self, path: str, **headers: str) -> httpx.Response:
        """Follow a link."""
        return self._look(await self.client.get(path, headers=headers))

    async def send(
        self,
        path: str,
        fields: Mapping[str, Any] | None = None,
        *,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """Send a form of the page at hand; redirects are not followed."""
        data = {"form_token": self.token if token is None else token, **(fields or {})}
        return self._look(await self.client.post(path, data=data, headers=dict(headers or {})))

    async def sign_in(self, person: Person, next_path: str = "/") -> httpx.Response:
        await self.open("/login")
        return await self.send(
            "/login",
            {"email": person.email, "password": person.password, "next": next_path},
        )

    @property
    def token(self) -> str:
        """The form token of the page at hand."""
        found = _TOKEN.search(self.page)
        assert found is not None, "the page at hand has no form"
        return found[1]

    @property
    def text(self) -> str:
        """What a reader sees of the page at hand, more or less."""
        return " ".join(unescape(re.sub(r"<[^>]+>", " ", self.page)).split())

    def _look(self, answer: httpx.Response) -> httpx.Response:
        if answer.headers.get("content-type", "").startswith("text/html"):
            self.page = answer.text
        return answer
