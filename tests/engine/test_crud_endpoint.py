"""The crud_endpoint recipe: what it writes works, is tested, and is what a reviewer would merge."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from leanvibe_server.launch import sample_project
from tests.engine.programs import (
    find_lint,
    lay_out,
    read_tree,
    run_program,
    run_recipe,
    run_tests,
)

PRINTED: dict[str, Any] = {
    "endpoint": "/api/users",
    "methods": ["GET", "POST"],
    "authentication": "jwt",
    "database": "sqlalchemy",
    "fields": {"name": "str", "email": "str", "age": "int?"},
}
EVERY_TYPE: dict[str, Any] = {
    "endpoint": "/api/v1/order-items",
    "methods": ["GET", "POST", "PUT", "PATCH", "DELETE"],
    "fields": {
        "sku": "str",
        "quantity": "int",
        "weight": "float?",
        "fragile": "bool",
        "date": "date",
        "packed_at": "datetime?",
        "owner": "uuid",
    },
}
CLEAN_MAIN = '''\
"""The order service."""

from fastapi import FastAPI

from app.orders import router as orders_router

app = FastAPI(title="Orders")
app.include_router(orders_router)


@app.get("/health")
def read_health() -> dict[str, str]:
    """Say that the service is up."""
    return {"status": "ok"}
'''
FACTORY = {
    "requirements.txt": "fastapi\nhttpx\npytest\n",
    "src/shop/__init__.py": "",
    "src/shop/api.py": """\
from fastapi import APIRouter, FastAPI

from .config import TITLE

router = APIRouter()


@router.get("/ping")
def ping():
    return {"pong": True}


def create_app() -> FastAPI:
    # The title is shown in the docs.
    app = FastAPI(title=TITLE)
    app.include_router(router, prefix="/api")
    return app
""",
    "src/shop/config.py": 'TITLE = "Shop"\n',
    "tests/unit/test_ping.py": """\
import unittest

from fastapi.testclient import TestClient
from shop.api import create_app


class PingTest(unittest.TestCase):
    def test_ping(self):
        self.assertEqual(TestClient(create_app()).get("/api/ping").status_code, 200)
""",
}
OWN_DATABASE = {
    "requirements.txt": "fastapi\nsqlalchemy\nhttpx\npytest\n",
    "blog/__init__.py": "",
    "blog/main.py": """\
from fastapi import FastAPI

from blog.db import Base, engine

Base.metadata.create_all(engine)
app = FastAPI()
""",
    "blog/db.py": """\
from sqlalchemy import create_engine
from sqlalchemy.orm import declarative_base, sessionmaker

engine = create_engine("sqlite://")
SessionLocal = sessionmaker(bind=engine)
Base = declarative_base()


def get_db():
    db = SessionLocal()
    try:
        yield db
    finally:
        db.close()
""",
    "blog/auth.py": """\
from fastapi import Depends, HTTPException
from fastapi.security import OAuth2PasswordBearer

scheme = OAuth2PasswordBearer(tokenUrl="token")


def get_current_user(token: str = Depends(scheme)) -> str:
    if token != "letmein":
        raise HTTPException(401, "no")
    return "ada"
""",
    "tests/test_blog.py": "def test_nothing():\n    assert 1 + 1 == 2\n",
}


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    return lay_out(tmp_path / "sample", {**sample_project.files(), "app/main.py": CLEAN_MAIN})


def type_errors(tree: Path) -> str:
    ran = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tree.parent / "types"), "."],
        cwd=tree,
        capture_output=True,
        text=True,
        check=False,
    )
    return ran.stdout if ran.returncode else ""


def test_the_printed_specification_gives_a_guarded_table_with_tests(sample: Path) -> None:
    answers = run_recipe("crud_endpoint", sample, PRINTED)
    assert [one["ok"] for one in answers.values()] == [True, True, True]
    assert answers["code"]["assumptions"] == [
        "Two users never share the same email: that answers 409."
    ]
    changed = {one["path"] for one in answers["code"]["files"] if one["action"] == "changed"}
    assert changed == {"app/main.py", "pyproject.toml"}
    assert '    "sqlalchemy>=2.0",\n' in (sample / "pyproject.toml").read_text()
    ran = run_tests(sample)
    assert ran.returncode == 0, ran.stdout
    assert f"{6 + answers['tests']['numbers']['tests']} passed" in ran.stdout
    assert find_lint(sample) == ""
    assert type_errors(sample) == ""
    assert "[Users](docs/api/users.md)" in (sample / "README.md").read_text()
    assert "| 409 |" in (sample / "docs/api/users.md").read_text()


def test_every_method_and_type_works_in_memory(sample: Path) -> None:
    answers = run_recipe("crud_endpoint", sample, EVERY_TYPE)
    assert answers["code"]["numbers"] == {"routes": 6}
    ran = run_tests(sample, "tests/test_order_items.py")
    assert ran.returncode == 0, ran.stdout
    assert find_lint(sample) == ""
    assert type_errors(sample) == ""


def test_the_tests_would_fail_without_the_routes_they_test(sample: Path) -> None:
    run_recipe("crud_endpoint", sample, EVERY_TYPE)
    router = sample / "app/order_items/router.py"
    spoiled = router.read_text().replace("HTTP_404_NOT_FOUND", "HTTP_400_BAD_REQUEST")
    router.write_text(spoiled.replace("le=100)] = 20", "le=100)] = 10"))
    assert run_tests(sample, "tests/test_order_items.py").returncode == 1


def test_the_application_is_edited_where_it_should_and_nowhere_else(sample: Path) -> None:
    before = read_tree(sample)
    run_recipe("crud_endpoint", sample, EVERY_TYPE, steps=("code",))
    assert (sample / "app/main.py").read_text() == CLEAN_MAIN.replace(
        "import FastAPI\n\n",
        "import FastAPI\n\nfrom app.order_items.router import router as order_items_router\n",
    ).replace("(orders_router)\n", "(orders_router)\napp.include_router(order_items_router)\n")
    after = read_tree(sample)
    assert {path for path in before if before[path] != after[path]} == {"app/main.py"}


def test_the_same_request_gives_the_same_bytes(tmp_path: Path) -> None:
    trees = []
    for name in ("one", "two"):
        tree = lay_out(tmp_path / name, sample_project.files())
        run_recipe("crud_endpoint", tree, PRINTED)
        trees.append(read_tree(tree))
    assert trees[0] == trees[1]


def test_an_application_factory_and_unittest_are_served_in_their_own_way(tmp_path: Path) -> None:
    tree = lay_out(tmp_path / "shop", FACTORY)
    parameters = {**EVERY_TYPE, "endpoint": "/api/parcels", "authentication": "jwt"}
    run_recipe("crud_endpoint", tree, parameters)
    main = (tree / "src/shop/api.py").read_text()
    assert "from .config import TITLE\nfrom .parcels.router import router as parcels_router" in main
    assert "    # The title is shown in the docs.\n" in main
    assert '"/api")\n    app.include_router(parcels_router)\n    return app' in main
    tests = (tree / "tests/unit/test_parcels.py").read_text()
    assert "class ParcelsRoutesTest(unittest.TestCase):" in tests
    assert "import pytest" not in tests
    ran = run_tests(tree)
    assert ran.returncode == 0, ran.stdout


def test_the_repository_s_own_database_and_guard_are_used(tmp_path: Path) -> None:
    tree = lay_out(tmp_path / "blog", OWN_DATABASE)
    run_recipe("crud_endpoint", tree, {**PRINTED, "methods": ["GET", "PATCH", "DELETE"]})
    assert not (tree / "blog/database.py").exists()
    assert not (tree / "blog/security.py").exists()
    assert "Depends(get_current_user)" in (tree / "blog/users/router.py").read_text()
    assert "from blog.db import get_db" in (tree / "blog/users/repository.py").read_text()
    ran = run_tests(tree)
    assert ran.returncode == 0, ran.stdout


def test_a_repository_without_an_application_gets_one(tmp_path: Path) -> None:
    tree = lay_out(tmp_path / "calc", {"calc/__init__.py": "", "calc/ops.py": "X = 1\n"})
    parameters = {"endpoint": "/api/notes", "methods": ["GET", "POST"], "fields": {"text": "str"}}
    answers = run_recipe("crud_endpoint", tree, parameters)
    assert answers["code"]["assumptions"] == [
        "The repository has no FastAPI application; a new one is in calc/api/main.py."
    ]
    assert (tree / "requirements.txt").read_text() == "fastapi>=0.115\n"
    ran = run_tests(tree)
    assert ran.returncode == 0, ran.stdout


@pytest.mark.parametrize(
    ("files", "parameters", "words"),
    [
        ({}, {"endpoint": "/orders"}, "route POST /orders exists in app/orders.py"),
        ({"app/users.py": "X = 1\n"}, {}, "app/users.py exists"),
        ({"app/users/x.py": ""}, {}, "app/users exists"),
        (
            {"app/models.py": 'class U:\n    __tablename__ = "users"\n'},
            {"database": "sqlalchemy"},
            "the table users is declared in app/models.py",
        ),
        ({}, {"methods": ["GET"]}, "stays empty"),
        ({}, {"endpoint": "/../users"}, "is not a path this recipe can serve"),
        (
            {"pyproject.toml": '[project]\nname = "x"\nrequires-python = ">=3.8"\n'},
            {},
            "Python 3.8",
        ),
    ],
)
def test_what_can_not_be_added_is_refused_and_nothing_is_touched(
    sample: Path, files: dict[str, str], parameters: dict[str, Any], words: str
) -> None:
    lay_out(sample, files)
    before = read_tree(sample)
    wanted = {"endpoint": "/api/users", "methods": ["GET", "POST"], **parameters}
    if words.startswith("the table"):
        lay_out(sample, {"app/models.py": "import sqlalchemy\n" + files["app/models.py"]})
        before = read_tree(sample)
    answer = run_program("crud_endpoint", sample, {"step": "code", "parameters": wanted})
    assert (answer["ok"], answer["code"]) == (False, "unmet")
    assert words in answer["message"]
    assert read_tree(sample) == before


def test_a_check_edits_nothing(sample: Path) -> None:
    before = read_tree(sample)
    answer = run_program("crud_endpoint", sample, {"step": "check", "parameters": PRINTED})
    assert (answer["ok"], answer["changed"]) == (True, False)
    assert read_tree(sample) == before


def test_a_link_out_of_the_tree_is_not_followed(sample: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (sample / "docs").symlink_to(outside)
    answers = run_recipe("crud_endpoint", sample, EVERY_TYPE)
    assert (answers["docs"]["ok"], answers["docs"]["code"]) == (False, "outside")
    assert list(outside.iterdir()) == []
