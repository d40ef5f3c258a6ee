"""The OpenAPI text: one description of the API, written for its readers."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

import leanvibe_server
from leanvibe_server.kernel.errors import InvalidRequest
from leanvibe_server.kernel.http import ERROR_CONTENT, Answers, refuses
from leanvibe_server.kernel.schemas import Error

SUMMARY = """
Multi-tenant identity, metering and an autonomous development engine behind one REST API.

**Sign in** with `POST /v1/auth/login` and send `Authorization: Bearer <access_token>`, or use an
API key (`lv_live_…`, `lv_test_…`) the same way. Every path is also served under `/api/v1`.

**Errors** all wear one envelope; branch on `error`, show `message`, quote `request_id`.
**Lists** take `limit` and `cursor`. **POSTs** accept `Idempotency-Key`: the same key and body
give the first answer again for 24 hours. **Rate limits** are told in `X-RateLimit-*` headers.
"""
TAGS = [
    {"name": "Authentication", "description": "Sign in, refresh, sign out, switch tenant."},
    {"name": "Single sign-on", "description": "Identity providers, domains, linked accounts."},
    {"name": "SAML", "description": "Sign-in by SAML 2.0: metadata, certificates, logout."},
    {"name": "Second factors", "description": "Apps, codes, keys, passkeys, backup codes."},
    {"name": "Security", "description": "What a tenant asks of passwords, factors and sessions."},
    {"name": "Users", "description": "The people of a tenant."},
    {"name": "Groups", "description": "People together, and the role they get by it."},
    {
        "name": "Provisioning",
        "description": "Tokens for SCIM 2.0 clients. SCIM itself is at /scim/v2/{tenant-slug}, "
        "with paths, errors and paging of RFC 7644, and describes itself there at "
        "/ServiceProviderConfig, /ResourceTypes and /Schemas.",
    },
    {"name": "Roles", "description": "What people may do: built-in roles, and your own."},
    {"name": "Organisations", "description": "Organisations below yours."},
    {"name": "API keys", "description": "Credentials for programs."},
    {"name": "Service accounts", "description": "Accounts of programs, their keys and clients."},
    {"name": "OAuth", "description": "Tokens for programs by client credentials."},
    {"name": "Tenants", "description": "Organisations, their limits and usage."},
    {"name": "Projects", "description": "Git repositories the engine works on."},
    {"name": "Tasks", "description": "Development work, from request to branch."},
    {"name": "Live updates", "description": "Progress by WebSocket and server-sent events."},
    {"name": "Audit", "description": "Who did what."},
    {"name": "Privacy", "description": "Exports, erasures, consents, retention periods."},
    {"name": "Health", "description": "Signs of life."},
]


_ABBREVIATIONS = {
    "api": "API",
    "jwks": "JWKS",
    "oauth": "OAuth",
    "post": "POST",
    "saml": "SAML",
    "scim": "SCIM",
}


def describe(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document: the canonical paths under /v1, and the error envelope."""
    if app.openapi_schema is None:
        document = get_openapi(
            title="LeanVibe Enterprise API",
            version=leanvibe_server.__version__,
            description=SUMMARY.strip(),
            routes=app.routes,
            tags=TAGS,
        )
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        error = Error.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas["Error"] = error
        for name in ("HTTPValidationError", "ValidationError"):
            schemas.pop(name, None)
        document["components"]["securitySchemes"] = {
            "bearer": {"type": "http", "scheme": "bearer", "description": "Access token or API key"}
        }
        for operations in document["paths"].values():
            for operation in operations.values():
                _mend(operation)
        app.openapi_schema = document
    return app.openapi_schema


def _titled(name: str) -> str:
    """An operation's name as a title: `create_api_key` as "Create API key"."""
    words = [_ABBREVIATIONS.get(word, word) for word in name.split("_")]
    return " ".join([words[0].capitalize(), *words[1:]])


def _mend(operation: dict[str, Any]) -> None:
    """Bad input answers 400 in the envelope, never FastAPI's 422; and who may call is said."""
    operation["summary"] = _titled(operation["operationId"])
    responses = operation["responses"]
    responses.pop("422", None)
    if "requestBody" in operation or any(
        p["in"] == "query" for p in operation.get("parameters", ())
    ):
        known: Answers = {400: responses["400"]} if "400" in responses else {}
        responses["400"] = refuses(InvalidRequest, beside=known)[400]
    operation["responses"] = dict(sorted(responses.items())) | {
        "default": {"description": "Any refusal wears this envelope.", "content": ERROR_CONTENT}
    }
    public = operation.pop("x-public", False)
    permission = operation.get("x-permission", "public")
    if permission != "public":
        text = operation.get("description", "")
        proof = " and a proof of identity of the last ten minutes" * operation.pop("x-fresh", False)
        needs = f"Needs the permission `{permission}`{proof}."
        operation["description"] = f"{text}\n\n{needs}".strip()
    if not public:
        operation["security"] = [{"bearer": []}]
    elif permission != "public":
        operation["security"] = [{}, {"bearer": []}]
