"""What one Python file says about itself, read from its syntax tree and never by importing it."""

from __future__ import annotations

import ast
import warnings
from dataclasses import dataclass, field
from typing import Any

HTTP_METHODS = ("get", "post", "put", "patch", "delete")
FASTAPI_FACTORIES = {"FastAPI": "app", "APIRouter": "router"}


@dataclass
class FileFacts:
    """The facts of one file. `error` is the syntax error that stopped the reading."""

    path: str
    loc: int = 0
    error: dict[str, Any] | None = None
    public: list[dict[str, Any]] = field(default_factory=list)
    imports: list[str] = field(default_factory=list)
    apps: list[dict[str, Any]] = field(default_factory=list)
    routes: list[dict[str, Any]] = field(default_factory=list)
    includes: list[dict[str, Any]] = field(default_factory=list)
    bound: dict[str, str] = field(default_factory=dict)
    declarative_base: str | None = None
    session_source: dict[str, Any] | None = None
    auth_dependencies: list[dict[str, Any]] = field(default_factory=list)
    tables: list[str] = field(default_factory=list)
    tests: int = 0
    unittest_classes: int = 0


def parse(text: str) -> ast.Module:
    """The syntax tree of a source text, without the warnings of foreign code.

    Raises: SyntaxError: it is not Python, or nested too deep to read.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return ast.parse(text)
        except (ValueError, RecursionError, MemoryError) as error:
            raise SyntaxError(str(error) or type(error).__name__) from error


def read_facts(path: str, module: str, text: str) -> FileFacts:
    """Read one file's facts."""
    facts = FileFacts(path, loc=sum(1 for line in text.splitlines() if line.strip()))
    try:
        tree = parse(text)
    except SyntaxError as error:
        facts.error = {"line": error.lineno or 0, "message": error.msg or "not Python"}
        return facts
    package = module if path.endswith("__init__.py") else module.rpartition(".")[0]
    _read_imports(tree, package, facts)
    for node in tree.body:
        _read_statement(node, facts)
    for inner in ast.walk(tree):
        _read_wiring(inner, facts)
        if isinstance(inner, ast.ClassDef):
            facts.tables.extend(_tables_of(inner))
    return facts


def signature_of(node: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    """The signature as it would be written, with annotations and defaults."""
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    prefix = "async " if isinstance(node, ast.AsyncFunctionDef) else ""
    return f"{prefix}{node.name}({ast.unparse(node.args)}){returns}"[:400]


def call_name(node: ast.expr | None) -> str:
    """The last name of what is called: `fastapi.FastAPI(…)` gives `FastAPI`."""
    function = node.func if isinstance(node, ast.Call) else node
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def text_of(node: ast.expr | None) -> str | None:
    """The value of a plain string literal."""
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _read_imports(tree: ast.Module, package: str, facts: FileFacts) -> None:
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                names.add(alias.name)
                facts.bound[alias.asname or alias.name.partition(".")[0]] = (
                    alias.name if alias.asname else alias.name.partition(".")[0]
                )
        elif isinstance(node, ast.ImportFrom):
            source = absolute_source(node, package)
            names.add(source)
            for alias in node.names:
                names.add(f"{source}.{alias.name}")
                facts.bound[alias.asname or alias.name] = f"{source}.{alias.name}"
    facts.imports = sorted(name for name in names if name)


def absolute_source(node: ast.ImportFrom, package: str) -> str:
    """The absolute module an import statement takes from."""
    if not node.level:
        return node.module or ""
    parts = package.split(".") if package else []
    kept = parts[: len(parts) - (node.level - 1)]
    return ".".join([*kept, *([node.module] if node.module else [])])


def _read_statement(node: ast.stmt, facts: FileFacts) -> None:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        facts.tests += node.name.startswith("test")
        if not node.name.startswith("_"):
            facts.public.append(_symbol(node.name, "function", signature_of(node), node))
        _read_dependency(node, facts)
        for inner in ast.walk(node):
            if isinstance(inner, ast.Assign | ast.AnnAssign):
                _read_assignment(inner, facts, factory=node.name)
    elif isinstance(node, ast.ClassDef):
        _read_class(node, facts)
    elif isinstance(node, ast.Assign | ast.AnnAssign):
        _read_assignment(node, facts)


def _read_class(node: ast.ClassDef, facts: FileFacts) -> None:
    bases = [ast.unparse(base) for base in node.bases]
    if any(base.rpartition(".")[2] == "DeclarativeBase" for base in bases):
        facts.declarative_base = node.name
    if any(base.endswith("TestCase") for base in bases):
        facts.unittest_classes += 1
    for inner in node.body:
        if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef):
            facts.tests += inner.name.startswith("test")
    if not node.name.startswith("_"):
        signature = f"class {node.name}({', '.join(bases)})" if bases else f"class {node.name}"
        facts.public.append(_symbol(node.name, "class", signature[:400], node))


