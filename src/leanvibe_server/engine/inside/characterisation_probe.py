"""Run a module's functions on candidate inputs and write down what they do. Runs in a process of
its own.

Request on standard input: `{"module", "path", "missing_lines", "missing_arcs", "skip", "results"}`;
one JSON line per event goes to the file `results`: `{"start": name}`, `{"skipped": name,
"reason"}`, `{"cases": […]}`.
"""

from __future__ import annotations

import ast
import contextlib
import copy
import importlib
import inspect
import json
import os
import re
import signal
import sys
import types
from typing import Any

import characterisation_inputs as inputs
from characterisation_purity import Purity
from characterisation_values import Renderer, Unrenderable

CALL_TIMEOUT_S = 0.5
FORBIDDEN_EVENTS = (
    *(
        "open",
        "os.",
        "socket.",
        "subprocess.",
        "shutil.",
        "sqlite3.",
        "urllib.",
        "time.",
        "signal.",
    ),
    *("tempfile.", "ctypes.", "ftplib.", "smtplib.", "webbrowser.", "glob.", "pathlib."),
    "builtins.input",
)
CODE_SUFFIXES = (".py", ".pyc", ".so", ".pyi")
# Raised by a made-up value of a wrong type rather than by a rule of the function.
UNTELLING = (TypeError, AttributeError, NameError, RecursionError, MemoryError, ImportError,
             AssertionError, NotImplementedError)  # fmt: skip
ADDRESS = re.compile(r"0x[0-9a-f]{4,}|/tmp/|/workspace")


class Stopped(BaseException):
    """The call took too long or touched what it must not."""


