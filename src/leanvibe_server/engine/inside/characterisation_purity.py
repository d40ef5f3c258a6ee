"""Which functions of a module can be characterised: those whose source touches nothing outside."""

from __future__ import annotations

import ast
from typing import TypeGuard

IMPURE_MODULES = frozenset(
    {
        "aiohttp", "asyncio", "boto3", "concurrent", "ctypes", "ftplib", "getpass", "glob",
        "http",
        "httpx", "importlib", "multiprocessing", "os", "platform", "psycopg", "psycopg2", "random",
        "redis", "requests", "secrets", "select", "shutil", "signal", "smtplib", "socket",
        "sqlite3", "ssl", "subprocess", "sys", "tempfile", "threading", "time", "urllib3",
        "webbrowser",
    }
)  # fmt: skip
PURE_MEMBERS = frozenset(
    {
        "os.path.join", "os.path.basename", "os.path.dirname", "os.path.split", "os.path.splitext",
        "os.path.normpath", "os.sep", "sys.maxsize", "http.HTTPStatus", "importlib.metadata",
    }
)  # fmt: skip
IMPURE_METHODS = {
    "now": "the clock",
    "utcnow": "the clock",
    "today": "the clock",
    "uuid1": "chance",
    "uuid4": "chance",
    "read_text": "files",
    "write_text": "files",
    "read_bytes": "files",
    "write_bytes": "files",
    "unlink": "files",
    "mkdir": "files",
    "iterdir": "files",
    "urlopen": "the network",
    "system": "processes",
}
IMPURE_BUILTINS = {
    "open": "files",
    "input": "the terminal",
    "exec": "made-up code",
    "eval": "made-up code",
    "compile": "made-up code",
    "__import__": "imports",
    "globals": "module state",
    "id": "memory addresses",
    "hash": "hash seeds",
}
ROUTE_METHODS = frozenset({"get", "post", "put", "patch", "delete", "route", "command", "task",
                           "websocket", "middleware", "exception_handler", "on_event"})  # fmt: skip


class Purity:
    """The verdict on each function of one module, by its source and that of what it calls there."""

    def __init__(self, tree: ast.Module) -> None:
        self.functions: dict[str, ast.FunctionDef | ast.AsyncFunctionDef] = {}
        self._origins = _import_origins(tree)
        for node in tree.body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                self.functions[node.name] = node
            elif isinstance(node, ast.ClassDef):
                for inner in node.body:
                    if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef):
                        self.functions[f"{node.name}.{inner.name}"] = inner

    def find_reason(self, name: str, seen: frozenset[str] = frozenset()) -> str | None:
        """Why the function can't be characterised; None where it can."""
        node = self.functions.get(name)
        if node is None or name in seen:
            return None
        reason = _shape_reason(node) or self._body_reason(node)
        if reason:
            return reason
        owner = name.partition(".")[0] if "." in name else None
        for called in _called_names(node, owner):
            if called in self.functions and called != name:
                inner = self.find_reason(called, seen | {name})
                if inner:
                    return f"it calls {called}: {inner}"
        return None

    def _body_reason(self, node: ast.AST) -> str | None:
        for inner in ast.walk(node):
            if isinstance(inner, ast.Global):
                return "it changes module state"
            if self._is_impure_builtin(inner):
                return f"it touches {IMPURE_BUILTINS[inner.id]}"
            if isinstance(inner, ast.Attribute) and inner.attr in IMPURE_METHODS:
                return f"it touches {IMPURE_METHODS[inner.attr]}"
            reason = self._origin_reason(inner)
            if reason:
                return reason
        return None

    def _is_impure_builtin(self, node: ast.AST) -> TypeGuard[ast.Name]:
        return (
            isinstance(node, ast.Name)
            and isinstance(node.ctx, ast.Load)
            and node.id in IMPURE_BUILTINS
            and node.id not in self._origins
        )

    def _origin_reason(self, node: ast.AST) -> str | None:
        if not isinstance(node, ast.Name) or not isinstance(node.ctx, ast.Load):
            return None
        origin = self._origins.get(node.id)
        if origin is None or origin in PURE_MEMBERS:
            return None
        if origin.partition(".")[2] in IMPURE_METHODS:
            return f"it touches {IMPURE_METHODS[origin.partition('.')[2]]}"
        if origin.partition(".")[0] in IMPURE_MODULES and not self._only_pure_members(node.id):
            return f"it uses {origin}"
        return None

    def _only_pure_members(self, name: str) -> bool:
        """Whether every use of an imported module in the file is one of its pure members."""
        uses = 0
        pure = 0
        for function in self.functions.values():
            for node in ast.walk(function):
                if isinstance(node, ast.Name) and node.id == name:
                    uses += 1
                if isinstance(node, ast.Attribute):
                    pure += f"{ast.unparse(node)}" in PURE_MEMBERS and node.attr != "path"
        return uses > 0 and pure >= uses


def _shape_reason(node: ast.FunctionDef | ast.AsyncFunctionDef) -> str | None:
    if isinstance(node, ast.AsyncFunctionDef):
        return "it is asynchronous"
    for decorator in node.decorator_list:
        called = decorator.func if isinstance(decorator, ast.Call) else decorator
        name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
        if isinstance(called, ast.Attribute) and name in ROUTE_METHODS:
            return "a framework calls it"
        if name in {"contextmanager", "fixture", "overload", "abstractmethod"}:
            return f"it is a {name}"
    if any(isinstance(inner, ast.Yield | ast.YieldFrom) for inner in ast.walk(node)):
        return "it is a generator"
    return None


def _called_names(node: ast.AST, owner: str | None) -> list[str]:
    found = []
    for inner in ast.walk(node):
        if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Load):
            found.append(inner.id)
            found.append(f"{inner.id}.__init__")
        elif (
            owner
            and isinstance(inner, ast.Attribute)
            and isinstance(inner.value, ast.Name)
            and inner.value.id in {"self", "cls"}
        ):
            found.append(f"{owner}.{inner.attr}")
    return sorted(set(found))


def _import_origins(tree: ast.Module) -> dict[str, str]:
    origins: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                name = alias.asname or alias.name.partition(".")[0]
                origins[name] = alias.name if alias.asname else name
        elif isinstance(node, ast.ImportFrom) and not node.level:
            for alias in node.names:
                origins[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return origins