def _read_assignment(
    node: ast.Assign | ast.AnnAssign, facts: FileFacts, factory: str | None = None
) -> None:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    if not isinstance(node.value, ast.Call) or not isinstance(targets[0], ast.Name):
        return
    kind = FASTAPI_FACTORIES.get(call_name(node.value))
    variable = targets[0].id
    if kind:
        prefix = next((text_of(k.value) for k in node.value.keywords if k.arg == "prefix"), None)
        facts.apps.append(
            {
                "kind": kind,
                "variable": variable,
                "prefix": prefix or "",
                "line": node.lineno,
                "factory": factory,
            }
        )
    elif call_name(node.value) == "declarative_base":
        facts.declarative_base = variable


def _read_dependency(node: ast.FunctionDef | ast.AsyncFunctionDef, facts: FileFacts) -> None:
    """A session source yields a database session; an auth dependency takes a security scheme."""
    yields = any(isinstance(inner, ast.Yield) for inner in ast.walk(node))
    words = {inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name)}
    returned = ast.unparse(node.returns) if node.returns else ""
    has_session = "Session" in returned or words & {"SessionLocal", "Session", "AsyncSession"}
    decorated = "contextmanager" in " ".join(ast.unparse(one) for one in node.decorator_list)
    if yields and has_session and not decorated:
        is_async = isinstance(node, ast.AsyncFunctionDef)
        facts.session_source = {"name": node.name, "async": is_async, "line": node.lineno}
    arguments = ast.unparse(node.args)
    guarded = "Depends(" in arguments or "Security(" in arguments
    named = any(word in node.name for word in ("user", "token", "auth", "principal", "jwt"))
    is_route = any(isinstance(one, ast.Call) for one in node.decorator_list)
    if guarded and named and not is_route and not node.name.startswith("_"):
        facts.auth_dependencies.append({"name": node.name, "line": node.lineno})


def _read_wiring(node: ast.AST, facts: FileFacts) -> None:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        for decorator in node.decorator_list:
            facts.routes.extend(_routes_of(decorator, node))
    elif isinstance(node, ast.Call) and call_name(node) == "include_router" and node.args:
        target = node.func.value if isinstance(node.func, ast.Attribute) else None
        prefix = next((text_of(k.value) for k in node.keywords if k.arg == "prefix"), None)
        facts.includes.append(
            {
                "app": ast.unparse(target) if target is not None else "",
                "router": ast.unparse(node.args[0]),
                "prefix": prefix or "",
                "line": node.lineno,
            }
        )


def _routes_of(
    decorator: ast.expr, node: ast.FunctionDef | ast.AsyncFunctionDef
) -> list[dict[str, Any]]:
    if not isinstance(decorator, ast.Call) or not isinstance(decorator.func, ast.Attribute):
        return []
    verb = decorator.func.attr
    keywords = {key.arg: key.value for key in decorator.keywords}
    path = text_of(decorator.args[0] if decorator.args else keywords.get("path"))
    if path is None:
        return []
    methods = [verb.upper()] if verb in HTTP_METHODS else []
    listed = keywords.get("methods")
    if verb in {"api_route", "route"} and isinstance(listed, ast.List | ast.Tuple):
        methods = [str(text_of(one)).upper() for one in listed.elts]
    owner = ast.unparse(decorator.func.value)
    return [
        {"method": one, "path": path, "on": owner, "function": node.name, "line": node.lineno}
        for one in methods
    ]


def _tables_of(node: ast.ClassDef) -> list[str]:
    """The table names a class declares."""
    names = []
    for inner in node.body:
        if isinstance(inner, ast.Assign) and isinstance(inner.targets[0], ast.Name):
            value = text_of(inner.value)
            if inner.targets[0].id == "__tablename__" and value:
                names.append(value)
    return names


def _symbol(
    name: str,
    kind: str,
    signature: str,
    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef,
) -> dict[str, Any]:
    return {
        "name": name,
        "kind": kind,
        "signature": signature,
        "line": node.lineno,
        "documented": ast.get_docstring(node) is not None,
    }
