"""Request bodies made up from the API's own description, valid where nobody looks closer."""

from typing import Any
from uuid import uuid4

WORDS = {
    "email": "nobody@nobody.example",
    "uuid": "01890000-0000-7000-8000-000000000000",
    "date-time": "2030-01-01T00:00:00Z",
    "date": "2030-01-01",
    "uri": "https://nobody.example/",
}


def body_of(document: dict[str, Any], path: str, method: str) -> dict[str, Any]:
    """A body for one operation, with every field it needs; empty where it takes none."""
    content = document["paths"][path][method].get("requestBody", {}).get("content", {})
    schema = content.get("application/json", {}).get("schema")
    made = _example(document, schema) if schema else {}
    return made if isinstance(made, dict) else {}


def ids_in_body(document: dict[str, Any], path: str, method: str) -> list[str]:
    """The fields of an operation's body that name things, required or not."""
    content = document["paths"][path][method].get("requestBody", {}).get("content", {})
    schema = content.get("application/json", {}).get("schema")
    if not schema:
        return []
    properties = _resolve(document, schema).get("properties", {})
    return [name for name in properties if name.endswith(("_id", "_ids"))]


def _resolve(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    for choice in ("anyOf", "oneOf", "allOf"):
        for option in schema.get(choice, ()):
            if option.get("type") != "null":
                return _resolve(document, option)
    return schema


def _example(document: dict[str, Any], schema: dict[str, Any]) -> Any:
    schema = _resolve(document, schema)
    if schema.get("enum"):
        return schema["enum"][0]
    if "const" in schema:
        return schema["const"]
    kind = schema.get("type")
    if kind == "object":
        properties = schema.get("properties", {})
        return {name: _example(document, properties[name]) for name in schema.get("required", ())}
    if kind == "array":
        return [_example(document, schema["items"])] if schema.get("minItems") else []
    if kind in ("integer", "number"):
        return max(1, schema.get("minimum", 1))
    if kind == "boolean":
        return False
    text = WORDS.get(schema.get("format", ""), f"made up {uuid4().hex}")
    return text[: schema.get("maxLength", len(text))]
