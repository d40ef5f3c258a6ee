"""The source text of a CRUD endpoint: schemas, storage, routes, and what they rest on."""

from __future__ import annotations

from crud_names import article, base_source, capital, source
from crud_routes import router_text
from crud_security import security, security_pyjwt
from crud_storage import memory_repository, sqlalchemy_repository
from crud_target import Field, Spec, Target

TYPES = {
    "str": "str",
    "int": "int",
    "float": "float",
    "bool": "bool",
    "datetime": "dt.datetime",
    "date": "dt.date",
    "uuid": "UUID",
}


def files_of(spec: Spec, target: Target) -> dict[str, str]:
    """Every new file of the endpoint, by path, before formatting."""
    home = f"{target.directory}/{spec.plural}".lstrip("/")
    files = {
        f"{home}/__init__.py": f'"""{capital(spec.words_plural)}: routes, shapes and storage."""\n',
        f"{home}/schemas.py": schemas(spec),
        f"{home}/repository.py": repository(spec, target),
        f"{home}/router.py": router_text(spec, target),
    }
    if spec.database == "sqlalchemy":
        files[f"{home}/models.py"] = models(spec, target)
        if target.session is None:
            files[f"{target.directory}/{target.database_module}.py".lstrip("/")] = database()
    if spec.authentication == "jwt" and target.auth is None:
        text = security_pyjwt() if target.auth_library == "pyjwt" else security()
        files[f"{target.directory}/{target.security_module}.py".lstrip("/")] = text
    if target.new_app:
        files[f"{target.directory}/__init__.py"] = '"""The HTTP interface."""\n'
        files[target.app_path] = application(spec, target)
    return files


def type_imports(spec: Spec) -> list[str]:
    kinds = {one.type for one in spec.fields}
    lines = ["import datetime as dt"] if kinds & {"date", "datetime"} else []
    return lines + (["from uuid import UUID"] if "uuid" in kinds else [])


def schemas(spec: Spec) -> str:
    name, words = spec.class_name, spec.words
    bounded = any(one.type in {"str", "int", "float"} for one in spec.fields)
    pydantic = ["BaseModel"]
    pydantic += ["ConfigDict"] if spec.database == "sqlalchemy" else []
    pydantic += ["Field"] if bounded else []
    required = [one.name for one in spec.fields if not one.optional]
    refuses_null = spec.has("PATCH") and bool(required)
    pydantic += ["field_validator"] if refuses_null else []
    lines = [
        f'"""The shapes of {spec.words_plural} on the wire."""',
        "",
        *type_imports(spec),
        f"from pydantic import {', '.join(pydantic)}",
        "",
        *(["MAX_INTEGER = 2**31 - 1", ""] if any(o.type == "int" for o in spec.fields) else []),
        "",
        f"class {name}Fields(BaseModel):",
        f'    """What a client decides about {article(words)}."""',
        "",
        *(f"    {field_line(one)}" for one in spec.fields),
    ]
    if spec.has("POST"):
        lines += ["", "", f"class {name}Create({name}Fields):", f'    """A new {words}."""']
    if spec.has("PUT"):
        lines += ["", "", f"class {name}Replace({name}Fields):"]
        lines += [f'    """Every field of {article(words)}, given anew."""']
    if spec.has("PATCH"):
        lines += _update_schema(spec, required)
    lines += [
        "",
        "",
        f"class {name}({name}Fields):",
        f'    """{capital(article(words))} as stored."""',
        "",
    ]
    if spec.database == "sqlalchemy":
        lines += ["    model_config = ConfigDict(from_attributes=True)", ""]
    lines += ["    id: int"]
    if spec.has("GET"):
        lines += ["", "", f"class {name}Page(BaseModel):"]
        lines += [f'    """One page of {spec.words_plural}."""', ""]
        lines += [f"    items: list[{name}]", "    total: int", "    limit: int", "    offset: int"]
    return "\n".join(lines) + "\n"


