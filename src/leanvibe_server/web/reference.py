"""The API's own description (OpenAPI 3.1) in the form a reference page shows."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

METHODS = ("get", "post", "put", "patch", "delete")
MAX_DEPTH = 3
_REF = "#/components/schemas/"


@dataclass(frozen=True)
class FieldLine:
    """One parameter or field: nested ones bear their path in the name."""

    name: str
    kind: str
    required: bool
    text: str


@dataclass(frozen=True)
class AnswerLine:
    """One answer an operation can give."""

    status: str
    text: str
    kind: str


@dataclass(frozen=True)
class Operation:
    """One method of one path."""

    anchor: str
    method: str
    path: str
    title: str
    paragraphs: list[str]
    public: bool
    parameters: list[FieldLine]
    body: list[FieldLine]
    body_required: bool
    answer: list[FieldLine]
    answers: list[AnswerLine]
    example: str


@dataclass(frozen=True)
class Section:
    """The operations under one heading."""

    name: str
    text: str
    anchor: str
    operations: list[Operation]


def read_reference(document: Mapping[str, Any], base_url: str) -> list[Section]:
    """The sections of the reference in the document's own order of tags."""
    found: dict[str, list[Operation]] = {tag["name"]: [] for tag in document.get("tags", [])}
    for path, method, operation in _operations(document):
        tag = (operation.get("tags") or ["Other"])[0]
        found.setdefault(tag, []).append(_read(document, path, method, operation, base_url))
    texts = {tag["name"]: tag.get("description", "") for tag in document.get("tags", [])}
    return [
        Section(name, texts.get(name, ""), _anchor(name), operations)
        for name, operations in found.items()
        if operations
    ]


