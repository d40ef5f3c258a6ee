"""What can be wrong with a remote repository, in words that say what to do next."""

import re
from dataclasses import dataclass

from leanvibe_server.kernel.errors import AppError
from leanvibe_server.projects.remote_urls import redact_url

_TAIL = 1_000


class RepositoryUnreachable(AppError):
    """The host does not answer. Trying again later may help."""

    status, code = 503, "repository_unreachable"


class RepositoryAuthRequired(AppError):
    """The repository asks for credentials, or refuses the ones it got."""

    status, code = 400, "repository_auth_required"


class RepositoryEmpty(AppError):
    """The repository has no commit to start from."""

    status, code = 400, "repository_empty"


class RepositoryTooLarge(AppError):
    """The repository is larger than this installation takes."""

    status, code = 400, "repository_too_large"


class RepositoryNotGit(AppError):
    """There is no git repository at the URL."""

    status, code = 400, "repository_not_git"


class PatchRefused(AppError):
    """A patch cannot become a commit: it does not apply, or writes where nothing may be written."""

    status, code = 400, "patch_refused"


class PushRefused(AppError):
    """The repository does not let us change this branch."""

    status, code = 409, "push_refused"


@dataclass(frozen=True)
class _Symptom:
    pattern: re.Pattern[str]
    error: type[AppError]
    advice: str


def _symptom(pattern: str, error: type[AppError], advice: str) -> _Symptom:
    return _Symptom(re.compile(pattern, re.IGNORECASE), error, advice)


_CREDENTIALS = "Add `credentials` (a token or an SSH key that may read it) to the project."
_WRONG = "Check `credentials`: the token or key may be wrong, expired, or lack access."
_ADDRESS = "Check `repository_url`; a private repository may also need `credentials`."
_LATER = "Check the host name, or try again later."
_SYMPTOMS = (
    _symptom(r"could not read (username|password)", RepositoryAuthRequired, _CREDENTIALS),
    _symptom(
        r"authentication failed|invalid credentials|permission denied|permission to .* denied"
        r"|returned error: 40[13]|error in libcrypto|invalid format",
        RepositoryAuthRequired,
        _CREDENTIALS,
    ),
    _symptom(
        r"returned error: 3\d\d|unable to update url base from redirection",
        RepositoryNotGit,
        "The repository has moved; use its new address in `repository_url`.",
    ),
    _symptom(
        r"host key verification failed|identification has changed",
        RepositoryUnreachable,
        "The server's host key is not the one it showed before. Ask its administrator.",
    ),
    _symptom(
        r"mismatched algorithms|unsupported object format|unknown object format",
        RepositoryNotGit,
        "It uses SHA-256 object names; only repositories with SHA-1 names are supported.",
    ),
    _symptom(r"cannot run ssh", RepositoryUnreachable, "Install an SSH client on the server."),
    _symptom(
        r"could not resolve host|connection (refused|timed out|reset)|no route to host"
        r"|failed to connect|network is unreachable|operation timed out|operation too slow"
        r"|returned error: 5\d\d|ssl |certificate|early eof|kex_exchange",
        RepositoryUnreachable,
        _LATER,
    ),
    _symptom(
        r"invalid gitfile|not found|not valid: is this a git repository"
        r"|does not appear to be a git repository"
        r"|does not exist|not a git repository|invalid (server|pkt|protocol)|bad line length"
        r"|protocol error|expected flush|returned error: 4\d\d",
        RepositoryNotGit,
        _ADDRESS,
    ),
)
_OPENINGS: dict[type[AppError], str] = {
    RepositoryUnreachable: "The repository cannot be reached.",
    RepositoryAuthRequired: "The repository asks for credentials.",
    RepositoryNotGit: "There is no git repository at this address.",
}


def diagnose(stderr: str, *, secrets: tuple[str, ...]) -> AppError:
    """The refusal behind git's complaint, without any of `secrets` in it."""
    said = conceal(stderr, secrets)
    for symptom in _SYMPTOMS:
        if symptom.pattern.search(said):
            opening, advice = _OPENINGS[symptom.error], symptom.advice
            if symptom.error is RepositoryAuthRequired and secrets:
                opening, advice = "The repository refuses the credentials.", _WRONG
            return symptom.error(f"{opening} {advice}", details={"git": said})
    message = f"{_OPENINGS[RepositoryUnreachable]} {_LATER}"
    return RepositoryUnreachable(message, details={"git": said})


def conceal(text: str, secrets: tuple[str, ...]) -> str:
    """The end of the text, without secrets and without credentials in URLs."""
    for secret in secrets:
        text = text.replace(secret, "[redacted]")
    return redact_url(text).strip()[-_TAIL:]
