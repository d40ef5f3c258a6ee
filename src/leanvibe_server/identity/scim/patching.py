"""PATCH of a person: the operations of a client, applied to the attributes that are kept.

Source: RFC 7644, section 3.5.2. Beyond it, as widespread clients want it: operations in any case,
and paths as names in a value without a path, such as `name.givenName`.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from leanvibe_server.identity.scim.cleaning import clean_one, clean_value, find_attribute
from leanvibe_server.identity.scim.definitions import ENTERPRISE, EXTENSION, USER, Attribute
from leanvibe_server.identity.scim.errors import invalid
from leanvibe_server.identity.scim.filters import (
    Both,
    Compare,
    Either,
    Node,
    Not,
    Present,
    parse_filter,
)

MAX_OPERATIONS = 1_000
MAX_PATH = 500
READ_ONLY = frozenset({"id", "meta", "groups", "schemas"})
# Roles come from the group mapping alone; what clients say of them is not even an error.
UNHEARD = frozenset({"roles", "password", "entitlements", "x509certificates"})
_PATH = re.compile(
    r"(?P<urn>urn:[^\[]+:)?(?P<name>[A-Za-z$][\w$-]*)"
    r"(?:\[(?P<filter>.+)\])?(?:\.(?P<part>[A-Za-z$][\w$-]*))?",
    re.DOTALL,
)


@dataclass(frozen=True)
class Operation:
    """One step: add, replace or remove; where, and with what."""

    kind: str
    path: str | None
    value: Any


@dataclass(frozen=True)
class Target:
    """Where a step leads: an attribute of the person or of the extension, some of its values,
    and a part of these."""

    attribute: Attribute
    extended: bool
    condition: Node | None
    part: Attribute | None


def read_operations(body: Mapping[str, Any], *, most: int = MAX_OPERATIONS) -> list[Operation]:
    """The operations of a request. Raises: InvalidRequest."""
    sent = _member(body, "operations")
    if not isinstance(sent, list) or not sent:
        raise invalid("invalidSyntax", "Operations must be a list that is not empty.")
    if len(sent) > most:
        raise invalid("tooMany", f"At most {most} operations are taken at once.")
    return [_operation(one) for one in sent]


def apply(attributes: Mapping[str, Any], operations: Sequence[Operation]) -> dict[str, Any]:
    """The attributes after the operations. Raises: InvalidRequest."""
    patched = dict(attributes)
    for operation in operations:
        if operation.path is None:
            _merge(patched, operation)
        else:
            _step(patched, operation, operation.path)
    return patched


def _operation(sent: Any) -> Operation:
    if not isinstance(sent, dict):
        raise invalid("invalidSyntax", "An operation must be an object.")
    kind, path = _member(sent, "op"), _member(sent, "path")
    if not isinstance(kind, str) or kind.lower() not in ("add", "replace", "remove"):
        raise invalid("invalidSyntax", "op must be add, replace or remove.")
    if path is not None and (not isinstance(path, str) or len(path) > MAX_PATH):
        raise invalid("invalidPath", f"path must be a text of at most {MAX_PATH} characters.")
    if not path and kind.lower() == "remove":
        raise invalid("noTarget", "remove needs a path.")
    return Operation(kind.lower(), path or None, _member(sent, "value"))


def _member(body: Mapping[str, Any], name: str) -> Any:
    return next((value for key, value in body.items() if key.lower() == name), None)


def _merge(patched: dict[str, Any], operation: Operation) -> None:
    """A step without a path: each name of its value is one. Unknown names are ignored."""
    if not isinstance(operation.value, dict):
        raise invalid("invalidValue", "Without a path, value must be an object.")
    for name, value in operation.value.items():
        if name.lower() in READ_ONLY | UNHEARD:
            continue
        if name.lower() == ENTERPRISE.lower() and isinstance(value, dict):
            for part, inner in value.items():
                _step_if_known(patched, operation.kind, f"{ENTERPRISE}:{part}", inner)
        else:
            _step_if_known(patched, operation.kind, name, value)


def _step_if_known(patched: dict[str, Any], kind: str, path: str, value: Any) -> None:
    if _find_target(path) is not None:
        _step(patched, Operation(kind, path, value), path)


def _step(patched: dict[str, Any], operation: Operation, path: str) -> None:
    name = path.lower().removeprefix(f"{USER.lower()}:")
    plain = re.split(r"[.\[]", name, maxsplit=1)[0]
    if plain in READ_ONLY:
        raise invalid("mutability", f"{path} cannot be written.")
    if plain in UNHEARD:
        return
    if name == ENTERPRISE.lower():
        _extension(patched, operation)
        return
    target = _find_target(path)
    if target is None:
        raise invalid("invalidPath", f"There is no attribute {path[:80]!r}.")
    holder = patched
    if target.extended:
        holder = patched[ENTERPRISE] = dict(patched.get(ENTERPRISE) or {})
    _change(holder, target, operation)
    if target.extended and not holder:
        del patched[ENTERPRISE]


def _extension(patched: dict[str, Any], operation: Operation) -> None:
    """The whole extension at once."""
    if operation.kind == "remove":
        patched.pop(ENTERPRISE, None)
        return
    value = clean_value(EXTENSION, operation.value) or {}
    before = dict(patched.get(ENTERPRISE) or {}) if operation.kind == "add" else {}
    patched[ENTERPRISE] = before | value


def _find_target(path: str) -> Target | None:
    match = _PATH.fullmatch(path.strip())
    if match is None:
        return None
    urn = (match["urn"] or "").rstrip(":").lower()
    if urn not in ("", USER.lower(), ENTERPRISE.lower()):
        return None
    extended = urn == ENTERPRISE.lower()
    name = match["name"].lower()
    attribute = EXTENSION.within.get(name) if extended else find_attribute(name)
    if attribute is None or not attribute.writable:
        return None
    part = None
    if match["part"] is not None:
        part = attribute.within.get(match["part"].lower())
        if part is None or not part.writable:
            return None
    condition = None if match["filter"] is None else parse_filter(match["filter"])
    if condition is not None and not attribute.multi:
        return None
    return Target(attribute, extended, condition, part)


def _change(holder: dict[str, Any], target: Target, operation: Operation) -> None:
    attribute = target.attribute
    if target.condition is not None or (attribute.multi and target.part is not None):
        _change_some(holder, target, operation)
    elif target.part is not None:
        inner = dict(holder.get(attribute.name) or {})
        _put(inner, target.part, operation)
        _keep(holder, attribute.name, inner)
    else:
        _put(holder, attribute, operation)


def _put(holder: dict[str, Any], attribute: Attribute, operation: Operation) -> None:
    """Add to, replace or remove one attribute."""
    before = holder.get(attribute.name)
    if operation.kind == "remove":
        kept = None
        if attribute.multi and operation.value is not None:
            gone = clean_value(attribute, operation.value) or []
            kept = [one for one in before or [] if one not in gone]
        _keep(holder, attribute.name, kept)
        return
    value = clean_value(attribute, operation.value)
    if operation.kind == "add" and attribute.multi:
        new = [one for one in value or [] if one not in (before or [])]
        value = clean_value(attribute, [*(before or []), *new])
    elif operation.kind == "add" and attribute.type == "complex":
        value = {**(before or {}), **(value or {})}
    elif attribute.type == "complex" and not attribute.multi:
        # Source: RFC 7644, section 3.5.2.3: a set of sub-attributes replaces those only.
        value = {**(before or {}), **value} if value else None
    _keep(holder, attribute.name, value)


def _change_some(holder: dict[str, Any], target: Target, operation: Operation) -> None:
    """Change those of several values that fulfil a condition."""
    attribute = target.attribute
    values: list[dict[str, Any]] = [dict(one) for one in holder.get(attribute.name) or []]
    chosen = [one for one in values if target.condition is None or fulfils(target.condition, one)]
    if not chosen:
        if operation.kind == "remove":
            return
        if operation.kind == "replace":
            raise invalid("noTarget", f"No value of {attribute.name} fulfils the condition.")
        chosen = [_fresh(target)]
        values += chosen
    for one in chosen:
        _change_value(one, target, operation)
    gone = operation.kind == "remove" and target.part is None
    kept = [one for one in values if one and not (gone and any(one is it for it in chosen))]
    _raise_primary(kept, chosen)
    _keep(holder, attribute.name, clean_value(attribute, kept))


def _change_value(one: dict[str, Any], target: Target, operation: Operation) -> None:
    if target.part is not None:
        _put(one, target.part, operation)
    elif operation.kind != "remove":
        one |= clean_one(target.attribute, operation.value) or {}


def _raise_primary(values: list[dict[str, Any]], chosen: list[dict[str, Any]]) -> None:
    """What was just made primary is the only one."""
    raised = [one for one in chosen if one.get("primary") is True]
    for one in values:
        if raised and one is not raised[-1] and one.get("primary") is True:
            one["primary"] = False


def _fresh(target: Target) -> dict[str, Any]:
    """A value that fulfils a condition of equalities, for an addition that found none."""
    condition = target.condition
    parts = condition.parts if isinstance(condition, Both) else (condition,)
    fresh: dict[str, Any] = {}
    for part in parts:
        if not isinstance(part, Compare) or part.operator != "eq":
            raise invalid("noTarget", f"No value of {target.attribute.name} fulfils the condition.")
        attribute = target.attribute.within.get(part.path.lower())
        if attribute is None:
            raise invalid("invalidFilter", f"There is no attribute {part.path!r}.")
        fresh[attribute.name] = clean_one(attribute, part.value)
    return fresh


def _keep(holder: dict[str, Any], name: str, value: Any) -> None:
    if value in (None, [], {}):
        holder.pop(name, None)
    else:
        holder[name] = value


def fulfils(node: Node, value: Mapping[str, Any]) -> bool:
    """Whether one of several values fulfils a condition. Raises: InvalidRequest."""
    match node:
        case Both(parts):
            return all(fulfils(part, value) for part in parts)
        case Either(parts):
            return any(fulfils(part, value) for part in parts)
        case Not(of):
            return not fulfils(of, value)
        case Present(path):
            return _part_of(value, path) not in (None, "")
        case Compare(path, operator, wanted):
            return _compare(_part_of(value, path), operator, wanted)
    raise invalid("invalidFilter", "A condition on values stands within another.")


def _part_of(value: Mapping[str, Any], path: str) -> Any:
    return next((part for name, part in value.items() if name.lower() == path.lower()), None)


def _compare(found: Any, operator: str, wanted: Any) -> bool:
    left, right = _plain(found), _plain(wanted)
    if operator in ("eq", "ne"):
        return (left == right) is (operator == "eq")
    if not isinstance(left, str) or not isinstance(right, str):
        return False
    tests = {
        "co": right in left,
        "sw": left.startswith(right),
        "ew": left.endswith(right),
        "gt": left > right,
        "ge": left >= right,
        "lt": left < right,
        "le": left <= right,
    }
    return tests[operator]


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        lowered = value.lower()
        return lowered == "true" if lowered in ("true", "false") else lowered
    return value
