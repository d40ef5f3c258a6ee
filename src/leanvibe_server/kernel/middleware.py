"""The outermost layer: request ids, body limit, rate and security headers, metrics, crashes.

Pure ASGI: a BaseHTTPMiddleware costs many times as much.
"""

import ipaddress
import re
import time
from urllib.parse import unquote_plus
from uuid import uuid4

import msgspec
import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from leanvibe_server.kernel import metrics
from leanvibe_server.kernel.config import listed
from leanvibe_server.kernel.cookies import read_cookies, tie_cookie
from leanvibe_server.kernel.errors import (
    AppError,
    InvalidRequest,
    NotFound,
    PayloadTooLarge,
    envelope,
)
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.http import answer_error, crash_response
from leanvibe_server.kernel.log import logger, speak_of_home
from leanvibe_server.kernel.ratelimit import ANONYMOUS
from leanvibe_server.kernel.request import Visit, place_visit

# Our own keys and refresh tokens wherever they stand, and the parameters in which others of their
# kind are sent; `token` alone belongs to WebSockets, which take an access token there.
_KEY = re.compile(
    r"l(?:v_[a-z]+|r)_[0-9A-Za-z]{40,}|(?:^|&)(?:access_token|api_?key|refresh_token)=[^&]",
    re.IGNORECASE,
)
_SAID_ONCE = frozenset(
    (b"authorization", b"host", b"idempotency-key", b"origin", b"x-break-glass-reason",
     b"x-tenant-id", b"x-tenant-slug")
)  # fmt: skip
_REQUEST_ID = re.compile(r"req_[0-9a-f-]{36}")
_FIXED_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
]
_API_CSP = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")
_HSTS = (b"strict-transport-security", b"max-age=31536000; includeSubDomains")


class Doorman:
    """Wraps the application: every request passes here first and leaves here last."""

    def __init__(self, app: ASGIApp, house: House) -> None:
        self._app = app
        self._house = house
        self._proxies = house.settings.proxy_networks
        # Whoever ends TLS before us, browsers speak https to us then.
        self._is_public_secure = house.settings.base_url.startswith("https://")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        if scope.get("method") == "HEAD":
            # As GET, but for the body, which the server leaves out.
            scope = {**scope, "method": "GET"}
        speak_of_home()
        visit = self._visit(scope)
        place_visit(scope, visit)  # type: ignore[arg-type]  # an ASGI scope is a dict
        refusal = _key_in_address() if carries_key(scope) else _said_twice(scope)
        if refusal is not None:
            await self._refuse(scope, receive, send, visit, refusal)
            return
        if scope["type"] == "websocket":
            await self._app(scope, receive, _Handshake(visit, scope, send))
        else:
            await self._serve(scope, receive, send, visit)

    async def _serve(self, scope: Scope, receive: Receive, send: Send, visit: Visit) -> None:
        """Have a request answered, whatever becomes of it."""
        answer = _Answer(visit, send)
        structlog.contextvars.bind_contextvars(request_id=visit.request_id)
        try:
            declared = visit.headers.get("content-length", "0")
            if declared.isdigit() and int(declared) > self._house.settings.max_body_bytes:
                await _send_error(scope, receive, answer, visit, self._too_large())
                return
            await self._app(scope, self._bounded(receive), answer)
        except PayloadTooLarge as error:
            await _send_error(scope, receive, answer, visit, error)
        except Exception as error:
            if not answer.started:
                await crash_response(visit, error)(scope, receive, answer)
            elif not answer.finished:
                logger("http").error("crash after the answer began", exc_info=error)
                raise
        finally:
            structlog.contextvars.unbind_contextvars("request_id")

    def refuse_unreadable(self, peer: str) -> bytes:
        """The whole HTTP/1.1 answer to bytes that are no request."""
        house = self._house
        request_id, now = f"req_{uuid4()}", house.clock.now()
        error = InvalidRequest("This is not an HTTP request that can be read.")
        body = msgspec.json.encode(envelope(error, request_id=request_id, now=now))
        verdict = house.limiter.take(f"address {peer}", ANONYMOUS, now.timestamp(), cost=0)
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
            (b"x-request-id", request_id.encode()),
            *verdict.headers(now.timestamp()),
            *_FIXED_HEADERS,
        ]
        lines = b"".join(name + b": " + value + b"\r\n" for name, value in headers)
        return b"HTTP/1.1 400 Bad Request\r\n" + lines + b"\r\n" + body

    async def _refuse(
        self, scope: Scope, receive: Receive, send: Send, visit: Visit, error: AppError
    ) -> None:
        if _KEY.search(visit.path):
            visit.path = "/"
        answer = _Answer(visit, send)
        if scope["type"] == "websocket":
            answer = _Handshake(visit, scope, send).denial
        await _send_error(scope, receive, answer, visit, error)

    def _bounded(self, receive: Receive) -> Receive:
        seen = 0

        async def bounded() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self._house.settings.max_body_bytes:
                raise self._too_large()
            return message

        return bounded

    def _too_large(self) -> PayloadTooLarge:
        limit = self._house.settings.max_body_bytes
        return PayloadTooLarge(
            f"The body is larger than {limit} bytes.", details={"max_bytes": limit}
        )

    def _visit(self, scope: Scope) -> Visit:
        headers: dict[str, str] = {}
        for name, value in scope["headers"]:
            headers[name.decode("latin-1")] = value.decode("latin-1")
        peer = (scope.get("client") or ("unknown", 0))[0]
        believed = self._is_proxy(peer)
        address = self._client_address(headers, peer) if believed else peer
        scheme = headers.get("x-forwarded-proto") if believed else None
        secure = self._is_public_secure or (scheme or scope.get("scheme")) in ("https", "wss")
        named = headers.get("x-request-id", "")
        return Visit(
            house=self._house,
            request_id=named if _REQUEST_ID.fullmatch(named) else f"req_{uuid4()}",
            method=scope.get("method", "GET"),
            path=scope["path"],
            headers=headers,
            cookies=read_cookies(headers.get("cookie"), secure=secure),
            address=address,
            secure=secure,
        )

    def _is_proxy(self, peer: str) -> bool:
        if not self._proxies:
            return False
        try:
            address = ipaddress.ip_address(peer)
        except ValueError:
            return False
        return any(address in network for network in self._proxies)

    def _client_address(self, headers: dict[str, str], peer: str) -> str:
        """The last address in X-Forwarded-For that is not one of our proxies."""
        for hop in reversed(listed(headers.get("x-forwarded-for", ""))):
            try:
                ipaddress.ip_address(hop)
            except ValueError:
                return peer
            if not self._is_proxy(hop):
                return hop
        return peer


