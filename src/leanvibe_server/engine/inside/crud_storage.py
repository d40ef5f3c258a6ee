"""The source text of a resource's storage: in memory, or by SQLAlchemy. Both have one interface."""

from __future__ import annotations

from crud_names import article, session_source, source
from crud_target import Spec, Target


def memory_repository(spec: Spec, target: Target) -> str:
    """A repository that keeps the resource in the memory of the process."""
    name, one = spec.class_name, spec.singular
    lines = [
        *_memory_head(spec, target),
        f"class {name}Repository:",
        f'    """Keeps {spec.words_plural} until the process ends."""',
        "",
        "    def __init__(self) -> None:",
        f"        self._{spec.plural}: dict[int, {name}] = {{}}",
        *(["        self._ids = count(1)"] if spec.has("POST") else []),
        "        self._lock = Lock()",
    ]
    if spec.has("GET"):
        lines += [
            "",
            f"    def list_page(self, *, limit: int, offset: int) -> list[{name}]:",
            f'        """Return one page of {spec.words_plural} in the order of their ids."""',
            "        with self._lock:",
            f"            return list(self._{spec.plural}.values())[offset : offset + limit]",
            "",
            "    def count(self) -> int:",
            f'        """Return how many {spec.words_plural} there are."""',
            f"        return len(self._{spec.plural})",
            "",
            f"    def find(self, {one}_id: int) -> {name} | None:",
            f'        """Return the {spec.words}, or None where there is none."""',
            f"        return self._{spec.plural}.get({one}_id)",
        ]
    if spec.has("POST"):
        lines += [
            "",
            f"    def add(self, new: {name}Create) -> {name}:",
            *_docstring(f"Keep {article('new ' + spec.words)} under the next id.", spec),
            "        with self._lock:",
            *(["            self._require_unique(new)"] if spec.unique else []),
            f"            {one} = {name}(id=next(self._ids), **new.model_dump())",
            f"            self._{spec.plural}[{one}.id] = {one}",
            f"            return {one}",
        ]
    lines += _memory_changes(spec)
    lines += _memory_unique(spec)
    lines += [
        "",
        "",
        f"_repository = {name}Repository()",
        "",
        "",
        f"def get_{one}_repository() -> {name}Repository:",
        '    """Return the repository of this process."""',
        "    return _repository",
    ]
    return "\n".join(lines) + "\n"


def _memory_head(spec: Spec, target: Target) -> list[str]:
    return [
        f'"""Storage of {spec.words_plural} in the memory of the process."""',
        "",
        *(["from itertools import count"] if spec.has("POST") else []),
        "from threading import Lock",
        f"from {source(spec, target, 'schemas')} import {_shapes(spec)}",
        "",
        *_duplicate_error(spec),
        "",
    ]


def _memory_changes(spec: Spec) -> list[str]:
    name, one, lines = spec.class_name, spec.singular, list[str]()
    found = f"{name} | None"
    if spec.has("PUT"):
        lines += [
            "",
            f"    def replace(self, {one}_id: int, new: {name}Replace) -> {found}:",
            *_docstring(
                f"Give every field of the {spec.words} anew; None where there is none.", spec
            ),
            "        with self._lock:",
            f"            if {one}_id not in self._{spec.plural}:",
            "                return None",
            *([f"            self._require_unique(new, but={one}_id)"] if spec.unique else []),
            f"            {one} = {name}(id={one}_id, **new.model_dump())",
            f"            self._{spec.plural}[{one}_id] = {one}",
            f"            return {one}",
        ]
    if spec.has("PATCH"):
        lines += [
            "",
            f"    def update(self, {one}_id: int, changes: {name}Update) -> {found}:",
            *_docstring(
                f"Change the given fields of the {spec.words}; None where there is none.", spec
            ),
            "        with self._lock:",
            f"            {one} = self._{spec.plural}.get({one}_id)",
            f"            if {one} is None:",
            "                return None",
            *([f"            self._require_unique(changes, but={one}_id)"] if spec.unique else []),
            f"            {one} = {one}.model_copy(update=changes.model_dump(exclude_unset=True))",
            f"            self._{spec.plural}[{one}_id] = {one}",
            f"            return {one}",
        ]
    if spec.has("DELETE"):
        lines += [
            "",
            f"    def delete(self, {one}_id: int) -> bool:",
            f'        """Forget the {spec.words}; False where there is none."""',
            "        with self._lock:",
            f"            return self._{spec.plural}.pop({one}_id, None) is not None",
        ]
    return lines


def _memory_unique(spec: Spec) -> list[str]:
    if not spec.unique or not spec.has("POST", "PUT", "PATCH"):
        return []
    shapes = [f"{spec.class_name}{end}" for end in _writing_shapes(spec)]
    kind = " | ".join(shapes)
    but = ", but: int | None = None" if spec.has("PUT", "PATCH") else ""
    held = f"for {spec.singular} in self._{spec.plural}.values():"
    skip = [f"            if {spec.singular}.id == but:", "                continue"]
    lines = [
        "",
        f"    def _require_unique(self, new: {kind}{but}) -> None:",
        f"        {held}",
        *(skip if but else []),
    ]
    for one in spec.unique:
        clash = f"{spec.singular}.{one.name} == new.{one.name}"
        if one.optional:
            clash = f"new.{one.name} is not None and {clash}"
        lines += [f"            if {clash}:", f'                raise {_error(spec)}("{one.name}")']
    return lines


