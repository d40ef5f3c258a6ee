"""Planning: which words and keys lead to a recipe, and what stands in the way."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leanvibe_server.engine.planning import Plan, TaskText, plan
from leanvibe_server.engine.recipes import RECIPES

PRINTED: dict[str, Any] = {
    "component_type": "api_endpoint",
    "specification": {
        "endpoint": "/api/users",
        "methods": ["GET", "POST"],
        "authentication": "jwt",
        "validation": "pydantic",
        "database": "sqlalchemy",
    },
}


def module(name: str, path: str, *symbols: str) -> dict[str, Any]:
    return {"name": name, "path": path, "public": [{"name": one} for one in symbols]}


SURVEY: dict[str, Any] = {
    "python": True,
    "modules": [
        module("app.main", "app/main.py"),
        module("app.orders", "app/orders.py", "Order", "place_order"),
        module("app.pricing", "app/pricing.py", "discount_percent"),
    ],
    "untested_modules": ["app.pricing"],
    "routes": [{"method": "GET", "path": "/orders", "file": "app/orders.py", "line": 9}],
    "tests": {"files": ["tests/test_orders.py"]},
    "uses": {"fastapi": True, "pytest": True, "flask": False, "django": False},
    "dependencies": {"pyproject.toml": ["fastapi", "httpx", "pytest"]},
    "minimum_python": [3, 11],
}


def ask(
    title: str,
    description: str = "",
    survey: dict[str, Any] | None = SURVEY,
    **requirements: Any,
) -> Plan:
    text = TaskText(title=title, description=description, requirements=requirements)
    return plan(text, survey)


def reasons(found: Plan) -> dict[str, str]:
    return {one.requirement: one.reason for one in found.unmet}


def test_the_printed_specification_is_honoured_to_the_letter() -> None:
    found = ask("Users endpoint", **PRINTED)
    assert found.ok
    assert found.recipe == "crud_endpoint"
    assert found.parameters == {
        "endpoint": "/api/users",
        "methods": ["GET", "POST"],
        "authentication": "jwt",
        "database": "sqlalchemy",
        "fields": {"name": "str"},
    }
    assert found.assumptions == ["No fields are given: each entry has one field, name: str."]


@pytest.mark.parametrize(
    "title",
    [
        "fix lint",
        "Fix lint findings",
        "Clean up ruff findings",
        "please fix all linting errors in the project",
        "Resolve the linter warnings",
        "Lint autofix",
        "run ruff and apply the safe fixes",
    ],
)
def test_words_that_ask_for_lint_fixes(title: str) -> None:
    found = ask(title)
    assert (found.recipe, found.parameters, reasons(found)) == ("lint_autofix", {}, {})


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("Fix lint in app/main.py", {"paths": ["app/main.py"]}),
        ("Fix the lint findings in pricing", {"paths": ["app/pricing.py"]}),
        ("Remove unused imports", {"rules": ["F401"]}),
        ("Fix ruff rule F541 and I001", {"rules": ["F541", "I001"]}),
    ],
)
def test_lint_fixes_may_be_narrowed(title: str, expected: dict[str, Any]) -> None:
    found = ask(title)
    assert (found.parameters, reasons(found)) == (expected, {})


@pytest.mark.parametrize(
    "title",
    [
        "Add tests for module pricing",
        "write characterisation tests for app/pricing.py",
        "Add unit tests for the pricing module",
        "add tests for discount_percent",
        "Cover the pricing module with tests",
        "Raise the test coverage of app.pricing",
    ],
)
def test_nouns_resolve_against_the_modules_and_symbols(title: str) -> None:
    found = ask(title)
    assert (found.recipe, reasons(found)) == ("characterisation_tests", {})
    assert found.parameters == {"module": "app.pricing"}


@pytest.mark.parametrize("title", ["Add tests", "Raise branch coverage", "Test untested code"])
def test_without_a_noun_the_least_covered_module_is_meant(title: str) -> None:
    found = ask("Add tests" if title == "Test untested code" else title)
    assert found.ok
    assert found.assumptions == ["The least covered module is meant."]


@pytest.mark.parametrize(
    ("title", "description", "expected"),
    [
        (
            "CRUD endpoint for /api/users with fields name:str, age:int",
            "",
            {"endpoint": "/api/users", "fields": {"name": "str", "age": "int"}},
        ),
        (
            "Add a REST endpoint for customers",
            "Fields: name: str, email: str and optional phone. Use JWT authentication and "
            "SQLAlchemy.",
            {
                "endpoint": "/customers",
                "fields": {"name": "str", "email": "str", "phone": "str?"},
                "authentication": "jwt",
                "database": "sqlalchemy",
            },
        ),
        (
            "Create endpoints to list and create products",
            "",
            {"endpoint": "/products", "methods": ["GET", "POST"]},
        ),
        (
            "Add CRUD for blog posts with fields title: string, published: boolean",
            "We want to write about our shop.",
            {"endpoint": "/blog-posts", "fields": {"title": "str", "published": "bool"}},
        ),
        ("Add an invoices API with GET and POST", "", {"methods": ["GET", "POST"]}),
    ],
)
def test_words_fill_the_slots_of_an_endpoint(
    title: str, description: str, expected: dict[str, Any]
) -> None:
    found = ask(title, description)
    assert (found.recipe, reasons(found)) == ("crud_endpoint", {})
    assert found.parameters.items() >= expected.items()


@pytest.mark.parametrize(
    ("title", "description"),
    [
        (
            "Implement secure payment processing with Stripe",
            "Create complete payment flow with card processing, webhooks, and fraud detection",
        ),
        (
            "Implement user authentication API",
            "Create REST endpoints for user registration, login, and password reset with JWT "
            "token support",
        ),
        ("Implement user authentication with OAuth2", "Complete OAuth2 integration with Google"),
        ("User management dashboard", "Admin interface for user management"),
        ("Add an endpoint for user registration", ""),
        ("Make the app faster", ""),
        ("Rename Order to Purchase", ""),
        ("", ""),
    ],
)
def test_what_no_recipe_does_is_refused_by_its_words_alone(title: str, description: str) -> None:
    found = ask(title, description, survey=None)
    assert not found.ok
    assert found.recipe is None
    assert found.unmet[0].would_make_possible
    assert {one["recipe"] for one in found.nearest} == set(RECIPES)


@pytest.mark.parametrize(
    ("title", "description", "leftover"),
    [
        ("Add a REST endpoint for customers with Stripe", "", "Stripe"),
        ("Add a REST endpoint for customers", "It must be rate limited.", "rate limited"),
        ("Add a REST endpoint for customers", "Send a welcome mail.", "Send"),
        ("Fix lint findings and add type hints", "", "add type hints"),
        ("Add e2e tests for app/pricing.py", "", "e2e"),
        ("Add CRUD for users", "with avatar upload", "avatar upload"),
        ("Add CRUD for users with fields name: str, tags: list", "", "tags"),
    ],
)
def test_a_wish_beyond_the_recipe_is_unmet(title: str, description: str, leftover: str) -> None:
    found = ask(title, description)
    assert not found.ok
    assert any(leftover in one for one in reasons(found)), reasons(found)


def test_a_task_runs_one_recipe() -> None:
    found = ask("Fix lint findings", "Add tests for the pricing module.")
    assert reasons(found) == {
        "Add tests for the pricing module.": (
            "It asks for characterisation_tests too; a task runs one recipe."
        )
    }


def test_why_somebody_asks_is_background() -> None:
    found = ask("Add tests for the pricing module", "It broke twice last month and nobody knew.")
    assert found.ok
    assert found.assumptions == ["Read as background: It broke twice last month and nobody knew."]


def test_an_endpoint_that_exists_is_named_with_its_file() -> None:
    found = ask("Add a REST endpoint for orders")
    assert reasons(found) == {"GET /orders": "route GET /orders exists in app/orders.py"}


@pytest.mark.parametrize(
    ("requirements", "key"),
    [
        ({"recipe": "make_coffee"}, "requirements.recipe"),
        ({"recipe": 7}, "requirements.recipe"),
        ({"component_type": "microservice"}, "requirements.component_type"),
        ({"component_type": "api_endpoint"}, "requirements.specification"),
        ({"recipe": "crud_endpoint", "specification": []}, "requirements.specification"),
        ({"recipe": "characterisation_tests", "module": 3}, "requirements.module"),
        ({"module": "app/nothing.py"}, "module: app/nothing.py"),
        ({"recipe": "lint_autofix", "paths": "app"}, "requirements.paths"),
        ({"recipe": "lint_autofix", "paths": ["lib"]}, "path: lib"),
        ({"recipe": "lint_autofix", "rules": ["--fix"]}, "requirements.rules"),
    ],
)
def test_a_malformed_key_is_named_by_its_path(requirements: dict[str, Any], key: str) -> None:
    found = ask("A task", **requirements)
    assert not found.ok
    assert key in reasons(found), reasons(found)


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"endpoint": "users"}, "endpoint"),
        ({"endpoint": "/api/{tenant}/users"}, "endpoint"),
        ({"endpoint": "/api/../users"}, "endpoint"),
        ({"endpoint": "/"}, "endpoint"),
        ({"endpoint": "/api/class"}, "endpoint"),
        ({"endpoint": None}, "endpoint"),
        ({"methods": ["BREW"]}, "methods"),
        ({"methods": []}, "methods"),
        ({"methods": ["GET"], "database": "memory"}, "methods"),
        ({"authentication": "kerberos"}, "authentication"),
        ({"validation": "marshmallow"}, "validation"),
        ({"database": "mongodb"}, "database"),
        ({"fields": {"age": "bigint"}}, "fields.age"),
        ({"fields": {"Name": "str"}}, "fields.Name"),
        ({"fields": {"id": "int"}}, "fields.id"),
        ({"fields": {"model_name": "str"}}, "fields.model_name"),
        ({"fields": {"import": "str"}}, "fields.import"),
        ({"fields": {}}, "fields"),
        ({"fields": ["name"]}, "fields"),
        ({"unique": ["nobody"]}, "unique"),
        ({"unique": [["name"]]}, "unique"),
        ({"endpoint": "/api/" + "u" * 3000}, "endpoint"),
        ({"endpoint": "/api/" + "u" * 61}, "endpoint"),
        ({"endpoint": "/api/" + "u" * 61 + "/users"}, "endpoint"),
        ({"endpoint": "/abcdefghi" * 20 + "/users"}, "endpoint"),
        ({"fields": {"n" * 61: "str"}}, "fields." + "n" * 61),
        ({"fields": {f"f{n}": "str" for n in range(61)}}, "fields"),
        ({"methods": 5}, "methods"),
        ({"methods": ""}, "methods"),
        ({"methods": "GET, BREW"}, "methods"),
        ({"method": "GET"}, "method"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_wrong_setting_of_a_specification_is_named(change: dict[str, Any], key: str) -> None:
    specification = {**PRINTED["specification"], **change}
    found = ask("Users", component_type="api_endpoint", specification=specification)
    assert not found.ok
    assert f"requirements.specification.{key}" in reasons(found), reasons(found)


def test_names_at_their_limits_are_taken() -> None:
    specification = {"endpoint": "/api/" + "u" * 60, "fields": {"n" * 60: "str"}}
    found = ask("Users", recipe="crud_endpoint", specification=specification)
    assert found.ok, found.unmet


def test_words_that_ask_for_a_path_too_long_are_refused() -> None:
    found = ask(f"CRUD endpoint for /api/{'u' * 100} with fields name: str")
    assert "60 characters" in found.unmet[0].would_make_possible
    assert "requirements.specification.endpoint" in reasons(found)
    assert max(len(one.reason) for one in found.unmet) < 300


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ({"methods": "POST"}, ["POST"]),
        ({"methods": "get,post"}, ["GET", "POST"]),
        ({"methods": "GET POST"}, ["GET", "POST"]),
        ({"method": "POST"}, ["POST"]),
        ({"method": ["GET", "POST"]}, ["GET", "POST"]),
    ],
)
def test_methods_given_as_text_are_taken(given: dict[str, Any], meant: list[str]) -> None:
    specification = {"endpoint": "/api/users", **given}
    for requirements in (
        {"recipe": "crud_endpoint", "specification": specification},
        {"recipe": "crud_endpoint", **specification},
    ):
        found = ask("Users", **requirements)
        assert found.ok, found.unmet
        assert found.parameters["methods"] == meant
        text = isinstance(next(iter(given.values())), str)
        assert any("means the methods" in one for one in found.assumptions) is text


def test_malformed_methods_are_told_what_a_list_looks_like() -> None:
    specification = {"endpoint": "/api/users", "methods": {"GET": True}}
    found = ask("Users", recipe="crud_endpoint", specification=specification)
    assert reasons(found) == {
        "requirements.specification.methods": 'methods must be a list such as ["GET", "POST"].'
    }


def test_an_endpoint_in_memory_that_nothing_fills_says_what_to_add() -> None:
    specification = {"endpoint": "/api/users", "methods": ["GET"]}
    found = ask("Users", recipe="crud_endpoint", specification=specification)
    assert 'Add "POST" to methods' in found.unmet[0].would_make_possible
    stored = {**specification, "database": "sqlalchemy"}
    assert ask("Users", recipe="crud_endpoint", specification=stored).ok


def test_a_member_path_means_its_collection() -> None:
    found = ask("Users", recipe="crud_endpoint", specification={"endpoint": "/users/{id}"})
    assert found.ok
    assert found.parameters["endpoint"] == "/users"
    assert "/users/{id} means the collection /users and its members." in found.assumptions


def test_demands_beside_a_recipe_are_honoured_or_unmet() -> None:
    found = ask(
        "Users",
        **PRINTED,
        frameworks=["FastAPI", "SQLAlchemy", "Stripe"],
        security_requirements=["JWT", "PCI_DSS"],
        testing_requirements=["unit_tests", "integration_tests", "load_tests"],
        compliance=["GDPR"],
        priority="high",
        deployment={"auto_deploy": False, "require_manual_approval": True},
        sla="99.9",
    )
    assert set(reasons(found)) == {
        "requirements.frameworks: Stripe",
        "requirements.security_requirements: PCI_DSS",
        "requirements.testing_requirements: load_tests",
        "requirements.compliance: GDPR",
        "requirements.sla",
    }
    assert "requirements.security_requirements: JWT" in found.matched


def test_tests_are_no_part_of_fixing_lint() -> None:
    found = ask("Lint", recipe="lint_autofix", testing_requirements=["unit_tests"])
    assert set(reasons(found)) == {"requirements.testing_requirements: unit_tests"}


def test_a_framework_the_repository_has_is_no_obstacle_to_its_tests() -> None:
    assert ask("x", recipe="characterisation_tests", frameworks=["FastAPI"]).ok
    assert not ask("x", recipe="characterisation_tests", frameworks=["React"]).ok


def test_a_listed_framework_fills_an_empty_slot() -> None:
    found = ask(
        "Users",
        component_type="api_endpoint",
        specification={"endpoint": "/api/users"},
        frameworks=["SQLAlchemy"],
        security=["JWT"],
    )
    assert found.ok
    assert (found.parameters["database"], found.parameters["authentication"]) == (
        "sqlalchemy",
        "jwt",
    )


def test_a_technology_in_the_title_counts_beside_structured_keys() -> None:
    found = ask("Users with Stripe checkout", **PRINTED)
    assert set(reasons(found)) == {"Stripe"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"python": False}, "There is no Python code in the repository."),
        (
            {"uses": {"flask": True, "fastapi": False}},
            "The service is built on flask; the recipe writes FastAPI.",
        ),
        (
            {"minimum_python": [3, 8]},
            "The project runs on Python 3.8; the recipe writes for 3.10 and later.",
        ),
    ],
)
def test_a_repository_the_recipe_can_not_serve(change: dict[str, Any], words: str) -> None:
    assert words in reasons(ask("Users", survey={**SURVEY, **change}, **PRINTED)).values()


def test_a_yes_before_the_survey_is_not_final() -> None:
    early, late = ask("Fix lint", survey=None), ask("Fix lint")
    assert (early.ok, early.final) == (True, False)
    assert (late.ok, late.final) == (True, True)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=12),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)
KEYS = (
    "recipe", "component_type", "specification", "fields", "module", "paths", "rules", "frameworks",
    "security", "deployment", "endpoint", "sla",
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(
    title=st.text(max_size=80),
    description=st.text(max_size=120),
    requirements=st.dictionaries(st.sampled_from(KEYS), anything, max_size=4),
    looked=st.booleans(),
)
def test_any_task_gets_a_plan(
    title: str, description: str, requirements: dict[str, Any], looked: bool
) -> None:
    found = ask(title, description, SURVEY if looked else None, **requirements)
    assert found.ok == (found.recipe is not None and not found.unmet)
    assert found.ok or found.unmet
    again = ask(title, description, SURVEY if looked else None, **requirements)
    assert again == found
