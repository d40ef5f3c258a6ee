"""The text of a characterisation test file, from the cases a probe observed."""

from __future__ import annotations

import re
from typing import Any

PLAIN = {"int", "str", "float", "bool"}


def render_tests(module: str, cases: list[dict[str, Any]]) -> str:
    """The whole test file: for each function one test of what it returns and one of what it
    refuses.
    """
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for case in cases:
        groups.setdefault((case["name"], case["outcome"]["kind"]), []).append(case)
    body: list[str] = []
    for (name, kind), members in groups.items():
        body += ["", "", *_test(name, kind, members)]
    text = "\n".join(body)
    lines = [
        f'"""Characterisation of {module}: what the code does today, observed by running it.',
        "",
        "These tests pin behaviour, right or wrong, so that a change of it is seen.",
        "Where one fails after an intended change, update the expected value.",
        '"""',
        "",
        *_imports(module, cases, text),
    ]
    return "\n".join(lines) + text + "\n"


def _imports(module: str, cases: list[dict[str, Any]], text: str) -> list[str]:
    wanted = {(source, name) for case in cases for source, name in case["imports"]}
    wanted |= {(module, case["name"].partition(".")[0]) for case in cases}
    lines = [f"import {name}" for source, name in sorted(wanted) if not source]
    lines += [f"from {source} import {name}" for source, name in sorted(wanted) if source]
    lines += ["from typing import Any"] if re.search(r"\bAny\b", text) else []
    return lines + (["import pytest"] if "pytest." in text else []) + [""]


def test_name(name: str, kind: str) -> str:
    """The name of the test for a function's results or refusals."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).replace(".", "_").lower().strip("_")
    return f"test_{words}_{'returns_what_it_did' if kind == 'return' else 'refuses_what_it_did'}"


def _test(name: str, kind: str, cases: list[dict[str, Any]]) -> list[str]:
    columns = _columns(cases)
    shared = {column: cases[0]["values"][column] for column in columns if _is_shared(cases, column)}
    varying = [column for column in columns if column not in shared]
    if len(cases) == 1 or not varying:
        case = cases[0]
        return [f"def {test_name(name, kind)}() -> None:", *_body(name, case, case["values"], None)]
    outcomes = [_expected(case) for case in cases]
    extra = "expected" if kind == "return" else "refusal"
    extra = extra if extra not in columns else f"{extra}_outcome"
    header = ", ".join(f'"{column}"' for column in [*varying, extra])
    rows = [
        f"        ({', '.join([*(case['values'][column] for column in varying), outcome])}),"
        for case, outcome in zip(cases, outcomes, strict=True)
    ]
    names = {**shared, **{column: column for column in varying}}
    parameters = [f"{column}: {_annotation(cases, column)}" for column in varying]
    parameters.append(f"{extra}: {'Any' if kind == 'return' else 'type[Exception]'}")
    if kind == "raise":
        rows, header, parameters = _refusal_rows(cases, varying, parameters, header, extra)
    else:
        parameters[-1] = f"{extra}: {_common_type(outcomes)}"
    return [
        "@pytest.mark.parametrize(",
        f"    ({header}),",
        "    [",
        *rows,
        "    ],",
        ")",
        f"def {test_name(name, kind)}({', '.join(parameters)}) -> None:",
        *_body(name, cases[0], names, extra),
    ]


def _refusal_rows(
    cases: list[dict[str, Any]], varying: list[str], parameters: list[str], header: str, extra: str
) -> tuple[list[str], str, list[str]]:
    """Rows with the error's type and its message; an empty message pins the type alone."""
    rows = [
        "        ("
        + ", ".join(
            [
                *(case["values"][column] for column in varying),
                case["outcome"]["type"],
                repr(case["outcome"]["message"] or ""),
            ]
        )
        + "),"
        for case in cases
    ]
    return rows, f'{header}, "message"', [*parameters, "message: str"]


def _columns(cases: list[dict[str, Any]]) -> list[str]:
    """The argument names of the cases; each case gets `values` by those names."""
    columns: list[str] = []
    for case in cases:
        case["values"] = {}
        for prefix, pairs in (("made_with_", case["init"]), ("", case["arguments"])):
            for index, (key, source) in enumerate(pairs):
                column = f"{prefix}{key}" if key else f"argument_{index}"
                case["values"][column] = source
                if column not in columns:
                    columns.append(column)
    return columns


def _is_shared(cases: list[dict[str, Any]], column: str) -> bool:
    return len({case["values"].get(column) for case in cases}) == 1


def _body(name: str, case: dict[str, Any], names: dict[str, str], extra: str | None) -> list[str]:
    call = _call(name, case, names)
    outcome = case["outcome"]
    if outcome["kind"] == "return":
        expected = extra or outcome["source"]
        comparison = "is" if expected in {"None", "True", "False"} else "=="
        return [f"    assert {call} {comparison} {expected}"]
    if extra is None:
        lines = [f"    with pytest.raises({outcome['type']})", f"        {call}"]
        if outcome["message"] is None:
            return [lines[0] + ":", lines[1]]
        check = f"    assert str(refused.value) == {outcome['message']!r}"
        if outcome["type"] == "KeyError":
            check = f"    assert refused.value.args == ({_key(outcome['message'])},)"
        return [lines[0] + " as refused:", lines[1], check]
    return [
        f"    with pytest.raises({extra}) as refused:",
        f"        {call}",
        "    assert message in str(refused.value)",
    ]


def _key(message: str) -> str:
    """A KeyError's text is the repr of its key already."""
    return message


def _call(name: str, case: dict[str, Any], names: dict[str, str]) -> str:
    owner, _, member = name.rpartition(".")
    given = []
    for index, (key, _) in enumerate(case["arguments"]):
        column = key or f"argument_{index}"
        given.append(f"{key}={names[column]}" if key else names[column])
    arguments = ", ".join(given)
    if not owner:
        return f"{member}({arguments})"
    if case["kind"] == "static":
        return f"{owner}.{member}({arguments})"
    made = ", ".join(f"{key}={names[f'made_with_{key}']}" for key, _ in case["init"])
    if case["kind"] == "property":
        return f"{owner}({made}).{member}"
    return f"{owner}({made}).{member}({arguments})"


def _expected(case: dict[str, Any]) -> str:
    outcome = case["outcome"]
    return str(outcome["source"] if outcome["kind"] == "return" else outcome["type"])


def _annotation(cases: list[dict[str, Any]], column: str) -> str:
    return _common_type([case["values"][column] for case in cases])


def _common_type(sources: list[str]) -> str:
    """The one plain type or enumeration that all the sources have, else Any."""
    kinds = set()
    for source in sources:
        member = re.fullmatch(r"([A-Z]\w*)(?:\.\w+|\(.*\))", source)
        if re.fullmatch(r"-?\d+", source):
            kinds.add("int")
        elif source in {"True", "False"}:
            kinds.add("bool")
        elif re.fullmatch(r"-?\d+\.\d+", source):
            kinds.add("float")
        elif source[:1] in {"'", '"'}:
            kinds.add("str")
        elif member:
            kinds.add(member[1])
        else:
            return "Any"
    return kinds.pop() if len(kinds) == 1 else "Any"
