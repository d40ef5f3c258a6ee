"""Which repository addresses we talk to.

A repository URL is a way into our network and into git's own options, so it passes a list of
schemes, a strict shape, and, before each connection, a look at the addresses behind its name.
"""

import asyncio
import ipaddress
import re
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, NoReturn
from urllib.parse import unquote, urlsplit

from leanvibe_server.kernel.errors import InvalidRequest

Scheme = Literal["https", "http", "ssh", "file"]
Resolve = Callable[[str], Awaitable[Sequence[str]]]

_MAX_LENGTH = 2_000
_SCP_LIKE = re.compile(r"(?:(?P<user>[\w.-]+)@)(?P<host>[\w.-]+):(?P<path>(?!//)[^\s]+)")
_HOST = re.compile(r"(?!-)[A-Za-z0-9._-]{1,253}(?<!-)|\[[0-9A-Fa-f:.]+\]")
_USER = re.compile(r"(?!-)[A-Za-z0-9._-]{1,64}")
_CREDENTIALS = re.compile(r"(?<=//)[^/@\s'\"]+@")
_BLOCKED_PORTS = frozenset({1, 7, 9, 11, 13, 19, 20, 21, 23, 25, 53, 110, 143, 389, 465, 587, 6379})


@dataclass(frozen=True)
class RepositoryUrl:
    """An address that passed the policy. `address` is the one to connect to, once resolved."""

    text: str
    scheme: Scheme
    host: str
    port: int | None
    user: str | None
    path: str
    public_only: bool
    address: str | None = None

    def __str__(self) -> str:
        return self.text


def check_repository_url(
    url: str,
    *,
    production: bool,
    home: Path,
    allowed_file_roots: Iterable[Path] = (),
) -> RepositoryUrl:
    """The parts of an allowed repository URL. Looks up no name: `resolve_address` does, later.

    `file://` and `http://` on the loopback are for development; `file://` below the product's
    `home` only where one of `allowed_file_roots` holds it, links resolved.

    Raises: InvalidRequest: `details.validation_errors` says what is wrong and what to do.
    """
    if not url or len(url) > _MAX_LENGTH:
        _refuse(f"must have 1 to {_MAX_LENGTH} characters.")
    if any(ord(letter) < 33 or ord(letter) == 127 for letter in url):
        _refuse("must not contain spaces or control characters.")
    if url.startswith("-") or "::" in url.split("/", 1)[0]:
        _refuse("must begin with https://, ssh:// or git@host:.")
    scp = _SCP_LIKE.fullmatch(url) if "://" not in url else None
    if scp:
        parsed = RepositoryUrl(
            text=url,
            scheme="ssh",
            host=scp["host"],
            port=None,
            user=scp["user"],
            path=scp["path"],
            public_only=production,
        )
    else:
        parsed = _parse(url, production)
    if parsed.scheme == "file":
        return _check_file(parsed, production, home, allowed_file_roots)
    return _check_remote(parsed, production)


def hosted_repository_url(path: Path) -> RepositoryUrl:
    """The address of a repository that we keep ourselves, also in production."""
    return RepositoryUrl(
        text=f"file://{path.resolve()}",
        scheme="file",
        host="",
        port=None,
        user=None,
        path=str(path.resolve()),
        public_only=False,
    )


async def resolve_address(url: RepositoryUrl, resolve: Resolve) -> RepositoryUrl:
    """The URL with the address to connect to, so that a name can't change its mind in between.

    Raises: InvalidRequest: the name leads into a private network. OSError: it leads nowhere.
    """
    if not url.public_only or url.scheme == "file":
        return url
    found = await resolve(url.host.strip("[]"))
    if not found:
        raise OSError(f"{url.host} has no address")
    for address in found:
        if not _is_public(address):
            _refuse(f"{url.host} leads to {address}, which is not a public address.")
    return replace(url, address=found[0])


