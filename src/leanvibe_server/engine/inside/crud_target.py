"""What a CRUD endpoint is to be and where in the repository it goes."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from survey import survey_repository
from worktree import Refused, read_text

OLDEST_PYTHON = (3, 10)
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
SEGMENT = re.compile(r"(?!\.+$)[A-Za-z0-9_.~-]+")
UNIQUE_NAMES = ("email", "username", "slug", "sku", "code")
AUTH_LIBRARIES = ("pyjwt",)
IRREGULAR = {"people": "person", "children": "child", "status": "status", "news": "news"}


@dataclass(frozen=True)
class Field:
    """One field of the resource."""

    name: str
    type: str
    optional: bool
    unique: bool


@dataclass(frozen=True)
class Spec:
    """The endpoint as asked for."""

    endpoint: str
    methods: tuple[str, ...]
    authentication: str
    database: str
    fields: tuple[Field, ...]
    plural: str
    singular: str
    class_name: str

    @property
    def words(self) -> str:
        """The resource in the singular, as prose."""
        return self.singular.replace("_", " ")

    @property
    def words_plural(self) -> str:
        """The resource in the plural, as prose."""
        return self.plural.replace("_", " ")

    @property
    def unique(self) -> tuple[Field, ...]:
        return tuple(one for one in self.fields if one.unique)

    def has(self, *methods: str) -> bool:
        """Whether any of the methods is asked for."""
        return any(method in self.methods for method in methods)


@dataclass(frozen=True)
class Target:
    """Where the endpoint's files go and what of the repository they use."""

    directory: str
    package: str
    app_path: str
    app_module: str
    app_variable: str
    app_factory: str | None
    relative: bool
    new_app: bool
    test_path: str
    test_runner: str
    new_test_directory: bool
    auth: dict[str, Any] | None = None
    auth_library: str | None = None
    base: dict[str, Any] | None = None
    session: dict[str, Any] | None = None
    database_module: str = "database"
    security_module: str = "security"
    assumptions: list[str] = field(default_factory=list)

    def view(self) -> dict[str, Any]:
        return asdict(self)


def read_spec(parameters: dict[str, Any]) -> Spec:
    """The endpoint asked for.

    Raises: Refused: the parameters don't describe one.
    """
    endpoint = "/" + str(parameters.get("endpoint", "")).strip("/")
    segments = [one for one in endpoint.split("/") if one]
    if not segments or any(not SEGMENT.fullmatch(one) for one in segments):
        raise Refused("unmet", f"{endpoint} is not a path this recipe can serve.")
    plural = re.sub(r"\W+", "_", segments[-1]).lower().strip("_")
    if not plural.isidentifier():
        raise Refused("unmet", f"The last part of {endpoint} can't name a Python module.")
    singular = singular_of(plural)
    methods = tuple(one for one in METHODS if one in parameters.get("methods", METHODS))
    fields = parameters.get("fields") or {"name": "str"}
    unique = parameters.get("unique")
    if unique is None:
        unique = next(([n] for n in UNIQUE_NAMES if str(fields.get(n, "")).strip() == "str"), [])
    return Spec(
        endpoint=endpoint,
        methods=methods,
        authentication=str(parameters.get("authentication") or "none"),
        database=str(parameters.get("database") or "memory"),
        fields=tuple(
            Field(name, kind.strip().rstrip("?"), kind.strip().endswith("?"), name in unique)
            for name, kind in fields.items()
        ),
        plural=plural,
        singular=singular,
        class_name="".join(part.capitalize() for part in singular.split("_")),
    )


def singular_of(plural: str) -> str:
    """The singular of an English plural, by its last word."""
    head, underscore, word = plural.rpartition("_")
    if word in IRREGULAR:
        single = IRREGULAR[word]
    elif word.endswith("ies") and len(word) > 4:
        single = word[:-3] + "y"
    elif re.search(r"(ss|x|z|ch|sh)es$", word):
        single = word[:-2]
    elif word.endswith("s") and not word.endswith(("ss", "us", "is")):
        single = word[:-1]
    else:
        single = word
    return f"{head}{underscore}{single}"


