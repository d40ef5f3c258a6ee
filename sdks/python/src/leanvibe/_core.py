"""The rules both clients share: credentials, retries, renewal of the session."""

from __future__ import annotations

import platform
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import monotonic
from typing import TypeVar
from urllib.parse import urlencode
from uuid import uuid4

import httpx

from leanvibe import exceptions as errors
from leanvibe._operations import (
    Call,
    Exclusive,
    Pause,
    Send,
    Steps,
    encode_body,
    encode_query,
    reads,
)
from leanvibe._refusals import error_from_failure, error_from_response
from leanvibe._retries import RetryPolicy
from leanvibe._settings import Settings
from leanvibe._version import VERSION
from leanvibe.models import AccessToken, Login
from leanvibe.tokens import Tokens, TokenStore

T = TypeVar("T")
USER_AGENT = f"leanvibe-python/{VERSION} python/{platform.python_version()}"


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(kw_only=True)
class Core:
    """One client's settings and session, and what follows from them for each request."""

    settings: Settings
    tokens: TokenStore
    retry: RetryPolicy
    random: Callable[[], float]
    clock_s: Callable[[], float] = monotonic
    now: Callable[[], datetime] = utc_now
    new_key: Callable[[], str] = field(default=lambda: str(uuid4()))

    def bearer(self) -> str | None:
        """The session's access token, else the API key: a login outranks the key."""
        session = self.tokens.load()
        return session.access_token if session else self.settings.api_key

    def headers(self, bearer: str | None) -> dict[str, str]:
        """The headers every request has, live streams included."""
        headers = {"User-Agent": USER_AGENT}
        if bearer is not None:
            headers["Authorization"] = f"Bearer {bearer}"
        if self.settings.tenant_id is not None:
            headers["X-Tenant-ID"] = self.settings.tenant_id
        return headers

    def converse(self, call: Call[T]) -> Steps[T]:
        """Send the call until it succeeds or there is no hope left.

        A POST keeps its idempotency key over all attempts, so the server does the work once.
        """
        key = call.idempotency_key or self.new_key()
        retries_done = 0
        renewed = False
        answer_lost = False
        while True:
            bearer = self._bearer_for(call)
            outcome = yield Send(self._request(call, bearer=bearer, key=key))
            if isinstance(outcome, httpx.Response) and outcome.is_success:
                return call.read(outcome)
            error = self._error(outcome)
            if answer_lost and call.method == "DELETE" and isinstance(error, errors.NotFoundError):
                # The attempt whose answer was lost has deleted it.
                return call.read(outcome)
            answer_lost = answer_lost or isinstance(error, errors.ConnectionFailedError)
            if not renewed and self._renewable(call, error, bearer):
                renewed = True
                yield from self.renew_alone(stale=str(bearer))
                continue
            delay_s = self.retry.delay_s(error, retries_done, self.random)
            if delay_s is None:
                raise error
            retries_done += 1
            yield Pause(delay_s)

    def renew_alone(self, *, stale: str) -> Steps[None]:
        """Renew the session; callers who found it expired together share one exchange."""
        yield Exclusive(self.renew(stale=stale))

    def renew(self, *, stale: str) -> Steps[None]:
        """Exchange the refresh token, unless someone else has already replaced `stale`.

        Raises:
            AuthenticationError: the session is over; it is forgotten.
        """
        with self.tokens.exclusively():
            held = self.tokens.load()
            if held is None or held.access_token != stale or held.refresh_token is None:
                return
            try:
                login = yield from self.converse(_renewal(held.refresh_token))
            except errors.AuthenticationError:
                self.tokens.save(None)
                raise
            self.adopt(login)

    def adopt(self, login: Login | AccessToken) -> None:
        """Go on with the session the server just opened."""
        self.tokens.save(Tokens(login.access_token, login.get("refresh_token")))

    def can_renew(self, bearer: str | None) -> bool:
        """Whether `bearer` belongs to a session that has a refresh token."""
        held = self.tokens.load()
        if held is None or bearer is None:
            return False
        return held.access_token != bearer or held.refresh_token is not None

    def _renewable(self, call: Call[T], error: errors.LeanVibeError, bearer: str | None) -> bool:
        if call.anonymous or call.bearer is not None:
            return False
        if isinstance(error, errors.MfaRequiredError):
            return False
        return isinstance(error, errors.AuthenticationError) and self.can_renew(bearer)

    def _bearer_for(self, call: Call[T]) -> str | None:
        if call.anonymous:
            return None
        return call.bearer or self.bearer()

    def _request(self, call: Call[T], *, bearer: str | None, key: str) -> httpx.Request:
        headers = self.headers(bearer) | {"Accept": call.accept, "Accept-Encoding": "gzip, deflate"}
        headers |= call.headers or {}
        content = None
        if call.body is not None:
            headers["Content-Type"] = "application/json"
            content = encode_body(call.body)
        elif call.form is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            content = urlencode(call.form).encode()
        elif call.text is not None:
            headers["Content-Type"], content = call.text[0], call.text[1].encode()
        if call.method == "POST" and not call.repeatable:
            headers["Idempotency-Key"] = key
        return httpx.Request(
            call.method,
            self.settings.base_url + call.path,
            params=encode_query(call.query) if call.query else None,
            headers=headers,
            content=content,
            extensions={"timeout": self.settings.timeout.as_dict()},
        )

    def _error(self, outcome: object) -> errors.LeanVibeError:
        if isinstance(outcome, httpx.Response):
            return error_from_response(outcome, now=self.now())
        if isinstance(outcome, httpx.RequestError):
            return error_from_failure(outcome, self.settings.base_url)
        raise TypeError(f"not an outcome of a request: {outcome!r}")


def _renewal(refresh_token: str) -> Call[Login]:
    # Sent without an idempotency key: the server gives a client that repeats itself within
    # seconds the same successor, and never stores an answer that bears tokens.
    return Call(
        method="POST",
        path="/auth/refresh",
        read=reads(Login),
        bearer=refresh_token,
        repeatable=True,
    )