class _Answer:
    """The send side of one request: adds the headers every answer bears, and measures."""

    def __init__(self, visit: Visit, send: Send) -> None:
        self._visit = visit
        self._send = send
        self._began = time.perf_counter()
        self.started = False
        self.finished = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            self._dress(message)
        elif message["type"] == "http.response.body" and not message.get("more_body"):
            self.finished = True
        await self._send(message)

    def _dress(self, message: Message) -> None:
        visit = self._visit
        now = visit.house.clock.now().timestamp()
        verdict = visit.verdict or visit.house.limiter.take(
            f"unlimited {visit.address}", ANONYMOUS, now, cost=0
        )
        headers: list[tuple[bytes, bytes]] = message.setdefault("headers", [])
        present = {name for name, _ in headers}
        headers.append((b"x-request-id", visit.request_id.encode()))
        # A refusal that knows better than the bucket has said so itself.
        headers.extend(pair for pair in verdict.headers(now) if pair[0] not in present)
        headers.extend(_FIXED_HEADERS)
        if b"content-security-policy" not in present:
            headers.append(_API_CSP)
        if b"cache-control" not in present:
            headers.append((b"cache-control", b"no-store"))
        if visit.secure:
            headers[:] = [
                (name, tie_cookie(value) if name == b"set-cookie" else value)
                for name, value in headers
            ]
            headers.append(_HSTS)
        metrics.observe(visit, message["status"], time.perf_counter() - self._began)


class _Handshake:
    """The send side of one WebSocket: a refusal before its beginning is an HTTP answer like any
    other, with envelope and headers."""

    def __init__(self, visit: Visit, scope: Scope, send: Send) -> None:
        self._visit = visit
        self._scope = scope
        self._send = send
        self._answer = _Answer(visit, self._send_denial)
        self._began = False

    async def __call__(self, message: Message) -> None:
        kind = message["type"]
        if kind.startswith("websocket.http.response."):
            await self._answer({**message, "type": kind.removeprefix("websocket.")})
        elif kind == "websocket.close" and not self._began and self._may_answer():
            error = NotFound("There is nothing at this path.")
            await _send_error(self._scope, _receive_nothing, self._answer, self._visit, error)
        else:
            self._began = True
            await self._send(message)

    @property
    def denial(self) -> _Answer:
        """The send side of an answer that refuses the handshake."""
        return self._answer

    def _may_answer(self) -> bool:
        return "websocket.http.response" in self._scope.get("extensions", {})

    async def _send_denial(self, message: Message) -> None:
        await self._send({**message, "type": f"websocket.{message['type']}"})


def carries_key(scope: Scope) -> bool:
    """Whether a secret stands in the address of a request, however it is spelled there.

    Source: RFC 6750, section 5.3: bearer tokens do not belong into page URLs.
    """
    query = scope.get("query_string", b"")
    if b"lv_" in scope["path"].encode() and _KEY.search(scope["path"]):
        return True
    if not query:
        return False
    return _KEY.search(unquote_plus(query.decode("latin-1"))) is not None


def _said_twice(scope: Scope) -> InvalidRequest | None:
    """The refusal of a request that says twice who calls or for whom: a proxy before us may have
    gone by the other one. Source: RFC 9110, section 5.3."""
    names = [name for name, _ in scope["headers"] if name in _SAID_ONCE]
    if len(names) == len(set(names)):
        return None
    twice = next(name for name in names if names.count(name) > 1).decode()
    return InvalidRequest(
        f"The header {twice} comes twice. Send it once.",
        details={"field": twice, "reason": "header_twice"},
    )


def _key_in_address() -> InvalidRequest:
    return InvalidRequest(
        "A key or token does not belong into an address, where logs and browsers keep it. Send it "
        "as `Authorization: Bearer`, and replace the one you just sent.",
        details={"reason": "key_in_address"},
    )


async def _receive_nothing() -> Message:
    return {"type": "http.disconnect"}


async def _send_error(
    scope: Scope, receive: Receive, answer: _Answer, visit: Visit, error: AppError
) -> None:
    response = answer_error(visit, error)
    # A response dresses its messages for a WebSocket itself; ours are dressed by the handshake.
    await response({**scope, "type": "http"}, receive, answer)
