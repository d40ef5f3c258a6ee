"""The source text of a resource's tests: every route, over HTTP, with bad input too."""

from __future__ import annotations

from crud_cases import Case, list_cases, list_routes
from crud_names import article, base_source, session_source, source
from crud_routes import auth_source
from crud_target import Field, Spec, Target

SAMPLES = {
    "str": ('"first"', '"second"'),
    "int": ("1", "2"),
    "float": ("1.5", "2.5"),
    "bool": ("True", "False"),
    "datetime": ('"2026-01-02T03:04:05"', '"2026-02-03T04:05:06"'),
    "date": ('"2026-01-02"', '"2026-02-03"'),
    "uuid": (
        '"6f1f2b1e-8a57-4c1c-9f6d-0d4f5f2c7a11"',
        '"0b8f4c52-3d0e-4c8b-9a3c-5e2a7d9b6c22"',
    ),
}
NAMED_SAMPLES = {
    "name": ('"Ada"', '"Grace"'),
    "username": ('"ada"', '"grace"'),
    "email": ('"ada@example.com"', '"grace@example.com"'),
}
WRONG = {
    "str": "5",
    "int": '"many"',
    "float": '"much"',
    "bool": '"perhaps"',
    "datetime": '"someday"',
    "date": '"someday"',
    "uuid": '"nobody"',
}


def test_text(spec: Spec, target: Target) -> str:
    """The whole test module, in the style of the repository's runner."""
    cases = list_cases(spec, target)
    lines = [
        f'"""The routes of {spec.words_plural}, over HTTP."""',
        "",
        *_imports(spec, target),
        "",
        *_constants(spec, target),
        "",
        "",
        *_serving(spec, target),
        *_given(spec, target),
    ]
    if _own_guard(spec, target):
        lines += _token_maker(target)
    lines += _as_unittest(spec, cases) if target.test_runner == "unittest" else _as_pytest(cases)
    return "\n".join(lines) + "\n"


def _as_pytest(cases: list[Case]) -> list[str]:
    lines = [
        "",
        "",
        '@pytest.fixture(name="client")',
        "def serve_client() -> Iterator[TestClient]:",
        "    with serving() as client:",
        "        yield client",
    ]
    for case in cases:
        lines += ["", "", f"def test_{case.name}(client: TestClient) -> None:"]
        lines += [f"    {line}" for line in case.body]
    return lines


def _as_unittest(spec: Spec, cases: list[Case]) -> list[str]:
    title = "".join(part.capitalize() for part in spec.plural.split("_"))
    lines = [
        "",
        "",
        f"class {title}RoutesTest(unittest.TestCase):",
        "    def setUp(self) -> None:",
        "        stack = ExitStack()",
        "        self.addCleanup(stack.close)",
        "        self.client = stack.enter_context(serving())",
    ]
    for case in cases:
        lines += ["", f"    def test_{case.name}(self) -> None:", "        client = self.client"]
        lines += [f"        {line}" for line in case.body]
    return lines


def _own_guard(spec: Spec, target: Target) -> bool:
    return spec.authentication == "jwt" and target.auth is None


def _imports(spec: Spec, target: Target) -> list[str]:
    unittest = target.test_runner == "unittest"
    own_guard = _own_guard(spec, target)
    own_database = spec.database == "sqlalchemy" and target.session is None
    lines = ["from collections.abc import Iterator"]
    lines += [f"from contextlib import {'ExitStack, ' if unittest else ''}contextmanager"]
    lines += ["from typing import Any"]
    if unittest:
        lines += ["import unittest"]
    if own_guard or own_database:
        lines += ["import os", "from unittest.mock import patch"]
    if own_database:
        lines += ["import tempfile"]
    if own_guard:
        lines += ["import time"]
        stdlib = ["import base64", "import hashlib", "import hmac", "import json"]
        lines += ["import jwt"] if target.auth_library else stdlib
    if not unittest:
        lines += ["import pytest"]
    guarded_elsewhere = spec.authentication == "jwt" and target.auth is not None
    fastapi = ["FastAPI"] if own_database else []
    fastapi += ["HTTPException"] if guarded_elsewhere else []
    lines += [f"from fastapi import {', '.join(fastapi)}"] if fastapi else []
    lines += ["from fastapi.testclient import TestClient"]
    if spec.database == "sqlalchemy":
        lines += ["from sqlalchemy import create_engine", "from sqlalchemy.orm import Session"]
        lines += ["from sqlalchemy.pool import StaticPool"]
    return lines + _own_imports(spec, target)


def _own_imports(spec: Spec, target: Target) -> list[str]:
    absolute = _absolute(target)
    name = spec.class_name
    lines = [f"from {target.app_module} import {target.app_factory or target.app_variable}"]
    if spec.database == "sqlalchemy":
        module, base = base_source(absolute)
        session_module, session = session_source(absolute)
        lines += [f"from {module} import {base}", f"from {session_module} import {session}"]
        if target.session is None:
            lines += [f"from {session_module} import get_engine"]
            lines += [f"from {source(spec, absolute, 'router')} import router"]
        if not spec.has("POST"):
            lines += [f"from {source(spec, absolute, 'models')} import {name}Record"]
            lines += [f"from {source(spec, absolute, 'schemas')} import {name}Fields"]
    else:
        stored = f"{name}Repository, get_{spec.singular}_repository"
        lines += [f"from {source(spec, absolute, 'repository')} import {stored}"]
    if spec.authentication == "jwt" and target.auth is not None:
        lines += ["from {} import {}".format(*auth_source(target))]
    return lines