def _update_schema(spec: Spec, required: list[str]) -> list[str]:
    lines = ["", "", f"class {spec.class_name}Update(BaseModel):"]
    lines += [f'    """The fields of {article(spec.words)} to change; one left out stays."""', ""]
    for one in spec.fields:
        lines.append(f"    {field_line(one, all_optional=True)}")
    if required:
        names = ", ".join(f'"{name}"' for name in required)
        lines += [
            "",
            f'    @field_validator({names}, mode="before")',
            "    @classmethod",
            "    def refuse_null(cls, value: object) -> object:",
            '        """Refuse null for a field that always has a value."""',
            "        if value is None:",
            '            raise ValueError("must not be null")',
            "        return value",
        ]
    return lines


def field_line(one: Field, all_optional: bool = False) -> str:
    """One field of a Pydantic model, with its bounds."""
    kind = TYPES[one.type]
    bounds = {
        "str": "min_length=1, max_length=255",
        "int": "ge=-MAX_INTEGER, le=MAX_INTEGER",
        "float": "allow_inf_nan=False",
    }.get(one.type)
    if one.optional or all_optional:
        default = f"Field(default=None, {bounds})" if bounds else "None"
        return f"{one.name}: {kind} | None = {default}"
    return f"{one.name}: {kind}" + (f" = Field({bounds})" if bounds else "")


def models(spec: Spec, target: Target) -> str:
    module, base = base_source(target)
    columns = ["    id: Mapped[int] = mapped_column(primary_key=True)"]
    imported = set()
    for one in spec.fields:
        kind = TYPES[one.type]
        inner = f"{kind} | None" if one.optional else kind
        arguments = []
        if one.type == "str":
            arguments.append("String(255)")
            imported.add("String")
        if one.type == "datetime":
            arguments.append("DateTime(timezone=True)")
            imported.add("DateTime")
        if one.unique:
            arguments.append("unique=True")
        assigned = f" = mapped_column({', '.join(arguments)})" if arguments else ""
        columns.append(f"    {one.name}: Mapped[{inner}]{assigned}")
    lines = [
        f'"""The table of {spec.words_plural}."""',
        "",
        *type_imports(spec),
        *([f"from sqlalchemy import {', '.join(sorted(imported))}"] if imported else []),
        "from sqlalchemy.orm import Mapped, mapped_column",
        f"from {module} import {base}",
        "",
        "",
        f"class {spec.class_name}Record({base}):",
        f'    """One row: {article(spec.words)}."""',
        "",
        f'    __tablename__ = "{spec.plural}"',
        "",
        *columns,
    ]
    return "\n".join(lines) + "\n"


def repository(spec: Spec, target: Target) -> str:
    if spec.database == "sqlalchemy":
        return sqlalchemy_repository(spec, target)
    return memory_repository(spec, target)


def database() -> str:
    return '''"""The database: one engine for the process, one session for each request."""

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import cache

from fastapi import FastAPI
from sqlalchemy import Engine, create_engine
from sqlalchemy.orm import DeclarativeBase, Session

DEFAULT_URL = "sqlite:///./app.db"


class Base(DeclarativeBase):
    """The base of every table."""


@cache
def get_engine() -> Engine:
    """Return the engine of the database that `DATABASE_URL` names."""
    return create_engine(os.environ.get("DATABASE_URL", DEFAULT_URL))


def get_session() -> Iterator[Session]:
    """Yield a session for one request."""
    with Session(get_engine()) as session:
        yield session


@asynccontextmanager
async def create_tables(_: FastAPI) -> AsyncIterator[None]:
    """Create the tables that are missing when the service starts."""
    Base.metadata.create_all(get_engine())
    yield
'''


def application(spec: Spec, target: Target) -> str:
    return f'''"""The HTTP application."""

from fastapi import FastAPI

from {source(spec, target, "router")} import router as {spec.plural}_router

app = FastAPI()
app.include_router({spec.plural}_router)
'''