def sqlalchemy_repository(spec: Spec, target: Target) -> str:
    """A repository that keeps the resource in a table."""
    name, one = spec.class_name, spec.singular
    module, session = session_source(target)
    sqlalchemy = ["func", "select"] if spec.has("GET") else []
    writes_unique = bool(spec.unique) and spec.has("POST", "PUT", "PATCH")
    lines = [
        f'"""Storage of {spec.words_plural} in the database."""',
        "",
        "from typing import Annotated",
        "from fastapi import Depends",
        *([f"from sqlalchemy import {', '.join(sqlalchemy)}"] if sqlalchemy else []),
        *(["from sqlalchemy.exc import IntegrityError"] if writes_unique else []),
        "from sqlalchemy.orm import Session",
        f"from {module} import {session}",
        f"from {source(spec, target, 'models')} import {name}Record",
        f"from {source(spec, target, 'schemas')} import {_shapes(spec)}",
        "",
        *_duplicate_error(spec),
        "",
        f"class {name}Repository:",
        f'    """Reads and writes {spec.words_plural} through one session."""',
        "",
        "    def __init__(self, session: Session) -> None:",
        "        self._session = session",
    ]
    if spec.has("GET"):
        lines += [
            "",
            f"    def list_page(self, *, limit: int, offset: int) -> list[{name}]:",
            f'        """Return one page of {spec.words_plural} in the order of their ids."""',
            f"        ordered = select({name}Record).order_by({name}Record.id)",
            "        page = ordered.limit(limit).offset(offset)",
            f"        return [{name}.model_validate(row) for row in self._session.scalars(page)]",
            "",
            "    def count(self) -> int:",
            f'        """Return how many {spec.words_plural} there are."""',
            f"        counted = select(func.count()).select_from({name}Record)",
            "        return self._session.scalars(counted).one()",
            "",
            f"    def find(self, {one}_id: int) -> {name} | None:",
            f'        """Return the {spec.words}, or None where there is none."""',
            f"        row = self._session.get({name}Record, {one}_id)",
            f"        return None if row is None else {name}.model_validate(row)",
        ]
    lines += _sqlalchemy_changes(spec)
    if spec.has("POST", "PUT", "PATCH"):
        lines += _sqlalchemy_store(spec)
    lines += [
        "",
        "",
        f"def get_{one}_repository(",
        f"    session: Annotated[Session, Depends({session})],",
        f") -> {name}Repository:",
        '    """Return the repository of one request."""',
        f"    return {name}Repository(session)",
    ]
    return "\n".join(lines) + "\n"


def _sqlalchemy_changes(spec: Spec) -> list[str]:
    name, one, lines = spec.class_name, spec.singular, list[str]()
    if spec.has("POST"):
        lines += [
            "",
            f"    def add(self, new: {name}Create) -> {name}:",
            *_docstring(f"Store {article('new ' + spec.words)}.", spec),
            f"        return self._store({name}Record(**new.model_dump()))",
        ]
    for method, verb, parameter, dumped, words in (
        ("PUT", "replace", f"new: {name}Replace", "new.model_dump()", "Give every field of"),
        ("PATCH", "update", f"changes: {name}Update",
         "changes.model_dump(exclude_unset=True)", "Change the given fields of"),
    ):  # fmt: skip
        if spec.has(method):
            lines += [
                "",
                f"    def {verb}(self, {one}_id: int, {parameter}) -> {name} | None:",
                *_docstring(
                    f"{words} the {spec.words}{' anew' if method == 'PUT' else ''}; "
                    "None where there is none.",
                    spec,
                ),
                f"        row = self._session.get({name}Record, {one}_id)",
                "        if row is None:",
                "            return None",
                f"        for field, value in {dumped}.items():",
                "            setattr(row, field, value)",
                "        return self._store(row)",
            ]
    if spec.has("DELETE"):
        lines += [
            "",
            f"    def delete(self, {one}_id: int) -> bool:",
            f'        """Delete the {spec.words}; False where there is none."""',
            f"        row = self._session.get({name}Record, {one}_id)",
            "        if row is None:",
            "            return False",
            "        self._session.delete(row)",
            "        self._session.commit()",
            "        return True",
        ]
    return lines


def _sqlalchemy_store(spec: Spec) -> list[str]:
    name = spec.class_name
    lines = [
        "",
        f"    def _store(self, row: {name}Record) -> {name}:",
        "        self._session.add(row)",
    ]
    if spec.unique:
        lines += [
            "        try:",
            "            self._session.commit()",
            "        except IntegrityError as error:",
            "            self._session.rollback()",
            f'            raise {_error(spec)}("{_unique_words(spec)}") from error',
        ]
    else:
        lines += ["        self._session.commit()"]
    return [*lines, f"        return {name}.model_validate(row)"]


def _error(spec: Spec) -> str:
    return f"Duplicate{spec.class_name}Error"


def _unique_words(spec: Spec) -> str:
    return " or ".join(one.name for one in spec.unique)


def _duplicate_error(spec: Spec) -> list[str]:
    if not spec.unique or not spec.has("POST", "PUT", "PATCH"):
        return []
    return [
        "",
        f"class {_error(spec)}(Exception):",
        f'    """Another {spec.words} has this value already."""',
        "",
        "    def __init__(self, field: str) -> None:",
        f'        super().__init__(f"Another {spec.words} has this {{field}}.")',
        "",
    ]


def _docstring(sentence: str, spec: Spec) -> list[str]:
    if not spec.unique:
        return [f'        """{sentence}"""']
    words = (
        f"        Raises: {_error(spec)}: another {spec.words} has the same {_unique_words(spec)}."
    )
    return [f'        """{sentence}', "", words, '        """']


def _writing_shapes(spec: Spec) -> list[str]:
    pairs = (("POST", "Create"), ("PUT", "Replace"), ("PATCH", "Update"))
    return [end for method, end in pairs if spec.has(method)]


def _shapes(spec: Spec) -> str:
    return ", ".join(
        sorted([spec.class_name, *(spec.class_name + e for e in _writing_shapes(spec))])
    )
