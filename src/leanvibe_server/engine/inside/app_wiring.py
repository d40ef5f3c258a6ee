"""Edits of files that stand: a router registered in the application, a dependency declared."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence

import libcst as cst
from worktree import Refused


def register_router(
    text: str, *, import_line: str, router: str, app: str, factory: str | None
) -> str:
    """The application's text with the router imported and included; everything else stays as it is.

    Raises: Refused: the application isn't where it was found, or the file doesn't parse.
    """
    try:
        module = cst.parse_module(text)
    except cst.ParserSyntaxError as error:
        raise Refused(
            "failed", f"The application's file does not parse: {error.message}"
        ) from error
    statement = cst.parse_statement(f"{app}.include_router({router})\n")
    if factory is None:
        body = _with_inclusion(module.body, statement, app)
        if body is None:
            raise Refused("failed", f"The assignment of {app} was not found.")
        module = module.with_changes(body=body)
    else:
        transformer = _FactoryEdit(factory, statement, app)
        module = module.visit(transformer)
        if not transformer.done:
            raise Refused("failed", f"The assignment of {app} in {factory} was not found.")
    imported = cst.parse_statement(import_line + "\n")
    return module.with_changes(body=_with_import(module.body, imported)).code


class _FactoryEdit(cst.CSTTransformer):
    """Puts the inclusion into the function that makes the application."""

    def __init__(self, factory: str, statement: cst.BaseStatement, app: str) -> None:
        super().__init__()
        self._factory, self._statement, self._app = factory, statement, app
        self.done = False

    def leave_FunctionDef(
        self, original_node: cst.FunctionDef, updated_node: cst.FunctionDef
    ) -> cst.FunctionDef:
        if original_node.name.value != self._factory or self.done:
            return updated_node
        body = _with_inclusion(updated_node.body.body, self._statement, self._app)
        if body is None:
            return updated_node
        self.done = True
        return updated_node.with_changes(body=updated_node.body.with_changes(body=body))


def _with_inclusion(
    body: Sequence[cst.BaseStatement | cst.BaseSmallStatement],
    statement: cst.BaseStatement | cst.SimpleStatementLine,
    app: str,
) -> list[cst.BaseStatement | cst.BaseSmallStatement] | None:
    """The body with the statement after the app's last inclusion, else after its assignment."""
    place = None
    for index, one in enumerate(body):
        if (
            _assigns(one, app)
            or _calls(one, app, "include_router")
            or (place is not None and _calls(one, app, "add_middleware"))
        ):
            place = index
    if place is None:
        return None
    return [*body[: place + 1], statement, *body[place + 1 :]]


def _small(statement: cst.CSTNode) -> cst.CSTNode | None:
    if isinstance(statement, cst.SimpleStatementLine) and len(statement.body) == 1:
        return statement.body[0]
    return None


def _assigns(statement: cst.CSTNode, name: str) -> bool:
    small = _small(statement)
    if isinstance(small, cst.Assign):
        target = small.targets[0].target
    elif isinstance(small, cst.AnnAssign):
        target = small.target
    else:
        return False
    return isinstance(target, cst.Name) and target.value == name


def _calls(statement: cst.CSTNode, owner: str, method: str) -> bool:
    small = _small(statement)
    if not isinstance(small, cst.Expr) or not isinstance(small.value, cst.Call):
        return False
    function = small.value.func
    return (
        isinstance(function, cst.Attribute)
        and isinstance(function.value, cst.Name)
        and function.value.value == owner
        and function.attr.value == method
    )


def _with_import(
    body: Sequence[cst.BaseStatement | cst.SimpleStatementLine],
    imported: cst.BaseStatement | cst.SimpleStatementLine,
) -> list[cst.BaseStatement | cst.SimpleStatementLine]:
    """The body with the import in its place: sorted among its neighbours of the same package."""
    code = cst.Module(body=[]).code_for_node
    wanted = _source_of(code(imported))
    places = [index for index, one in enumerate(body) if _is_import(one)]
    group = [index for index in places if _same_package(_source_of(code(body[index])), wanted)]
    before = [index for index in group if _source_of(code(body[index])) <= wanted]
    if before:
        place = before[-1] + 1
        return [*body[:place], imported, *body[place:]]
    if group:
        place = group[0]
        first = body[place]
        lead = getattr(first, "leading_lines", ())
        imported = imported.with_changes(leading_lines=lead)
        return [*body[:place], imported, first.with_changes(leading_lines=()), *body[place + 1 :]]
    place = 1 if body and _is_docstring(body[0]) else 0
    place = places[-1] + 1 if places else place
    return [*body[:place], _separated(imported), *body[place:]]


def _separated(
    imported: cst.BaseStatement | cst.SimpleStatementLine,
) -> cst.BaseStatement | cst.SimpleStatementLine:
    return imported.with_changes(leading_lines=[cst.EmptyLine(indent=False)])


def _is_import(statement: cst.CSTNode) -> bool:
    return isinstance(_small(statement), cst.Import | cst.ImportFrom)


def _is_docstring(statement: cst.CSTNode) -> bool:
    small = _small(statement)
    return isinstance(small, cst.Expr) and isinstance(small.value, cst.SimpleString)


def _source_of(code: str) -> str:
    match = re.search(r"^(?:from|import)\s+([\w.]+)", code.strip(), re.MULTILINE)
    return match[1] if match else ""


def _same_package(one: str, other: str) -> bool:
    return one.partition(".")[0] == other.partition(".")[0]


def declare_in_project(text: str, requirement: str) -> str | None:
    """`pyproject.toml` with one more dependency; None where that is no plain edit."""
    found = re.search(r"^\[project\]\s*$.*?^dependencies\s*=\s*\[", text, re.MULTILINE | re.DOTALL)
    if found is None or re.search(r"^\[", text[found.start() + 1 : found.end()], re.MULTILINE):
        return None
    rest = text[found.end() :]
    many = re.match(
        r"(?P<lines>(?:[ \t]*\n|[ \t]*(?:\"[^\"\n]*\"|'[^'\n]*'),?[ \t]*(?:#[^\n]*)?\n)*)\]", rest
    )
    flat = re.match(r"(?P<items>[^\n\]]*(?:\[[^\n\]]*\][^\n\]]*)*)\]", rest)
    if many and "\n" in many["lines"]:
        lines = many["lines"].rstrip("\n").split("\n")
        indent = next((one[: len(one) - len(one.lstrip())] for one in lines if one.strip()), "    ")
        items = [one for one in lines if one.strip()]
        if items and "#" not in items[-1] and not items[-1].rstrip().endswith(","):
            lines[lines.index(items[-1])] = items[-1].rstrip() + ","
        edited = "\n".join([*lines, f'{indent}"{requirement}",', ""]) + rest[many.end() - 1 :]
    elif flat:
        items_text = flat["items"].strip().rstrip(",")
        joined = f'{items_text}, "{requirement}"' if items_text else f'"{requirement}"'
        edited = joined + rest[flat.end() - 1 :]
    else:
        return None
    result = text[: found.end()] + edited
    return result if _declares(result, requirement) else None


def _declares(text: str, requirement: str) -> bool:
    try:
        project = tomllib.loads(text)["project"]
    except (tomllib.TOMLDecodeError, KeyError):
        return False
    return requirement in project.get("dependencies", [])
