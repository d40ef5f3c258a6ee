"""The source text of a resource's routes."""

from __future__ import annotations

from crud_names import article, parent_source, session_source, source
from crud_target import Spec, Target


def auth_source(target: Target) -> tuple[str, str]:
    """Module and name of the dependency that lets only a caller with a token in."""
    if target.auth is not None:
        return target.auth["module"], target.auth["name"]
    return parent_source(target, target.security_module), "require_claims"


def router_text(spec: Spec, target: Target) -> str:
    """The router module: one function for each route."""
    name, one = spec.class_name, spec.singular
    writes = [
        f"{name}{end}"
        for method, end in (("POST", "Create"), ("PUT", "Replace"), ("PATCH", "Update"))
        if spec.has(method)
    ]
    by_id = spec.has("GET", "PUT", "PATCH", "DELETE")
    conflicts = bool(spec.unique) and bool(writes)
    fastapi = ["APIRouter", "Depends", "status"] if by_id or spec.has("POST") else []
    fastapi += ["HTTPException"] if by_id or conflicts else []
    fastapi += ["Path"] if by_id else []
    fastapi += ["Query"] if spec.has("GET") else []
    stored = [f"{name}Repository", f"get_{one}_repository"]
    stored += [f"Duplicate{name}Error"] if conflicts else []
    shapes = [*([name] if spec.has("GET") or writes else []), *writes]
    shapes += [f"{name}Page"] if spec.has("GET") else []
    lines = [
        f'"""The routes of {spec.words_plural}."""',
        "",
        "from typing import Annotated",
        "",
        f"from fastapi import {', '.join(sorted(fastapi))}",
        "",
        f"from {source(spec, target, 'repository')} import {', '.join(stored)}",
    ]
    if shapes:
        lines.append(f"from {source(spec, target, 'schemas')} import {', '.join(shapes)}")
    lines += _router_line(spec, target)
    if by_id:
        lines += ["", "MAX_ID = 2**31 - 1", ""]
    lines += [f"Repository = Annotated[{name}Repository, Depends(get_{one}_repository)]"]
    if by_id:
        lines += [f"{name}Id = Annotated[int, Path(ge=1, le=MAX_ID)]"]
    if spec.has("GET"):
        lines += _reading(spec)
    if spec.has("POST"):
        lines += _creating(spec)
    lines += _changing(spec)
    if by_id:
        lines += [
            "",
            "",
            "def _not_found() -> HTTPException:",
            f'    detail = "There is no such {spec.words}."',
            "    return HTTPException(status.HTTP_404_NOT_FOUND, detail)",
        ]
    return "\n".join(lines) + "\n"


def _router_line(spec: Spec, target: Target) -> list[str]:
    arguments = [f'prefix="{spec.endpoint}"', f'tags=["{spec.words_plural}"]']
    imports = []
    if spec.authentication == "jwt":
        module, guard = auth_source(target)
        imports.append(f"from {module} import {guard}")
        arguments.append(f"dependencies=[Depends({guard})]")
    if spec.database == "sqlalchemy" and target.session is None:
        module, _ = session_source(target)
        imports.append(f"from {module} import create_tables")
        arguments.append("lifespan=create_tables")
    return [*imports, "", f"router = APIRouter({', '.join(arguments)})"]


def _reading(spec: Spec) -> list[str]:
    name, one = spec.class_name, spec.singular
    return [
        "",
        "",
        '@router.get("")',
        f"def list_{spec.plural}(",
        "    repository: Repository,",
        "    limit: Annotated[int, Query(ge=1, le=100)] = 20,",
        "    offset: Annotated[int, Query(ge=0, le=MAX_ID)] = 0,",
        f") -> {name}Page:",
        f'    """List {spec.words_plural} in the order of their ids."""',
        f"    return {name}Page(",
        "        items=repository.list_page(limit=limit, offset=offset),",
        "        total=repository.count(),",
        "        limit=limit,",
        "        offset=offset,",
        "    )",
        "",
        "",
        f'@router.get("/{{{one}_id}}")',
        f"def show_{one}({one}_id: {name}Id, repository: Repository) -> {name}:",
        f'    """Show one {spec.words}."""',
        f"    {one} = repository.find({one}_id)",
        f"    if {one} is None:",
        "        raise _not_found()",
        f"    return {one}",
    ]


def _creating(spec: Spec) -> list[str]:
    name, one = spec.class_name, spec.singular
    lines = [
        "",
        "",
        '@router.post("", status_code=status.HTTP_201_CREATED)',
        f"def create_{one}(new: {name}Create, repository: Repository) -> {name}:",
        f'    """Create {article(spec.words)}."""',
    ]
    return lines + _guarded(spec, ["    return repository.add(new)"])


def _changing(spec: Spec) -> list[str]:
    name, one, lines = spec.class_name, spec.singular, list[str]()
    for method, verb, parameter, shape, words in (
        ("PUT", "replace", "new", "Replace", f"Replace every field of {article(spec.words)}."),
        ("PATCH", "update", "changes", "Update", f"Change some fields of {article(spec.words)}."),
    ):
        if spec.has(method):
            call = f"    {one} = repository.{verb}({one}_id, {parameter})"
            lines += [
                "",
                "",
                f'@router.{method.lower()}("/{{{one}_id}}")',
                f"def {verb}_{one}(",
                f"    {one}_id: {name}Id, {parameter}: {name}{shape}, repository: Repository",
                f") -> {name}:",
                f'    """{words}"""',
                *_guarded(spec, [call]),
                f"    if {one} is None:",
                "        raise _not_found()",
                f"    return {one}",
            ]
    if spec.has("DELETE"):
        lines += [
            "",
            "",
            f'@router.delete("/{{{one}_id}}", status_code=status.HTTP_204_NO_CONTENT)',
            f"def delete_{one}({one}_id: {name}Id, repository: Repository) -> None:",
            f'    """Delete {article(spec.words)}."""',
            f"    if not repository.delete({one}_id):",
            "        raise _not_found()",
        ]
    return lines


def _guarded(spec: Spec, lines: list[str]) -> list[str]:
    """The lines, with a duplicate turned into a 409 where the resource has a unique field."""
    if not spec.unique:
        return lines
    return [
        "    try:",
        *(f"    {line}" for line in lines),
        f"    except Duplicate{spec.class_name}Error as error:",
        "        raise HTTPException(status.HTTP_409_CONFLICT, str(error)) from error",
    ]
