"""A project's wheels, installed from a local index by the real uv."""

import base64
import hashlib
import os
import shutil
import tarfile
import zipfile
from pathlib import Path

import pytest

from leanvibe_server.engine.dependencies import provide_dependencies
from leanvibe_server.engine.requirements import DependenciesUnavailable
from leanvibe_server.engine.sandbox import PYTHON, Limits
from tests.engine.conftest import CheckOut, MakeRepository


@pytest.fixture
def uv() -> Path:
    places = [os.environ.get("UV", ""), shutil.which("uv") or "", ".tools/uv/bin/uv"]
    for place in places:
        if place and Path(place).is_file():
            return Path(place).resolve()
    pytest.skip("NOT TESTED: uv is not on this machine")


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of packages that is all the index there is."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("UV_FIND_LINKS", str(folder))
    monkeypatch.setenv("UV_NO_INDEX", "1")
    return folder


def add_wheel(index: Path, name: str, code: str) -> None:
    """A minimal wheel. Source: binary distribution format."""
    info = f"{name}-1.0.dist-info"
    files = {
        f"{name}.py": code,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{path},sha256={_digest(text)},{len(text)}\n" for path, text in files.items())
    with zipfile.ZipFile(index / f"{name}-1.0-py3-none-any.whl", "w") as wheel:
        for path, text in {**files, f"{info}/RECORD": f"{record}{info}/RECORD,,\n"}.items():
            wheel.writestr(path, text)


def _digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")


async def test_missing_packages_come_from_the_index_once(
    repository: MakeRepository, check_out: CheckOut, uv: Path, index: Path, tmp_path: Path
) -> None:
    add_wheel(index, "lvsample", "answer = 42\n")
    workspace = await check_out(repository({"requirements.txt": "lvsample==1.0\n"}))
    folder = await provide_dependencies(workspace, cache_dir=tmp_path / "cache", uv=uv)
    assert folder
    code = "import lvsample; print(lvsample.answer)"
    outcome = await workspace.run([PYTHON, "-c", code], limits=Limits(), dependencies=folder)
    assert outcome.stdout == b"42\n"
    again = await provide_dependencies(workspace, cache_dir=tmp_path / "cache", uv=Path("/none"))
    assert again == folder


async def test_nothing_is_installed_where_the_toolbox_suffices(
    repository: MakeRepository, check_out: CheckOut, tmp_path: Path
) -> None:
    workspace = await check_out(repository({"requirements.txt": "pytest\nfastapi\n"}))
    assert await provide_dependencies(workspace, cache_dir=tmp_path / "cache", uv=None) is None


async def test_source_distributions_are_never_built(
    repository: MakeRepository, check_out: CheckOut, uv: Path, index: Path, tmp_path: Path
) -> None:
    trap = tmp_path / "trap"
    setup = tmp_path / "setup.py"
    setup.write_text(f"open({str(trap)!r}, 'w')\n")
    with tarfile.open(index / "lvsource-1.0.tar.gz", "w:gz") as archive:
        archive.add(setup, "lvsource-1.0/setup.py")
    workspace = await check_out(repository({"requirements.txt": "lvsource\n"}))
    with pytest.raises(DependenciesUnavailable) as caught:
        await provide_dependencies(workspace, cache_dir=tmp_path / "cache", uv=uv)
    assert "lvsource" in caught.value.reason
    assert not trap.exists()


async def test_without_uv_the_reason_is_said(
    repository: MakeRepository, check_out: CheckOut, tmp_path: Path
) -> None:
    workspace = await check_out(repository({"requirements.txt": "lvsample\n"}))
    with pytest.raises(DependenciesUnavailable, match="uv is not installed"):
        await provide_dependencies(workspace, cache_dir=tmp_path / "cache", uv=None)


async def test_a_manifest_that_links_out_of_the_repository_gives_nothing_away(
    repository: MakeRepository, check_out: CheckOut, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("canary==1\n")
    theirs = repository({"a.py": ""})
    (theirs.path / "requirements.txt").symlink_to(secret)
    theirs.commit()
    workspace = await check_out(theirs)
    assert await provide_dependencies(workspace, cache_dir=tmp_path / "cache", uv=None) is None
