"""The documentation of a resource: one page, and a line in the README where it lists the API."""

from __future__ import annotations

import json
import re

from crud_names import article, capital
from crud_target import Spec, Target
from crud_tests import NAMED_SAMPLES, SAMPLES

KINDS = {
    "str": "text, 1 to 255 characters",
    "int": "whole number",
    "float": "number",
    "bool": "true or false",
    "datetime": "date and time, RFC 3339",
    "date": "date, `YYYY-MM-DD`",
    "uuid": "UUID",
}


def page(spec: Spec, target: Target) -> str:
    """The page of the resource."""
    lines = [
        f"# {capital(spec.words_plural)}",
        "",
        *_storage(spec),
        "",
        *_routes(spec),
        "",
        "## Fields",
        "",
        "| field | type | required | unique |",
        "| --- | --- | --- | --- |",
        "| `id` | whole number, given by the service | | yes |",
    ]
    for one in spec.fields:
        required, unique = "" if one.optional else "yes", "yes" if one.unique else ""
        lines.append(f"| `{one.name}` | {KINDS[one.type]} | {required} | {unique} |")
    lines += ["", "## Errors", "", "| status | when |", "| --- | --- |"]
    lines += [f"| {status} | {when} |" for status, when in _errors(spec, target)]
    lines += ["", *_example(spec)]
    return "\n".join(lines) + "\n"


def _storage(spec: Spec) -> list[str]:
    if spec.database == "sqlalchemy":
        return [f"{capital(spec.words_plural)} are kept in the table `{spec.plural}`."]
    return [
        f"{capital(spec.words_plural)} are kept in memory: they are gone when the process ends."
    ]


def _routes(spec: Spec) -> list[str]:
    base, one = spec.endpoint, f"{spec.endpoint}/{{{spec.singular}_id}}"
    rows = {
        "GET": [
            (f"GET {base}", f"lists {spec.words_plural}; `limit` (1 to 100, default 20), `offset`"),
            (f"GET {one}", f"shows one {spec.words}"),
        ],
        "POST": [(f"POST {base}", f"creates {article(spec.words)}, answers 201")],
        "PUT": [(f"PUT {one}", f"replaces every field of {article(spec.words)}")],
        "PATCH": [(f"PATCH {one}", "changes the given fields")],
        "DELETE": [(f"DELETE {one}", f"deletes {article(spec.words)}, answers 204")],
    }
    lines = ["## Routes", "", "| route | what it does |", "| --- | --- |"]
    for method in spec.methods:
        lines += [f"| `{route}` | {what} |" for route, what in rows[method]]
    return lines


def _errors(spec: Spec, target: Target) -> list[tuple[int, str]]:
    rows = []
    if spec.authentication == "jwt":
        rows.append((401, "the bearer token is missing, forged or expired"))
    if spec.has("GET", "PUT", "PATCH", "DELETE"):
        rows.append((404, f"there is no such {spec.words}"))
    if spec.unique and spec.has("POST", "PUT", "PATCH"):
        names = " or ".join(f"`{one.name}`" for one in spec.unique)
        rows.append((409, f"another {spec.words} has the same {names}"))
    rows.append((422, "the request is malformed"))
    if spec.authentication == "jwt" and target.auth is None:
        rows.append((503, "`JWT_SECRET` is not configured"))
    return rows


def _example(spec: Spec) -> list[str]:
    method = "POST" if spec.has("POST") else spec.methods[0]
    by_id = method in {"PUT", "PATCH", "DELETE"}
    parts = [f"curl -X {method} http://localhost:8000{spec.endpoint}{'/1' if by_id else ''}"]
    if spec.authentication == "jwt":
        parts.append('-H "Authorization: Bearer $TOKEN"')
    if method in {"POST", "PUT", "PATCH"}:
        body = {one.name: _sample(one.name, one.type) for one in spec.fields}
        parts += ['-H "Content-Type: application/json"', f"-d '{json.dumps(body)}'"]
    return ["## Example", "", "```", " \\\n  ".join(parts), "```"]


def _sample(name: str, kind: str) -> object:
    named = NAMED_SAMPLES.get(name) if kind == "str" else None
    text = (named or SAMPLES[kind])[0]
    return {"True": True}[text] if kind == "bool" else json.loads(text)


def readme_with_link(text: str, spec: Spec, page_path: str) -> str | None:
    """The README with a link at the end of its API section; None where it has no such section."""
    heading = re.search(r"^(#{1,3}) .*\b(API|[Ee]ndpoints|[Rr]outes)\b.*$", text, re.MULTILINE)
    if heading is None or page_path in text:
        return None
    level = len(heading[1])
    following = re.search(rf"^#{{1,{level}}} ", text[heading.end() :], re.MULTILINE)
    end = heading.end() + following.start() if following else len(text)
    section = text[:end].rstrip("\n")
    link = f"[{capital(spec.words_plural)}]({page_path}): `{spec.endpoint}`"
    last = section.rsplit("\n", 1)[-1]
    bullet = last[:2] if last[:2] in {"- ", "* "} else "- "
    joint = "\n" if last.startswith(bullet) else "\n\n"
    rest = text[end:]
    return f"{section}{joint}{bullet}{link}\n" + (f"\n{rest}" if rest else "")
