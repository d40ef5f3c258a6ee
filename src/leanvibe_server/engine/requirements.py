"""What a project says it needs, read from the text of its files; nothing of it is executed."""

import importlib.metadata
import posixpath
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from leanvibe_server.kernel.errors import AppError

_TEST_GROUPS = ("test", "tests", "testing", "dev", "develop", "development")
_TEST_FILES = re.compile(r"requirements([-_.]?(test|tests|testing|dev|development))?\.txt")
_TEST_FOLDER_FILES = re.compile(
    r"requirements/(base|main|common|test|tests|testing|dev|development)\.txt"
)
_OPTION = re.compile(r"\s--?[a-z]")
_CARET = re.compile(r"\^\s*(\d+)(?:\.(\d+))?(?:\.(\d+))?[\w.]*")
_DEPTH = 10


class DependenciesUnavailable(AppError):
    """The project's dependencies can't be had here, so the gates that need them did not run."""

    status, code = 409, "dependencies_unavailable"

    def __init__(self, reason: str) -> None:
        super().__init__(reason, details={"reason": reason})
        self.reason = reason


@dataclass(frozen=True)
class Needs:
    """Requirements and constraints, one PEP 508 line each, sorted, without repeats."""

    requirements: tuple[str, ...]
    constraints: tuple[str, ...] = ()


def collect_needs(manifests: Mapping[str, str]) -> Needs:
    """What the project and its tests need, by the text of its manifests (path to text).

    Raises: DependenciesUnavailable: something is asked for by URL, or a file can't be read.
    """
    requirements: set[str] = set()
    constraints: set[str] = set()
    for path, text in manifests.items():
        if path == "pyproject.toml":
            requirements.update(_from_pyproject(text))
        elif _TEST_FILES.fullmatch(path) or _TEST_FOLDER_FILES.fullmatch(path):
            for kind, line in _from_file(path, manifests, _DEPTH):
                (constraints if kind == "-c" else requirements).add(line)
    named = (_normal(line) for line in requirements)
    return Needs(
        requirements=tuple(sorted({line for line in named if line})),
        constraints=tuple(sorted({line for line in map(_normal, constraints) if line})),
    )


def satisfied_by_toolbox(requirements: Iterable[str]) -> bool:
    """Whether the sandbox's own packages already are what the project asks for."""
    return all(_is_here(Requirement(line), depth=3) for line in requirements)


def _is_here(wanted: Requirement, *, depth: int) -> bool:
    if wanted.marker and not wanted.marker.evaluate({"extra": ""}):
        return True
    try:
        found = importlib.metadata.distribution(wanted.name)
    except importlib.metadata.PackageNotFoundError:
        return False
    if not wanted.specifier.contains(found.version, prereleases=True):
        return False
    extras = [Requirement(line) for line in found.requires or ()] if wanted.extras else []
    return depth > 0 and all(
        _is_here(_without_marker(one), depth=depth - 1)
        for one in extras
        if one.marker
        and any(one.marker.evaluate({"extra": extra}) for extra in wanted.extras)
        and not one.marker.evaluate({"extra": ""})
    )


def _without_marker(requirement: Requirement) -> Requirement:
    requirement.marker = None
    return requirement


def _normal(line: str) -> str | None:
    """The requirement in one spelling; None when it does not apply to this Python."""
    try:
        requirement = Requirement(line)
    except InvalidRequirement:
        raise DependenciesUnavailable(f"The requirement “{line[:200]}” can't be read.") from None
    if requirement.url:
        raise DependenciesUnavailable(f"{requirement.name} is asked for by URL; wheels only here.")
    if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
        return None
    requirement.marker = None
    requirement.name = canonicalize_name(requirement.name)
    return str(requirement)


def _from_file(
    path: str, manifests: Mapping[str, str], depth: int, kind: str = "-r"
) -> Iterator[tuple[str, str]]:
    text = re.sub(r"\\\r?\n", " ", manifests.get(path, ""))
    for raw in text.splitlines():
        line = re.sub(r"(^|\s)#.*$", "", raw).strip()
        include = re.fullmatch(r"(-r|--requirement|-c|--constraint)[\s=]*(\S+)", line)
        if include and depth:
            other = posixpath.normpath(posixpath.join(posixpath.dirname(path), include[2]))
            inner = "-c" if "c" in include[1][:3] else kind
            yield from _from_file(other, manifests, depth - 1, inner)
        elif line.startswith("-") or not line or _is_the_project_itself(line):
            continue
        else:
            yield kind, _OPTION.split(line, maxsplit=1)[0].strip()


def _is_the_project_itself(line: str) -> bool:
    return line.startswith((".", "/", "file:"))


def _from_pyproject(text: str) -> Iterator[str]:
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise DependenciesUnavailable(f"pyproject.toml can't be read: {error}") from None
    project = _table(document, "project")
    own = canonicalize_name(str(project.get("name", "")))
    yield from _strings(project.get("dependencies"))
    optional = _table(project, "optional-dependencies")
    groups = _table(document, "dependency-groups")
    for name in _TEST_GROUPS:
        for line in [*_strings(optional.get(name)), *_strings(_expand(groups, name, _DEPTH))]:
            # A group may name the project with another of its extras; that is not on an index.
            if canonicalize_name(re.split(r"[\s\[<>=!~;@]", line, maxsplit=1)[0]) != own:
                yield line
    yield from _from_poetry(_table(_table(document, "tool"), "poetry"))


def _expand(groups: Mapping[str, Any], name: str, depth: int) -> list[Any]:
    """The lines of a group and of those it includes. Source: PEP 735."""
    found: list[Any] = []
    members = groups.get(name)
    for member in members if isinstance(members, list) and depth else ():
        if isinstance(member, dict):
            found += _expand(groups, str(member.get("include-group")), depth - 1)
        else:
            found.append(member)
    return found


def _from_poetry(poetry: Mapping[str, Any]) -> Iterator[str]:
    tables = [_table(poetry, "dependencies"), _table(poetry, "dev-dependencies")]
    groups = _table(poetry, "group")
    tables += [_table(_table(groups, name), "dependencies") for name in _TEST_GROUPS]
    for table in tables:
        for name, wish in table.items():
            facts = wish if isinstance(wish, dict) else {"version": wish}
            if name.lower() == "python" or facts.get("optional"):
                continue
            if "version" not in facts:
                raise DependenciesUnavailable(f"{name} is asked for by address; wheels only here.")
            extras = ",".join(_strings(facts.get("extras")))
            version = _pep440(str(facts["version"]))
            yield f"{name}[{extras}]{version}" if extras else f"{name}{version}"


def _pep440(version: str) -> str:
    """Poetry's way to write versions, in the standard's. Source: Poetry's dependency syntax."""
    if version.strip() == "*":
        return ""

    def bounded(found: re.Match[str]) -> str:
        numbers = [int(part) for part in found.groups() if part is not None]
        place = next((n for n, part in enumerate(numbers) if part), len(numbers) - 1)
        above = [*numbers[:place], numbers[place] + 1]
        return f">={found[0].lstrip('^ ')},<{'.'.join(map(str, above))}"

    text = _CARET.sub(bounded, version)
    text = re.sub(
        r"~(?!=)\s*(\d+(\.\d+)?)(\.\d+)*", lambda m: f">={m[0][1:].strip()},=={m[1]}.*", text
    )
    return f"=={text}" if re.match(r"\d", text) else text


def _table(parent: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = parent.get(name)
    return value if isinstance(value, dict) else {}


def _strings(value: object) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []
