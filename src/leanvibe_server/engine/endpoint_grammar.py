"""How a clause asks for a CRUD endpoint: path or resource, fields, methods, guard and storage."""

from __future__ import annotations

import re
from typing import Any

from leanvibe_server.engine.parameters import check_field, field_type
from leanvibe_server.engine.recipes import FIELD_TYPES, HTTP_METHODS
from leanvibe_server.engine.vocabulary import PROCESS_WORDS, RECIPE_WORDS, SOFT_WORDS, TECHNOLOGIES

_ASKS = re.compile(
    r"\b(?:add|create|build|implement|generate|write|expose|provide|make|need|want)\b.*?"
    r"\b(?:endpoints?|apis?|routes?|resource|crud)\b|^\s*(?:an?\s+)?(?:new\s+)?(?:simple\s+)?"
    r"(?:crud|rest(?:ful)?)\b.*?\b(?:endpoints?|apis?|routes?|for)\b|^\s*endpoints? (?:for|at)\b",
    re.IGNORECASE,
)
_PATH = re.compile(r"(?<![\w/.])(/[A-Za-z0-9_.~-]+)+/?(?:\{\w+\}/?)?")
_FOR = re.compile(
    r"\b(?:for|to manage|managing|of|called|named)\s+(?:the\s+|our\s+|a\s+|an\s+|all\s+)?"
    r"(?P<noun>[A-Za-z][\w-]*(?:[ -][A-Za-z][\w-]*)?)",
    re.IGNORECASE,
)
_BEFORE = re.compile(
    r"\b(?P<noun>[A-Za-z][\w-]*)\s+(?:crud|rest|restful|api|http)?\s*(?:crud\s+|rest\s+|api\s+)?"
    r"(?:endpoints?|apis?|routes?|resource)\b",
    re.IGNORECASE,
)
_FIELDS = re.compile(
    r"\b(?:(?:with|having)\s+)?(?:the\s+)?(?:fields?|attributes?|columns?|properties)\s*(?::|are|named)?\s*"
    r"(?P<list>.+)$",
    re.IGNORECASE,
)
_FIELD = re.compile(
    r"^\s*(?:an?\s+|the\s+)?(?:optional\s+)?`?(?P<name>[A-Za-z_]\w*)`?\s*(?:(?::|\()\s*(?P<type>\w+\??)\)?|"
    r"\s+(?P<word>\w+\??))?\s*$"
)
_TYPE_WORDS = frozenset(
    {*FIELD_TYPES, "string", "text", "integer", "number", "boolean", "timestamp"}
)
_JWT = re.compile(
    r"\b(?:(?:with|using|and|by|via|requires?|protected|secured|guarded|needs?|behind)\s+)*(?:an?\s+)?"
    r"(?:jwt|bearer)(?:\s+(?:authentication|auth|tokens?|support|based))*\b|"
    r"\bjwt[- ](?:authenticated|protected|secured)\b",
    re.IGNORECASE,
)
_SQLALCHEMY = re.compile(
    r"\b(?:(?:with|using|and|by|via|in|stored|backed|on|through)\s+)*sqlalchemy(?:\s+(?:storage|models?|"
    r"database|orm|persistence))?\b",
    re.IGNORECASE,
)
_MEMORY = re.compile(
    r"\b(?:stored |kept |storage )?in[- ]memory(?:\s+(?:storage|store|repository))?\b",
    re.IGNORECASE,
)
_VERBS = {
    "list": "GET", "read": "GET", "show": "GET", "get": "GET", "fetch": "GET", "view": "GET",
    "create": "POST", "post": "POST", "replace": "PUT", "put": "PUT", "update": "PATCH",
    "edit": "PATCH", "patch": "PATCH", "change": "PATCH", "delete": "DELETE", "remove": "DELETE",
}  # fmt: skip
_TO_DO = re.compile(r"\bto\s+((?:\w+(?:,\s*|\s+and\s+|\s+or\s+|,\s*and\s+))*\w+)\b", re.IGNORECASE)
_UPPER_METHOD = re.compile(rf"\b(?:{'|'.join(HTTP_METHODS)})\b")