def _absolute(target: Target) -> Target:
    """The target as a test sees it: tests import by absolute name."""
    values = {name: getattr(target, name) for name in target.__dataclass_fields__}
    return Target(**{**values, "relative": False})


def _constants(spec: Spec, target: Target) -> list[str]:
    upper = spec.singular.upper()
    lines = [f'PATH = "{spec.endpoint}"']
    for index, label in enumerate((upper, f"OTHER_{upper}")):
        items = ", ".join(f'"{one.name}": {_sample(one)[index]}' for one in spec.fields)
        lines.append(f"{label}: dict[str, Any] = {{{items}}}")
    if spec.has("POST", "PUT", "PATCH"):
        wrong = ", ".join(f'"{one.name}": {WRONG[one.type]}' for one in spec.fields)
        lines.append(f"WRONG_VALUES: dict[str, Any] = {{{wrong}}}")
    if spec.authentication == "jwt":
        routes = ", ".join(f'("{method}", {path})' for method, path in list_routes(spec))
        lines.append(f"ROUTES = [{routes}]")
    if _own_guard(spec, target):
        lines.append('SECRET = "only-for-these-tests-0123456789abcdef"')
    return lines


def _sample(one: Field) -> tuple[str, str]:
    return (
        NAMED_SAMPLES[one.name]
        if one.type == "str" and one.name in NAMED_SAMPLES
        else (SAMPLES[one.type])
    )


def _serving(spec: Spec, target: Target) -> list[str]:
    app = target.app_variable
    overridden, indent = [], "    "
    lines = [
        "@contextmanager",
        "def serving() -> Iterator[TestClient]:",
        '    """Serve the application on storage of its own, empty at first."""',
    ]
    if target.app_factory:
        lines.append(f"    {app} = {target.app_factory}()")
    if spec.database == "sqlalchemy":
        _, base = base_source(target)
        _, session = session_source(target)
        lines += [
            "    engine = create_engine(",
            '        "sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False}',
            "    )",
            f'    {base}.metadata.tables["{spec.plural}"].create(engine)',
            "    session = Session(engine)",
        ]
        overridden.append((session, "session"))
    else:
        lines.append(f"    repository = {spec.class_name}Repository()")
        overridden.append((f"get_{spec.singular}_repository", "repository"))
    lines += [
        f"    {app}.dependency_overrides[{key}] = lambda: {value}" for key, value in overridden
    ]
    headers = ""
    if spec.authentication == "jwt" and target.auth is not None:
        guard = auth_source(target)[1]
        lines.append(f"    {app}.dependency_overrides[{guard}] = lambda: None")
        overridden.append((guard, "None"))
    if _own_guard(spec, target):
        headers = ', headers={"Authorization": f"Bearer {make_token()}"}'
    lines.append("    try:")
    if _own_guard(spec, target):
        lines.append('        with patch.dict(os.environ, {"JWT_SECRET": SECRET}):')
        indent = "        "
    lines += [f"    {indent}yield TestClient({app}{headers})", "    finally:"]
    lines += [f"        {app}.dependency_overrides.pop({key}, None)" for key, _ in overridden]
    if spec.database == "sqlalchemy":
        lines += ["        session.close()", "        engine.dispose()"]
    return lines


def _given(spec: Spec, target: Target) -> list[str]:
    one, upper = spec.singular, spec.singular.upper()
    lines = [
        "",
        "",
        f"def given_{one}(client: TestClient, **changes: Any) -> int:",
        f'    """Store {article(spec.words)} and return its id."""',
    ]
    if spec.has("POST"):
        lines.append(f"    answer = client.post(PATH, json={{**{upper}, **changes}})")
        lines.append(f'    {one}_id: int = answer.json()["id"]')
        return [*lines, f"    return {one}_id"]
    _, session = session_source(target)
    app = "client.app" if target.app_factory else target.app_variable
    return [
        *lines,
        f"    session = {app}.dependency_overrides[{session}]()",
        f"    fields = {spec.class_name}Fields.model_validate({{**{upper}, **changes}})",
        f"    row = {spec.class_name}Record(**fields.model_dump())",
        "    session.add(row)",
        "    session.commit()",
        "    return row.id",
    ]


def _token_maker(target: Target) -> list[str]:
    head = [
        "",
        "",
        'def make_token(secret: str = SECRET, algorithm: str = "HS256", **claims: Any) -> str:',
    ]
    head += ['    """Make a token that is valid for a minute unless the claims say otherwise."""']
    claims = '{"sub": "ada", "exp": time.time() + 60, **claims}'
    if target.auth_library:
        return [*head, f"    return jwt.encode({claims}, secret, algorithm=algorithm)"]
    return [
        *head,
        f'    parts = [{{"alg": algorithm, "typ": "JWT"}}, {claims}]',
        '    signed = ".".join(encode(json.dumps(part).encode()) for part in parts)',
        "    signature = hmac.new(secret.encode(), signed.encode(), hashlib.sha256).digest()",
        '    return f"{signed}.{encode(signature)}"',
        "",
        "",
        "def encode(data: bytes) -> str:",
        '    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()',
    ]
