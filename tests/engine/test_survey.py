"""The survey: facts of a repository, whatever else lies in it."""

import os
from pathlib import Path

from leanvibe_server.launch import sample_project
from tests.engine.programs import lay_out, survey


def test_the_sample_is_described_as_it_is(tmp_path: Path) -> None:
    facts = survey(lay_out(tmp_path / "sample", sample_project.files()))
    assert facts["untested_modules"] == ["app.orders", "app.pricing"]
    assert {(one["method"], one["path"]) for one in facts["routes"]} == {
        ("GET", "/health"),
        ("GET", "/orders"),
        ("POST", "/orders"),
        ("GET", "/orders/{order_id}"),
        ("POST", "/orders/{order_id}/cancel"),
    }
    assert facts["tests"]["runner"] == "pytest"
    assert facts["tests"]["directory"] == "tests"
    assert facts["ruff"] == {"configured": True, "path": "pyproject.toml"}
    assert facts["minimum_python"] == [3, 11]
    assert facts["dependencies"] == {"pyproject.toml": ["fastapi", "httpx", "pytest"]}
    pricing = next(one for one in facts["modules"] if one["name"] == "app.pricing")
    assert "parse_amount(text: str) -> int" in {one["signature"] for one in pricing["public"]}


def test_mounted_routers_have_their_full_paths(tmp_path: Path) -> None:
    files = {
        "src/shop/main.py": (
            "from fastapi import FastAPI\nfrom .items import router as items\n"
            "app = FastAPI()\napp.include_router(items, prefix='/api/v1')\n"
        ),
        "src/shop/items.py": (
            "from fastapi import APIRouter\nrouter = APIRouter(prefix='/items')\n"
            "@router.get('/{id}')\ndef show(id: int): ...\n"
        ),
        "src/shop/__init__.py": "",
    }
    facts = survey(lay_out(tmp_path / "shop", files))
    assert facts["roots"] == ["src", "."]
    assert [(one["method"], one["path"]) for one in facts["routes"]] == [
        ("GET", "/api/v1/items/{id}")
    ]
    assert facts["apps"][1]["module"] == "shop.main"


def test_a_database_and_a_guard_are_recognised(tmp_path: Path) -> None:
    files = {
        "db.py": (
            "from sqlalchemy.orm import DeclarativeBase, Session\n"
            "class Base(DeclarativeBase): ...\n"
            "class User(Base):\n    __tablename__ = 'users'\n"
            "async def get_db():\n    yield Session()\n"
        ),
        "auth.py": "def current_user(token: str = Depends(scheme)) -> str:\n    return token\n",
    }
    facts = survey(lay_out(tmp_path / "app", files))
    assert facts["sqlalchemy"]["base"] == {"module": "db", "name": "Base", "path": "db.py"}
    assert facts["sqlalchemy"]["session"]["async"] is True
    assert facts["sqlalchemy"]["tables"] == {"users": "db.py"}
    assert [one["name"] for one in facts["auth"]] == ["current_user"]


def test_a_hostile_tree_is_read_without_harm(tmp_path: Path) -> None:
    tree = lay_out(tmp_path / "tree", {"good.py": "def f(): ...\n", "bad.py": "def (\n"})
    secret = lay_out(tmp_path / "outside", {"secret.py": "PASSWORD = 1\n"})
    (tree / "link.py").symlink_to(secret / "secret.py")
    (tree / "outside").symlink_to(secret)
    (tree / "loop").symlink_to(tree)
    (tree / "binary.py").write_bytes(b"\x00\xff" * 100)
    (tree / "huge.py").write_bytes(b"x = 1\n" * 400_000)
    (tree / "deep.py").write_text("x = " + "(" * 5000 + ")" * 5000 + "\n")
    os.mkfifo(tree / "pipe.py")
    with open(os.fsencode(tree) + b"/na\xffme.py", "w") as file:
        file.write("y = 1\n")
    facts = survey(tree)
    assert [one["name"] for one in facts["modules"]] == ["bad", "deep", "good"]
    assert [one["path"] for one in facts["syntax_errors"]] == ["bad.py", "deep.py"]


def test_an_empty_repository_has_no_python(tmp_path: Path) -> None:
    facts = survey(lay_out(tmp_path / "empty", {"README.md": "# Nothing\n"}))
    assert (facts["python"], facts["modules"], facts["routes"]) == (False, [], [])