def read_endpoint_clause(clause: str) -> tuple[dict[str, Any], str] | None:
    """Slots and remaining text of a clause that asks for an endpoint; None where it doesn't."""
    if not _ASKS.search(clause):
        return None
    slots, rest = read_endpoint_modifiers(clause)
    path = _PATH.search(rest)
    if path:
        slots["endpoint"] = "/" + re.sub(r"/\{\w+\}/?$", "", path[0]).strip("/")
        return slots, rest.replace(path[0], " ", 1)
    resource, rest = _read_resource(rest)
    if resource is None:
        return None
    slots["resource"] = resource
    return slots, rest


def read_endpoint_modifiers(clause: str) -> tuple[dict[str, Any], str]:
    """The slots a clause fills beside the path, and the text that is left of it."""
    slots: dict[str, Any] = {}
    rest = clause
    for pattern, slot, value in (
        (_JWT, "authentication", "jwt"),
        (_SQLALCHEMY, "database", "sqlalchemy"),
        (_MEMORY, "database", "memory"),
    ):
        if pattern.search(rest):
            slots[slot] = value
            rest = pattern.sub(" ", rest)
    rest = _read_fields(rest, slots)
    methods = _UPPER_METHOD.findall(rest)
    rest = _UPPER_METHOD.sub(" ", rest)
    if re.search(r"\bread[- ]only\b", rest, re.IGNORECASE):
        methods.append("GET")
        rest = re.sub(r"\bread[- ]only\b", " ", rest, flags=re.IGNORECASE)
    asked = _TO_DO.search(rest)
    verbs = re.findall(r"\w+", asked[1].casefold()) if asked else []
    named = [_VERBS[one] for one in verbs if one in _VERBS]
    if asked and named and verbs[0] in _VERBS:
        methods += named
        kept = [one for one in verbs if one not in _VERBS and one not in {"and", "or"}]
        rest = rest.replace(asked[0], " of " + " ".join(kept), 1)
    if methods:
        slots["methods"] = [one for one in HTTP_METHODS if one in methods]
    return slots, rest


def _read_fields(rest: str, slots: dict[str, Any]) -> str:
    found = _FIELDS.search(rest)
    if not found:
        return rest
    fields: dict[str, str] = {}
    unread: list[str] = []
    for part in re.split(r",\s*and\s+|,|\s+and\s+", found["list"].strip(" .")):
        one = _FIELD.match(part)
        kind = (one["type"] or one["word"] or "str") if one else ""
        if one and one["word"] and one["word"].rstrip("?").casefold() not in _TYPE_WORDS:
            one = None
        if one is None or check_field(one["name"].lower(), kind):
            unread.append(part)
            continue
        optional = "?" if "optional" in part and not kind.endswith("?") else ""
        fields[one["name"].lower()] = field_type(kind) + optional
    if not fields:
        return rest
    slots["fields"] = fields
    return rest[: found.start()] + " " + " ".join(unread)


def _read_resource(rest: str) -> tuple[str | None, str]:
    """The resource a clause names, where it is a thing with rows: one word or two."""
    known = SOFT_WORDS | RECIPE_WORDS["crud_endpoint"]
    for pattern in (_FOR, _BEFORE):
        for found in pattern.finditer(rest):
            words = re.split(r"[ -]", found["noun"].casefold())
            while words and words[-1] in known:
                words.pop()
            if not words or words[0] in known or set(words) & PROCESS_WORDS:
                continue
            if set(words) & (TECHNOLOGIES - {"payment", "payments"}):
                continue
            taken = re.match(r"[ -]?".join(map(re.escape, words)), found["noun"], re.IGNORECASE)
            if taken is None or _names_several(rest[found.end() :]):
                continue
            start = found.start("noun")
            left = rest[:start] + " " + rest[start + len(taken[0]) :]
            return "-".join([*words[:-1], _plural(words[-1])]), left
    return None, rest


def _names_several(after: str) -> bool:
    """Whether the text goes on to list further resources: `users, teams and roles`."""
    following = re.match(r"\s*,\s*([A-Za-z]\w+)|\s+and\s+([A-Za-z]\w+)", after)
    if following is None:
        return False
    word = (following[1] or following[2]).casefold()
    return word not in SOFT_WORDS | RECIPE_WORDS["crud_endpoint"]


def _plural(word: str) -> str:
    if word.endswith("s"):
        return word
    if word.endswith("y") and word[-2:-1] not in set("aeiou"):
        return word[:-1] + "ies"
    return word + ("es" if word.endswith(("x", "z", "ch", "sh")) else "s")