def choose_target(root: Path, spec: Spec) -> Target:
    """Where the endpoint goes in this repository.

    Raises: Refused: it is there already, or the repository has no place for it.
    """
    facts = survey_repository(root)
    _require_current_python(facts)
    _require_free_routes(facts, spec)
    place = _place_app(root, facts)
    package_path = f"{place['directory']}/{spec.plural}".lstrip("/")
    for taken in (f"{package_path}.py", package_path):
        if (root / taken).exists():
            raise _already(f"{taken} exists", "Choose another endpoint or remove the module first.")
    if spec.database == "sqlalchemy" and spec.plural in facts["sqlalchemy"]["tables"]:
        path = facts["sqlalchemy"]["tables"][spec.plural]
        raise _already(f"the table {spec.plural} is declared in {path}", "Choose another endpoint.")
    shown = _import_names(facts, place)
    base, session = _database_of(facts, spec)
    tests = _place_tests(root, facts, spec)
    return Target(
        **place,
        **tests,
        auth=shown(_auth_of(facts, spec)),
        auth_library=_auth_library(facts),
        base=shown(base),
        session=shown(session),
        database_module=_free_module(root, place["directory"], ("database", "storage")),
        security_module=_free_module(root, place["directory"], ("security", "bearer_tokens")),
        assumptions=_assumptions(facts, spec, place),
    )


def _already(what: str, remedy: str) -> Refused:
    return Refused(
        "unmet",
        f"The endpoint can't be added: {what}.",
        [{"requirement": "specification.endpoint", "reason": what, "would_make_possible": remedy}],
    )


def _require_current_python(facts: dict[str, Any]) -> None:
    minimum = facts["minimum_python"]
    if minimum is not None and tuple(minimum) < OLDEST_PYTHON:
        shown = ".".join(map(str, minimum))
        raise Refused(
            "unmet",
            f"The project promises to run on Python {shown}.",
            [
                {
                    "requirement": "requires-python",
                    "reason": f"the project runs on Python {shown}, the recipe writes for 3.10",
                    "would_make_possible": "Raise requires-python to 3.10 or later.",
                }
            ],
        )


def _require_free_routes(facts: dict[str, Any], spec: Spec) -> None:
    wanted = {(method, spec.endpoint) for method in spec.methods}
    for route in facts["routes"]:
        if (route["method"], route["path"].rstrip("/")) in wanted:
            what = f"route {route['method']} {spec.endpoint} exists in {route['file']}"
            raise _already(what, "Leave that method out, or choose another endpoint.")


def _place_app(root: Path, facts: dict[str, Any]) -> dict[str, Any]:
    apps = [one for one in facts["apps"] if one["kind"] == "app"]
    if not apps:
        return _place_new_app(facts)
    best = min(apps, key=_app_rank)
    directory, _, name = best["path"].rpartition("/")
    text = read_text(root, best["path"]) or ""
    module = _imported_as(best["path"], best["module"], text, facts)
    package = "" if "." not in module else module.rpartition(".")[0]
    if name == "__init__.py":
        package = module
    return {
        "directory": directory,
        "package": package,
        "app_path": best["path"],
        "app_module": module,
        "app_variable": best["variable"],
        "app_factory": best["factory"],
        "relative": bool(package) and re.search(r"^from \.", text, re.MULTILINE) is not None,
        "new_app": False,
    }


def _app_rank(app: dict[str, Any]) -> tuple[int, int, int, str]:
    """The likeliest main application first: by name, then nearest to the root."""
    name = app["path"].rpartition("/")[2]
    named = {"main.py": 0, "app.py": 1, "__init__.py": 2}.get(name, 3)
    return (app["variable"] != "app", named, app["path"].count("/"), app["path"])


def _imported_as(path: str, module: str, text: str, facts: dict[str, Any]) -> str:
    """The name the application's module is imported by: the tests' word, else its siblings'
    imports.
    """
    last = module.rpartition(".")[2]
    if last == module:
        return module
    directory = path.rpartition("/")[0]
    siblings = {
        one["path"].rpartition("/")[2].removesuffix(".py")
        for one in facts["modules"]
        if one["path"].rpartition("/")[0] == directory
    }
    bare = set(re.findall(r"^(?:from|import) (\w+)", text, re.MULTILINE))
    top = {one["name"].partition(".")[0] for one in facts["modules"] if "." not in one["name"]}
    return last if (bare & siblings) - top else module


