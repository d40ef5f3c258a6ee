"""Every list of the API is read in one way."""

from typing import Any

from leanvibe_server.wiring import Doors

PAGED = {"data", "has_more", "next_cursor"}


def test_every_list_is_read_like_a_page(doors: Doors) -> None:
    api = doors.api.openapi()
    unlike = []
    for path, methods in api["paths"].items():
        fields = _fields_answered(methods.get("get", {}), api)
        if "data" in fields and not fields >= PAGED:
            unlike.append(path)
    assert unlike == []


def _fields_answered(operation: dict[str, Any], api: dict[str, Any]) -> set[str]:
    content = operation.get("responses", {}).get("200", {}).get("content", {})
    schema = content.get("application/json", {}).get("schema", {})
    if "$ref" in schema:
        schema = api["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return set(schema.get("properties", {}))
