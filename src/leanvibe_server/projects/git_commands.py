"""How the host runs git: alone with its own configuration, never in a work tree.

No configuration of the machine or the user is read, no hook, filter, pager or helper runs, only
the one transport a URL needs is open, and credentials reach git through its environment alone.
"""

import os
import shlex
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from leanvibe_server.kernel.processes import Finished, Watch, run_process
from leanvibe_server.projects.remote_urls import RepositoryUrl

# Part of the environment decides how the outside is reached; it is the operator's, not a user's.
_PASSED_ON = (
    *("HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy", "ALL_PROXY", "all_proxy"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "GIT_SSL_CAINFO"),
)
_CONFIG = (
    *("core.hooksPath=/dev/null", "core.fsmonitor=false", "core.attributesFile=/dev/null"),
    *("core.protectHFS=true", "core.protectNTFS=true", "core.alternateRefsCommand=true"),
    # Readable for the uid that checks it out in the sandbox, whatever umask the server has.
    "core.sharedRepository=0644",
    *("gc.auto=0", "maintenance.auto=false", "commit.gpgSign=false", "credential.helper="),
    *("fetch.recurseSubmodules=false", "push.recurseSubmodules=no", "fetch.writeCommitGraph=false"),
    # A redirect would lead to an address nobody checked.
    *("http.followRedirects=false", "http.lowSpeedLimit=1000", "http.lowSpeedTime=30"),
    "safe.directory=*",
)
_HELPER = (
    '!f() { test "$1" = get && '
    'printf "username=%s\\npassword=%s\\n" "$LEANVIBE_GIT_USERNAME" "$LEANVIBE_GIT_TOKEN"; }; f'
)
_SSH_OPTIONS = (
    *("-F", "/dev/null", "-oBatchMode=yes", "-oIdentitiesOnly=yes", "-oIdentityAgent=none"),
    *("-oStrictHostKeyChecking=accept-new", "-oGlobalKnownHostsFile=/dev/null"),
    *("-oPasswordAuthentication=no", "-oForwardAgent=no", "-oConnectTimeout=15"),
    *("-oPermitLocalCommand=no", "-oProxyCommand=none", "-oControlMaster=no"),
)


@dataclass(frozen=True)
class GitCredentials:
    """What a project gave us to reach its repository: a token (https) or a private key (ssh)."""

    username: str | None = None
    token: str | None = field(default=None, repr=False)
    private_key: str | None = field(default=None, repr=False)

    @classmethod
    def of(cls, values: Mapping[str, str | None] | None) -> "GitCredentials | None":
        """The credentials as a project keeps them."""
        if values is None:
            return None
        return cls(values.get("username"), values.get("token"), values.get("private_key"))

    @property
    def secrets(self) -> tuple[str, ...]:
        return tuple(secret for secret in (self.token, self.private_key) if secret)


async def run_git(
    arguments: Sequence[str],
    *,
    repository: Path,
    timeout_s: float,
    env: Mapping[str, str] = {},
    stdin: bytes = b"",
    watch: Watch | None = None,
    config: Sequence[str] = (),
) -> Finished:
    """Run git on a bare repository of ours."""
    settings = [part for item in (*_CONFIG, *config) for part in ("-c", item)]
    return await run_process(
        ["git", f"--git-dir={repository}", *settings, *arguments],
        timeout_s=timeout_s,
        env={**_environment(), **env},
        cwd=repository,
        stdin=stdin,
        output_bytes=64 * 1024 * 1024,
        watch=watch,
    )


def _environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    return {
        **kept,
        "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
        "HOME": "/nonexistent",
        "LC_ALL": "C",
        "TZ": "UTC",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "SSH_ASKPASS_REQUIRE": "never",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_ALLOW_PROTOCOL": "",
    }


@dataclass(frozen=True)
class Access:
    """One URL, opened: the environment and settings with which git may reach it."""

    url: RepositoryUrl
    env: Mapping[str, str]
    config: tuple[str, ...]
    secrets: tuple[str, ...]

    @property
    def serving(self) -> list[str]:
        """Options that keep a repository on this machine from running programs of its own."""
        if self.url.scheme != "file":
            return []
        return [f"--upload-pack={_serve(self.url, 'upload-pack')}"]

    @property
    def receiving(self) -> list[str]:
        if self.url.scheme != "file":
            return []
        return [f"--receive-pack={_serve(self.url, 'receive-pack')}"]


def _serve(url: RepositoryUrl, command: str) -> str:
    config = (
        *("core.hooksPath=/dev/null", "core.fsmonitor=false", "core.alternateRefsCommand=true"),
        *("gc.auto=0", "receive.autogc=false", f"safe.directory={url.path}"),
        f"safe.directory={url.path}/.git",
    )
    settings = [part for item in config for part in ("-c", item)]
    return shlex.join(["git", *settings, command])


@contextmanager
def opened(
    url: RepositoryUrl, credentials: GitCredentials | None, *, known_hosts: Path
) -> Iterator[Access]:
    """Access to `url`. A private key lies in a file of its own, in memory, while this lasts."""
    given = credentials or GitCredentials()
    env: dict[str, str] = {"GIT_ALLOW_PROTOCOL": url.scheme}
    config: list[str] = []
    with tempfile.TemporaryDirectory(prefix="leanvibe-key-", dir=_memory()) as folder:
        if url.scheme == "ssh":
            env["GIT_SSH_COMMAND"] = _ssh(url, given, Path(folder), known_hosts)
            env["GIT_SSH_VARIANT"] = "ssh"
        if url.scheme in ("https", "http"):
            port = url.port or (443 if url.scheme == "https" else 80)
            if url.address:
                address = f"[{url.address}]" if ":" in url.address else url.address
                config.append(f"http.curloptResolve={url.host.strip('[]')}:{port}:{address}")
            if given.token:
                shown = f":{url.port}" if url.port else ""
                config.append(f"credential.{url.scheme}://{url.host}{shown}.helper={_HELPER}")
                env["LEANVIBE_GIT_USERNAME"] = given.username or "x-access-token"
                env["LEANVIBE_GIT_TOKEN"] = given.token
        yield Access(url, env, tuple(config), given.secrets)


def _memory() -> str | None:
    shared = "/dev/shm"  # noqa: S108 - memory, not disk; the folder in it is made by tempfile, 0700
    return shared if os.access(shared, os.W_OK) else None


def _ssh(url: RepositoryUrl, credentials: GitCredentials, folder: Path, known_hosts: Path) -> str:
    words = ["ssh", *_SSH_OPTIONS, f"-oUserKnownHostsFile={known_hosts}"]
    if credentials.private_key:
        key = folder / "key"
        key.touch(mode=0o600)
        key.write_text(credentials.private_key.strip() + "\n")
        words.append(f"-oIdentityFile={key}")
    else:
        words.append("-oIdentityFile=none")
    if url.address:
        words += [f"-oHostName={url.address}", f"-oHostKeyAlias={url.host}"]
    return shlex.join(words)