def _operations(document: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    for path, operations in document["paths"].items():
        for method in METHODS:
            if method in operations:
                yield path, method, operations[method]


def _read(
    document: Mapping[str, Any],
    path: str,
    method: str,
    operation: Mapping[str, Any],
    base_url: str,
) -> Operation:
    first, _, rest = str(operation.get("description", "")).strip().partition("\n\n")
    paragraphs = [" ".join(part.split()) for part in rest.strip().split("\n\n") if part.strip()]
    body = operation.get("requestBody", {})
    schema = _json_schema(body)
    return Operation(
        anchor=_anchor(f"{method}-{path}"),
        method=method,
        path=path,
        title=" ".join(first.split()).rstrip(".") or str(operation.get("summary", path)),
        paragraphs=paragraphs,
        public="security" not in operation,
        parameters=[_parameter(document, one) for one in operation.get("parameters", [])],
        body=list(_fields(document, schema)),
        body_required=bool(body.get("required")),
        answer=_answer_fields(document, operation),
        answers=_answers(document, operation),
        example=_curl(document, path, method, operation, base_url),
    )


def _json_schema(holder: Mapping[str, Any]) -> Mapping[str, Any]:
    schema: Mapping[str, Any] = (
        holder.get("content", {}).get("application/json", {}).get("schema", {})
    )
    return schema


def _parameter(document: Mapping[str, Any], parameter: Mapping[str, Any]) -> FieldLine:
    schema = parameter.get("schema", {})
    text = parameter.get("description") or schema.get("description", "")
    where = {"query": "query", "path": "path", "header": "header"}.get(parameter["in"], "")
    return FieldLine(
        name=parameter["name"],
        kind=f"{_kind(document, schema)}, in the {where}",
        required=bool(parameter.get("required")),
        text=str(text),
    )


def _answer_fields(document: Mapping[str, Any], operation: Mapping[str, Any]) -> list[FieldLine]:
    for status, answer in operation["responses"].items():
        if status.startswith("2"):
            return list(_fields(document, _json_schema(answer)))
    return []


def _answers(document: Mapping[str, Any], operation: Mapping[str, Any]) -> list[AnswerLine]:
    lines = []
    for status, answer in operation["responses"].items():
        if status == "default":
            continue
        text = str(answer.get("description", ""))
        if text in ("", "Successful Response"):
            text = HTTPStatus(int(status)).phrase
        kind = _kind(document, _json_schema(answer)) if status.startswith("2") else ""
        lines.append(AnswerLine(status, text, "" if kind == "any" else kind))
    return sorted(lines, key=lambda line: line.status)


def _resolve(document: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema behind a reference; of alternatives the one that is not null."""
    if "$ref" in schema:
        name = str(schema["$ref"]).removeprefix(_REF)
        target: Mapping[str, Any] = document["components"]["schemas"].get(name, {})
        return _resolve(document, target)
    for word in ("anyOf", "oneOf", "allOf"):
        if word in schema:
            real = [one for one in schema[word] if one.get("type") != "null"]
            if len(real) == 1:
                return {**_resolve(document, real[0]), **_texts(schema)}
    return schema


def _texts(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {key: schema[key] for key in ("description", "default", "examples") if key in schema}


def _fields(
    document: Mapping[str, Any], schema: Mapping[str, Any], prefix: str = "", depth: int = 0
) -> Iterator[FieldLine]:
    resolved = _resolve(document, schema)
    required = set(resolved.get("required", []))
    for name, inner in resolved.get("properties", {}).items():
        field = _resolve(document, inner)
        yield FieldLine(
            name=f"{prefix}{name}",
            kind=_kind(document, inner),
            required=name in required,
            text=str(field.get("description", "")),
        )
        item = _resolve(document, field.get("items", {}))
        if depth + 1 < MAX_DEPTH and field.get("properties"):
            yield from _fields(document, field, f"{prefix}{name}.", depth + 1)
        elif depth + 1 < MAX_DEPTH and item.get("properties"):
            yield from _fields(document, item, f"{prefix}{name}[].", depth + 1)


def _kind(document: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    """The type of a field in a few words."""
    alternatives = schema.get("anyOf", ())
    or_null = " or null" if any(one.get("type") == "null" for one in alternatives) else ""
    resolved = _resolve(document, schema)
    if "enum" in resolved:
        return " | ".join(json.dumps(value) for value in resolved["enum"]) + or_null
    if "const" in resolved:
        return json.dumps(resolved["const"]) + or_null
    kind = str(resolved.get("type", "any"))
    if kind == "array":
        kind = f"list of {_kind(document, resolved.get('items', {}))}"
    named = {"uuid": "uuid", "date-time": "time", "email": "e-mail", "date": "date"}
    return named.get(str(resolved.get("format")), kind) + or_null


def _curl(
    document: Mapping[str, Any],
    path: str,
    method: str,
    operation: Mapping[str, Any],
    base_url: str,
) -> str:
    lines = [f"curl -X {method.upper()} {base_url}{path}"]
    if "security" in operation:
        lines.append('  -H "Authorization: Bearer $TOKEN"')
    schema = _json_schema(operation.get("requestBody", {}))
    if schema:
        body = json.dumps(_example(document, schema), indent=2, ensure_ascii=False)
        lines.append('  -H "Content-Type: application/json"')
        lines.append(f"  -d '{body}'")
    return " \\\n".join(lines)


def _example(document: Mapping[str, Any], schema: Mapping[str, Any], depth: int = 0) -> Any:
    """A small value that fits: what is required, and what has an example of its own."""
    resolved = _resolve(document, schema)
    if resolved.get("examples"):
        return resolved["examples"][0]
    if resolved.get("default") is not None:
        return resolved["default"]
    if "enum" in resolved:
        return resolved["enum"][0]
    if resolved.get("properties") and depth < MAX_DEPTH:
        required = set(resolved.get("required", []))
        return {
            name: _example(document, inner, depth + 1)
            for name, inner in resolved["properties"].items()
            if name in required
            or (_resolve(document, inner).get("examples") and not inner.get("deprecated"))
        }
    if resolved.get("items"):
        return [_example(document, resolved["items"], depth + 1)]
    return _PLAIN.get(str(resolved.get("format") or resolved.get("type")), "…")


_PLAIN: dict[str, Any] = {
    "uuid": "0192f1a4-7c3e-7b2a-9d51-3f0a6c1e8b47",
    "email": "you@example.com",
    "date-time": "2026-01-31T12:00:00Z",
    "integer": 1,
    "number": 1,
    "boolean": True,
    "array": [],
    "object": {},
}


def _anchor(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