def _place_new_app(facts: dict[str, Any]) -> dict[str, Any]:
    if facts["uses"]["fastapi"] and any(one["kind"] == "router" for one in facts["apps"]):
        raise Refused(
            "unmet",
            "The repository uses FastAPI, but no FastAPI() is assigned to a name anywhere.",
        )
    packages = sorted(
        one["name"]
        for one in facts["modules"]
        if one["path"].endswith("/__init__.py") and "." not in one["name"]
    )
    parent = packages[0] if len(packages) == 1 else ""
    source = "src/" if "src" in facts["roots"] else ""
    if source and not parent:
        source = ""
    package = f"{parent}.api" if parent else "api"
    directory = source + package.replace(".", "/")
    if any(one["path"].startswith(directory + "/") for one in facts["modules"]):
        raise _already(f"{directory} exists without a FastAPI application", "Add the application.")
    return {
        "directory": directory,
        "package": package,
        "app_path": f"{directory}/main.py",
        "app_module": f"{package}.main",
        "app_variable": "app",
        "app_factory": None,
        "relative": False,
        "new_app": True,
    }


def _database_of(
    facts: dict[str, Any], spec: Spec
) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    base, session = facts["sqlalchemy"]["base"], facts["sqlalchemy"]["session"]
    if spec.database != "sqlalchemy" or (base is None and session is None):
        return None, None
    if base is None or session is None:
        known, missing = (
            (f"a declarative base in {base['path']}", "a dependency that yields a Session")
            if base
            else (f"a session in {session['path']}", "a declarative base")
        )
        reason = f"the repository has {known}, but {missing} was not found"
    elif session["async"]:
        reason = f"the session of {session['path']} is asynchronous; the recipe writes plain code"
    else:
        return base, session
    raise Refused(
        "unmet",
        f"SQLAlchemy storage can't be added: {reason}.",
        [
            {
                "requirement": "specification.database",
                "reason": reason,
                "would_make_possible": "Ask for database memory, or add what is missing.",
            }
        ],
    )


def _import_names(
    facts: dict[str, Any], place: dict[str, Any]
) -> Callable[[dict[str, Any] | None], dict[str, Any] | None]:
    """A function that gives a found symbol the module name by which the application imports it."""
    full = next((a["module"] for a in facts["apps"] if a["path"] == place["app_path"]), "")
    dropped = full.removesuffix(place["app_module"])

    def shown(found: dict[str, Any] | None) -> dict[str, Any] | None:
        return found and {**found, "module": found["module"].removeprefix(dropped)}

    return shown


def _auth_of(facts: dict[str, Any], spec: Spec) -> dict[str, Any] | None:
    """The repository's own auth dependency, where one is there to be used again."""
    if spec.authentication != "jwt" or not facts["auth"]:
        return None
    found = facts["auth"][0]
    return {"module": found["module"], "name": found["name"], "path": found["path"]}


def _auth_library(facts: dict[str, Any]) -> str | None:
    declared = {name for names in facts["dependencies"].values() for name in names}
    return next((name for name in AUTH_LIBRARIES if name in declared), None)


def _free_module(root: Path, directory: str, names: tuple[str, ...]) -> str:
    for name in names:
        path = f"{directory}/{name}".lstrip("/")
        if not (root / f"{path}.py").exists() and not (root / path).exists():
            return name
    return f"{names[0]}_support"


def _place_tests(root: Path, facts: dict[str, Any], spec: Spec) -> dict[str, Any]:
    tests = facts["tests"]
    directory = tests["directory"] or "tests"
    stems = (spec.plural, f"{spec.plural}_api", f"{spec.plural}_endpoint")
    for stem in stems:
        name = f"{stem}_test.py" if tests["suffix_style"] else f"test_{stem}.py"
        path = name if directory == "." else f"{directory}/{name}"
        if not (root / path).exists():
            break
    return {
        "test_path": path,
        "test_runner": tests["runner"] or "pytest",
        "new_test_directory": not (root / directory).exists(),
    }


def _assumptions(facts: dict[str, Any], spec: Spec, place: dict[str, Any]) -> list[str]:
    found = []
    apps = [one for one in facts["apps"] if one["kind"] == "app"]
    if place["new_app"]:
        found.append(
            f"The repository has no FastAPI application; a new one is in {place['app_path']}."
        )
    if len(apps) > 1:
        found.append(f"Of {len(apps)} applications, {place['app_path']} takes the routes.")
    if spec.database == "sqlalchemy" and facts["sqlalchemy"]["session"] is not None:
        found.append(f"The table {spec.plural} is created by the project's own means.")
    for one in spec.unique:
        found.append(f"Two {spec.words_plural} never share the same {one.name}: that answers 409.")
    return found