async def look_up(host: str) -> Sequence[str]:
    """The addresses behind a name, from the system's resolver."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return [str(sockaddr[0]) for _, _, _, _, sockaddr in found]


def redact_url(text: str) -> str:
    """The text without the credentials in any URL in it, for logs and messages."""
    return _CREDENTIALS.sub("", text)


def _parse(url: str, production: bool) -> RepositoryUrl:
    scheme = url.partition("://")[0].lower()
    if "://" not in url or scheme not in ("https", "http", "ssh", "file"):
        _refuse("must begin with https://, ssh:// or git@host:.")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        _refuse("is not a valid URL.")
    if parts.password is not None or (parts.username is not None and scheme != "ssh"):
        _refuse("must not hold a user name or password; put the token into `credentials`.")
    if parts.query or parts.fragment:
        _refuse("must not have a query or a fragment.")
    host = parts.netloc.rpartition("@")[2]
    if port is not None:
        host = host.removesuffix(f":{parts.netloc.rpartition(':')[2]}")
    return RepositoryUrl(
        text=url,
        scheme=scheme,  # type: ignore[arg-type]  # checked against the list above
        host=host,
        port=port,
        user=parts.username,
        path=parts.path,
        public_only=production,
    )


def _check_remote(url: RepositoryUrl, production: bool) -> RepositoryUrl:
    if not _HOST.fullmatch(url.host):
        _refuse("has no valid host name.")
    if url.user is not None and not _USER.fullmatch(url.user):
        _refuse("has no valid user name.")
    path = url.path.lstrip("/")
    if not path or path.startswith("-") or ".." in unquote(path).split("/"):
        _refuse("names no repository after the host.")
    if url.port is not None and (not 1 <= url.port <= 65535 or url.port in _BLOCKED_PORTS):
        _refuse("has a port that no repository is served on.")
    literal = _literal(url.host)
    if url.scheme == "http" and (production or not (literal and literal.is_loopback)):
        _refuse("must use https:// instead of http://.")
    if production:
        if literal and not _is_public(str(literal)):
            _refuse("must not point into a private network.")
        if literal is None and _is_local_name(url.host):
            _refuse("must name a public host.")
    return url


def _check_file(
    url: RepositoryUrl, production: bool, home: Path, allowed_file_roots: Iterable[Path]
) -> RepositoryUrl:
    if production:
        _refuse("must begin with https://, ssh:// or git@host:. file:// is for development.")
    path = unquote(url.path)
    if url.host not in ("", "localhost") or not path.startswith("/") or "\0" in path:
        _refuse("must give an absolute path, like file:///home/me/project.")
    real = Path(path).resolve()
    house = home.resolve()
    roots = [root.resolve() for root in allowed_file_roots]
    for place in (real, _git_directory(real)):
        own = any(place.is_relative_to(root) for root in roots)
        if place.is_relative_to(house) and not own:
            _refuse("points into the product's own files.")
    return replace(url, text=f"file://{real}", host="", path=str(real))


def _git_directory(tree: Path) -> Path:
    """Where a work tree keeps its repository: `.git` may be a link, or a file that names one."""
    inner = (tree / ".git").resolve()
    try:
        text = inner.read_text(errors="replace")[:4096] if inner.is_file() else ""
    except OSError:
        return inner
    named = text.removeprefix("gitdir:").strip() if text.startswith("gitdir:") else ""
    return (tree / named).resolve() if named else inner


def _literal(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address a host is written as, also in the short and octal forms connect() takes."""
    bare = host.strip("[]")
    try:
        return ipaddress.ip_address(bare)
    except ValueError:
        pass
    try:
        return ipaddress.IPv4Address(socket.inet_aton(bare)) if bare[:1].isdigit() else None
    except OSError:
        return None


def _is_public(address: str) -> bool:
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if ip in ipaddress.ip_network("64:ff9b::/96"):
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            return _is_public(str(inner))
    return ip.is_global and not ip.is_multicast


def _is_local_name(host: str) -> bool:
    name = host.lower().rstrip(".")
    ends = (".localhost", ".local", ".internal", ".home.arpa", ".lan")
    return "." not in name or name.endswith(ends)


def _refuse(reason: str) -> NoReturn:
    message = f"repository_url: {reason}"
    raise InvalidRequest(
        "The repository URL cannot be used.", details={"validation_errors": [message]}
    )
