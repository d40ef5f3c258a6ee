"""Cookies: over https they are tied to this very host, which no neighbour can set for us.

A page of a sister domain, or one that came over http, may set a cookie for the whole domain. One
whose name begins with `__Host-` it cannot, so those alone are believed where https is spoken.
Within the house cookies go by their plain names.

Source: RFC 6265bis, section 4.1.3.2; OWASP ASVS 5.0, 3.3.1.
"""

from http.cookies import CookieError, SimpleCookie

PREFIX = "__Host-"
# Of the others one is written by scripts, and those of sign-ins under way are for one path.
TIED = frozenset(
    {
        "lv_session",
        "lv_acting",
        "lv_visitor",
        "lv_device",
        "lv_second_factor",
        "lv_toast",
        "lv_leaving",
    }
)


def read_cookies(header: str | None, *, secure: bool) -> dict[str, str]:
    """The cookies of a request by their plain names; `secure`: it came over https."""
    if not header:
        return {}
    jar: SimpleCookie = SimpleCookie()
    try:
        jar.load(header)
    except CookieError:
        return {}
    found = {name: morsel.value for name, morsel in jar.items()}
    if not secure:
        return found
    plain = {name: value for name, value in found.items() if name not in TIED}
    tied = {name: found[PREFIX + name] for name in TIED if PREFIX + name in found}
    return plain | tied


def tie_cookie(header: bytes) -> bytes:
    """A Set-Cookie as it leaves over https."""
    name = header.partition(b"=")[0].decode("latin-1")
    if name not in TIED:
        return header
    flags = b"" if b"; secure" in header.lower() else b"; Secure"
    return PREFIX.encode() + header + flags
