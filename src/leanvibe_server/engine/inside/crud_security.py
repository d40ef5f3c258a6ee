"""The source text of the bearer token check that a guarded endpoint rests on."""

from __future__ import annotations

_STANDARD_LIBRARY = '''\
"""Bearer tokens: JSON Web Tokens signed with HS256, by the standard library.

The algorithm is fixed, so a token can't choose its own. `exp` is required, `nbf` is honoured.
"""

import base64
import hashlib
import hmac
import json
import os
import time
from typing import Annotated, Any

from fastapi import Depends, HTTPException, status
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

KEY_VARIABLE = "JWT_SECRET"

bearer = HTTPBearer(auto_error=False)


class InvalidTokenError(Exception):
    """The token can't be trusted; the text says why."""


def verify_token(token: str, secret: str) -> dict[str, Any]:
    """Return the claims of a token that this secret signed and that is valid now.

    Raises: InvalidTokenError: it is malformed, forged, expired or not valid yet.
    """
    signed, _, signature = token.rpartition(".")
    header, _, payload = signed.partition(".")
    if _decode_object(header).get("alg") != "HS256":
        raise InvalidTokenError("The token's algorithm is not HS256.")
    expected = hmac.new(secret.encode(), signed.encode(), hashlib.sha256).digest()
    if not hmac.compare_digest(expected, _decode(signature)):
        raise InvalidTokenError("The token's signature is wrong.")
    claims = _decode_object(payload)
    now = time.time()
    expires, starts = claims.get("exp"), claims.get("nbf", 0)
    if not (isinstance(expires, int | float) and expires > now):
        raise InvalidTokenError("The token has expired.")
    if not (isinstance(starts, int | float) and starts <= now):
        raise InvalidTokenError("The token is not valid yet.")
    return claims


def _decode(part: str) -> bytes:
    try:
        return base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)
    except ValueError as error:
        raise InvalidTokenError("The token is malformed.") from error


def _decode_object(part: str) -> dict[str, Any]:
    try:
        value = json.loads(_decode(part))
    except (ValueError, RecursionError) as error:
        raise InvalidTokenError("The token is malformed.") from error
    if not isinstance(value, dict):
        raise InvalidTokenError("The token is malformed.")
    return value
'''

_PYJWT = '''\
"""Bearer tokens: JSON Web Tokens signed with HS256.

The algorithm is fixed, so a token can't choose its own. `exp` is required.
"""

import os
from typing import Annotated, Any

import jwt
from fastapi import Depends, HTTPException, status
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

KEY_VARIABLE = "JWT_SECRET"

bearer = HTTPBearer(auto_error=False)


def verify_token(token: str, secret: str) -> dict[str, Any]:
    """Return the claims of a token that this secret signed and that is valid now.

    Raises: jwt.InvalidTokenError: it is malformed, forged, expired or not valid yet.
    """
    claims: dict[str, Any] = jwt.decode(
        token, secret, algorithms=["HS256"], options={"require": ["exp"]}
    )
    return claims
'''

_DEPENDENCY = '''

def require_claims(
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)],
) -> dict[str, Any]:
    """Return the claims of the caller's token; without a valid one the call answers 401."""
    secret = os.environ.get(KEY_VARIABLE)
    if not secret:
        raise HTTPException(
            status.HTTP_503_SERVICE_UNAVAILABLE, f"{KEY_VARIABLE} is not configured."
        )
    if credentials is None:
        raise _unauthorized("A bearer token is required.")
    try:
        return verify_token(credentials.credentials, secret)
    except INVALID_TOKEN as error:
        raise _unauthorized(str(error)) from error


def _unauthorized(detail: str) -> HTTPException:
    return HTTPException(
        status.HTTP_401_UNAUTHORIZED, detail, headers={"WWW-Authenticate": "Bearer"}
    )
'''


def security() -> str:
    """A verifier made of nothing but the standard library."""
    return _STANDARD_LIBRARY + _DEPENDENCY.replace("INVALID_TOKEN", "InvalidTokenError")


def security_pyjwt() -> str:
    """A verifier on PyJWT, for a repository that depends on it already."""
    return _PYJWT + _DEPENDENCY.replace("INVALID_TOKEN", "jwt.InvalidTokenError")