class Watch:
    """Watches one call: its time, what it touches, and the lines and branches it runs."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._active = False
        self.touched: str | None = None
        self.lines: set[int] = set()
        self.arcs: set[tuple[int, int]] = set()
        sys.addaudithook(self._audit)
        signal.signal(signal.SIGALRM, self._alarm)

    def call(self, function: Any, arguments: Any, keywords: Any) -> Any:
        """Call the function, watched. Raises Stopped, or what the function raises."""
        self.touched, self.lines, self.arcs = None, set(), set()
        signal.setitimer(signal.ITIMER_REAL, CALL_TIMEOUT_S)
        self._active = True
        sys.settrace(self._trace)
        try:
            return function(*arguments, **keywords)
        finally:
            sys.settrace(None)
            self._active = False
            signal.setitimer(signal.ITIMER_REAL, 0)

    def _alarm(self, *_: Any) -> None:
        if self._active:
            self.touched = "too much time"
            raise Stopped

    def _audit(self, event: str, arguments: Any) -> None:
        if not self._active or not event.startswith(FORBIDDEN_EVENTS):
            return
        if (
            event == "open"
            and str(arguments[0]).endswith(CODE_SUFFIXES)
            and "w" not in str(arguments[1])
        ):
            return
        if event in {"os.listdir", "os.scandir"} and self._importing():
            return
        self.touched = event
        raise Stopped

    def _importing(self) -> bool:
        frame: types.FrameType | None = sys._getframe()
        while frame is not None:
            if "importlib" in frame.f_code.co_filename:
                return True
            frame = frame.f_back
        return False

    def _trace(self, frame: types.FrameType, event: str, _: Any) -> Any:
        if frame.f_code.co_filename != self._path:
            return None
        previous = -frame.f_code.co_firstlineno

        def local(frame: types.FrameType, event: str, _: Any) -> Any:
            nonlocal previous
            if event == "line":
                self.lines.add(frame.f_lineno)
                self.arcs.add((previous, frame.f_lineno))
                previous = frame.f_lineno
            elif event == "return":
                self.arcs.add((previous, -frame.f_code.co_firstlineno))
            return local

        return local


class Probe:
    """Probes every function of one module."""

    def __init__(self, request: dict[str, Any], module: types.ModuleType, text: str) -> None:
        self._module = module
        self._watch = Watch(request["path"])
        self._purity = Purity(ast.parse(text))
        self._missing_lines = set(request["missing_lines"])
        self._missing_arcs = {(one[0], one[1]) for one in request["missing_arcs"]}
        self._skip = set(request["skip"])
        self._results = request["results"]
        self._covered: set[Any] = set()

    def run(self) -> None:
        """Probe the module's public functions and methods, in the order they stand."""
        for name, node in self._purity.functions.items():
            if name in self._skip or not self._is_public(name):
                continue
            self._note({"start": name})
            reason = self._purity.find_reason(name)
            try:
                cases = [] if reason else self._probe(name, node)
            except inputs.NoInputs as error:
                reason, cases = str(error), []
            if reason or not cases:
                self._note({"skipped": name, "reason": reason or "no input covers anything new"})
            else:
                self._note({"cases": cases})
        self._note({"end": True})

    def _is_public(self, name: str) -> bool:
        owner, _, member = name.rpartition(".")
        if member.startswith("_") or owner.startswith("_"):
            return False
        kept = getattr(self._module, owner or member, None)
        return getattr(kept, "__module__", None) == self._module.__name__

    def _note(self, record: dict[str, Any]) -> None:
        with open(self._results, "a", encoding="utf-8") as file:
            file.write(json.dumps(record, sort_keys=True) + "\n")

    def _probe(self, name: str, node: ast.AST) -> list[dict[str, Any]]:
        literals = inputs.find_literals(node, vars(self._module))
        owner, _, member = name.rpartition(".")
        if not owner:
            function = inspect.unwrap(getattr(self._module, member))
            calls = inputs.argument_rows(function, literals)
            return self._try_rows(name, "function", [({}, row) for row in calls])
        kind = getattr(self._module, owner)
        if issubclass(kind, BaseException) or inspect.isabstract(kind):
            raise inputs.NoInputs("its class is not made by itself")
        raw = inspect.getattr_static(kind, member)
        if isinstance(raw, staticmethod | classmethod):
            calls = inputs.argument_rows(getattr(kind, member), literals)
            return self._try_rows(name, "static", [({}, row) for row in calls])
        return self._probe_method(name, kind, raw, literals)

    def _probe_method(
        self, name: str, kind: type, raw: Any, literals: inputs.Literals
    ) -> list[dict[str, Any]]:
        reason = self._purity.find_reason(f"{kind.__name__}.__init__")
        if reason:
            raise inputs.NoInputs(f"its constructor: {reason}")
        makers = inputs.argument_rows(kind, literals, limit=60)
        if any(positional for positional, _ in makers):
            raise inputs.NoInputs("its constructor takes arguments by place only")
        is_property = isinstance(raw, property) or type(raw).__name__ == "cached_property"
        if not is_property and not callable(raw):
            raise inputs.NoInputs("it is no plain method")
        calls: list[Any] = [((), {})]
        if not is_property:
            calls = self._method_rows(raw, literals)
        rows: list[Any] = [(maker, call) for _, maker in makers for call in calls]
        rows = rows[: inputs.MAX_COMBINATIONS]
        return self._try_rows(name, "property" if is_property else "method", rows)

    def _method_rows(self, raw: Any, literals: inputs.Literals) -> list[Any]:
        """Rows for a method: `self` is left out by binding the function to a stand-in."""
        bound = types.MethodType(inspect.unwrap(raw), object())
        return inputs.argument_rows(bound, literals, limit=80)

    def _try_rows(self, name: str, kind: str, rows: list[Any]) -> list[dict[str, Any]]:
        """Keep a row if it runs a line or a branch that nothing before it ran."""
        kept: list[dict[str, Any]] = []
        for maker, (positional, keywords) in rows:
            case = self._observe(name, kind, maker, positional, keywords)
            if case is None:
                if self._watch.touched:
                    self._covered -= {one for old in kept for one in old["gain"]}
                    raise inputs.NoInputs(f"it touches {self._watch.touched}")
                continue
            gain = self._gain() - self._covered
            if gain:
                self._covered |= gain
                kept.append({**case, "gain": sorted(gain)})
        return [{**case, "gain": [list(one) for one in case["gain"]]} for case in kept]

    def _gain(self) -> set[tuple[int, int]]:
        """Missing lines as (line, 0) and missing branches that the last call ran."""
        lines = {(line, 0) for line in self._watch.lines & self._missing_lines}
        return lines | (self._watch.arcs & self._missing_arcs)

    def _observe(
        self, name: str, kind: str, maker: dict[str, Any], positional: Any, keywords: Any
    ) -> dict[str, Any] | None:
        """One call as a case; None where it can't be written as a test or gives another result
        again.
        """
        source = Renderer(approximate=False)
        try:
            made = [[key, source.render(value)] for key, value in maker.items()]
            given = [[None, source.render(value)] for value in positional]
            given += [[key, source.render(value)] for key, value in keywords.items()]
            first = self._outcome(name, kind, maker, positional, keywords)
            second = self._outcome(name, kind, maker, positional, keywords)
        except (Unrenderable, Stopped):
            return None
        if first is None or first != second:
            return None
        outcome, imports = first
        imports = sorted({*map(tuple, imports), *source.imports})
        return {"name": name, "kind": kind, "init": made, "arguments": given, "outcome": outcome,
                "imports": [list(one) for one in imports]}  # fmt: skip

    def _outcome(
        self, name: str, kind: str, maker: dict[str, Any], positional: Any, keywords: Any
    ) -> tuple[dict[str, Any], list[Any]] | None:
        positional, keywords = copy.deepcopy((positional, keywords))
        before = Renderer(approximate=False).render(list(positional) + list(keywords.values()))
        try:
            function, keywords = self._bind(name, kind, copy.deepcopy(maker), keywords)
            value = self._watch.call(function, positional, keywords)
        except Stopped:
            raise
        except UNTELLING:
            return None
        except Exception as error:
            return self._raised(error)
        if self._watch.touched:
            return None
        after = Renderer(approximate=False).render(
            list(positional) + [v for k, v in keywords.items() if k != "instance"]
        )
        if kind != "property" and before != after:
            return None
        result = Renderer(approximate=True)
        text = result.render(value)
        return {"kind": "return", "source": text}, sorted(result.imports)

    def _bind(self, name: str, kind: str, maker: dict[str, Any], keywords: Any) -> tuple[Any, Any]:
        owner, _, member = name.rpartition(".")
        if not owner:
            return getattr(self._module, member), keywords
        made = getattr(self._module, owner)
        if kind == "static":
            return getattr(made, member), keywords
        instance = made(**maker)
        if kind == "property":
            return (lambda: getattr(instance, member)), {}
        return getattr(instance, member), keywords

    def _raised(self, error: Exception) -> tuple[dict[str, Any], list[Any]] | None:
        kind = type(error)
        module = sys.modules.get(kind.__module__)
        if getattr(module, kind.__name__, None) is not kind or kind.__name__.startswith("_"):
            return None
        last = error.__traceback__
        while last is not None and last.tb_next is not None:
            last = last.tb_next
        own = last is not None and last.tb_frame.f_code.co_filename == self._module.__file__
        # Another library words its messages as it likes; only this module's own are pinned.
        raised_here = own and _is_raise(self._module.__file__ or "", last.tb_lineno if last else 0)
        message = str(error) if raised_here and len(str(error)) < 200 else None
        if message is not None and (ADDRESS.search(message) or "\n" in message):
            message = None
        imports = [] if kind.__module__ == "builtins" else [(kind.__module__, kind.__name__)]
        return {"kind": "raise", "type": kind.__name__, "message": message}, imports


def _is_raise(path: str, line: int) -> bool:
    """Whether the statement at this line is a `raise`."""
    with open(path, encoding="utf-8") as file:
        tree = ast.parse(file.read())
    return any(
        isinstance(node, ast.Raise) and node.lineno <= line <= (node.end_lineno or node.lineno)
        for node in ast.walk(tree)
    )


def main() -> None:
    request = json.loads(sys.stdin.read())
    own = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [one for one in sys.path if os.path.abspath(one or ".") != own]
    with open(request["path"], encoding="utf-8") as file:
        text = file.read()
    with open(os.devnull, "w", encoding="utf-8") as nowhere, contextlib.redirect_stdout(nowhere):
        module = importlib.import_module(request["module"])
        Probe(request, module, text).run()


if __name__ == "__main__":
    main()
