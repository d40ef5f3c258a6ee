"""What clients send of a person, brought into one form: names, types, and no more than is kept.

Clients differ: some send "False" for false, a text where an object with a value belongs, names in
another case. What is not known is ignored; what cannot be understood is refused.
"""

from collections.abc import Mapping
from typing import Any

from leanvibe_server.identity.scim.definitions import (
    ATTRIBUTES,
    ENTERPRISE,
    EXTENSION,
    Attribute,
)
from leanvibe_server.identity.scim.errors import invalid

MAX_TEXT = 2_000
MAX_VALUES = 100


def clean_user(sent: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes of a person as they are kept; empty ones are left out.

    Raises: InvalidRequest: a value of another type than the schema's.
    """
    cleaned: dict[str, Any] = {}
    for name, value in sent.items():
        attribute = find_attribute(name)
        if attribute is None or not attribute.writable:
            continue
        kept = clean_value(attribute, value)
        if kept is not None:
            cleaned[attribute.name] = kept
    return cleaned


def find_attribute(name: str) -> Attribute | None:
    """The attribute, or extension, of that name in whatever case."""
    return EXTENSION if name.lower() == ENTERPRISE.lower() else ATTRIBUTES.get(name.lower())


def clean_value(attribute: Attribute, value: Any) -> Any:
    """One attribute's value in its form; None for an empty one. Raises: InvalidRequest."""
    if value is None or value in ([], {}):
        return None
    if not attribute.multi:
        if isinstance(value, list) and len(value) == 1:
            # Some clients wrap single values.
            value = value[0]
        return clean_one(attribute, value)
    values = value if isinstance(value, list) else [value]
    if len(values) > MAX_VALUES:
        raise invalid("invalidValue", f"{attribute.name}: at most {MAX_VALUES} values.")
    cleaned = [kept for one in values if (kept := clean_one(attribute, one)) is not None]
    _keep_one_primary(cleaned)
    return cleaned or None


def clean_one(attribute: Attribute, value: Any) -> Any:
    """One value of an attribute. Raises: InvalidRequest."""
    if attribute.type == "complex":
        return _clean_complex(attribute, value)
    if attribute.type == "boolean":
        return clean_boolean(attribute.name, value)
    if not isinstance(value, str):
        raise invalid("invalidValue", f"{attribute.name} must be text.")
    if len(value) > MAX_TEXT:
        raise invalid("invalidValue", f"{attribute.name} is longer than {MAX_TEXT} characters.")
    return value


def clean_boolean(name: str, value: Any) -> bool:
    """True or false, also as text in any case. Raises: InvalidRequest."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    raise invalid("invalidValue", f"{name} must be true or false.")


def _clean_complex(attribute: Attribute, value: Any) -> dict[str, Any] | None:
    if isinstance(value, str) and "value" in attribute.within:
        value = {"value": value}
    if not isinstance(value, dict):
        raise invalid("invalidValue", f"{attribute.name} must be an object.")
    cleaned: dict[str, Any] = {}
    for name, part in value.items():
        inner = attribute.within.get(name.lower())
        if inner is None or not inner.writable:
            continue
        kept = clean_value(inner, part)
        if kept is not None:
            cleaned[inner.name] = kept
    return cleaned or None


def _keep_one_primary(values: list[Any]) -> None:
    """Of several primary values the last one said is it. Source: RFC 7643, section 2.4."""
    primary = [one for one in values if isinstance(one, dict) and one.get("primary") is True]
    for one in primary[:-1]:
        one["primary"] = False
