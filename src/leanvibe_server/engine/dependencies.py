"""A project's dependencies, installed before the sandbox closes.

Wheels only, from the configured index, into a cache per tenant: unpacking a wheel runs no code of
its author, building from source would. The result is bound read-only into the sandbox, first on
the path of the project's tests.
"""

import hashlib
import os
import sys
import sysconfig
import tempfile
from pathlib import Path

from leanvibe_server.engine.requirements import (
    DependenciesUnavailable,
    Needs,
    collect_needs,
    satisfied_by_toolbox,
)
from leanvibe_server.engine.sandbox import Limits
from leanvibe_server.engine.watching import is_too_big, watch_limits
from leanvibe_server.engine.workspace import Workspace, delete_tree
from leanvibe_server.kernel.log import redact
from leanvibe_server.kernel.processes import StopReason, run_process
from leanvibe_server.projects.remote_urls import redact_url

_PASSED_ON = (
    *("UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INDEX", "UV_EXTRA_INDEX_URL", "UV_OFFLINE"),
    *("UV_FIND_LINKS", "UV_NO_INDEX"),
    *("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "UV_NATIVE_TLS", "UV_SYSTEM_CERTS", "NETRC"),
)
_LIMITS = Limits(memory_mb=4096, disk_mb=4096)
_SHOWN = 600


async def provide_dependencies(
    workspace: Workspace, *, cache_dir: Path, uv: Path | None, timeout_s: float = 300.0
) -> Path | None:
    """The folder with what the project's tests need; None when the sandbox has it all already.

    `cache_dir` belongs to one tenant. Bind the folder with `Workspace.run(dependencies=...)`.

    Raises: DependenciesUnavailable: `reason` says why; the gates that need them did not run.
    """
    answer = await workspace.inside("manifests", {})
    needs = collect_needs(answer["files"])
    if satisfied_by_toolbox(needs.requirements):
        return None
    if uv is None:
        raise DependenciesUnavailable("The project needs packages, and uv is not installed.")
    return await install_wheels(needs, cache_dir=cache_dir, uv=uv, timeout_s=timeout_s)


async def install_wheels(needs: Needs, *, cache_dir: Path, uv: Path, timeout_s: float) -> Path:
    """The folder with these packages and theirs, from the cache or freshly installed.

    Raises: DependenciesUnavailable: the index does not have all of them as wheels, or is closed.
    """
    folder = cache_dir / _key(needs)
    if _is_there(folder):
        return folder
    with tempfile.TemporaryDirectory(prefix="install-", dir=cache_dir) as name:
        scratch = Path(name)
        target = scratch / "packages"
        await _install(needs, target=target, scratch=scratch, uv=uv, timeout_s=timeout_s)
        _make_readable(target)
        try:
            target.rename(folder)
        except OSError:
            # Another task of the tenant was faster.
            await delete_tree(target)
    return folder


async def _install(
    needs: Needs, *, target: Path, scratch: Path, uv: Path, timeout_s: float
) -> None:
    wanted = _write(scratch / "requirements.txt", needs.requirements)
    bounds = _write(scratch / "constraints.txt", needs.constraints)

    async def watch(pid: int) -> StopReason:
        return await watch_limits(pid, limits=_LIMITS, folders=[scratch])

    finished = await run_process(
        [
            *(str(uv), "pip", "install", "--quiet", "--no-config", "--no-progress"),
            *("--only-binary", ":all:", "--link-mode", "copy"),
            *("--python", sys.executable, "--target", str(target)),
            *("--constraint", bounds, "--requirement", wanted),
        ],
        timeout_s=timeout_s,
        env=_environment(scratch.parent),
        cwd=scratch,
        watch=watch,
    )
    if finished.stopped_by == "wall":
        raise DependenciesUnavailable(f"Installing took longer than {timeout_s:.0f} s.")
    if finished.stopped_by or await is_too_big([target], _LIMITS):
        raise DependenciesUnavailable(f"The dependencies are larger than {_LIMITS.disk_mb} MB.")
    if finished.exit_code != 0:
        said = redact(redact_url(finished.stderr.decode(errors="replace").strip()))
        raise DependenciesUnavailable(f"The index does not give them: {said[-_SHOWN:]}")


def _is_there(folder: Path) -> bool:
    folder.parent.mkdir(parents=True, exist_ok=True)
    return folder.is_dir()


def _write(file: Path, lines: tuple[str, ...]) -> str:
    file.write_text("\n".join(lines) + "\n")
    return str(file)


def _environment(cache_dir: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    return {
        **kept,
        "PATH": "/usr/bin:/bin",
        "HOME": str(cache_dir),
        "UV_CACHE_DIR": str(cache_dir / "downloads"),
        "UV_PYTHON_DOWNLOADS": "never",
        "LC_ALL": "C.UTF-8",
    }


def _key(needs: Needs) -> str:
    facts = [sys.version, sysconfig.get_platform(), *needs.requirements, "", *needs.constraints]
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:32]


def _make_readable(folder: Path) -> None:
    """Let the sandbox's user read it, whatever the server's umask is."""
    for parent, _, files in os.walk(folder):
        Path(parent).chmod(0o755)
        for name in files:
            path = Path(parent, name)
            path.chmod(path.stat().st_mode | 0o444)
