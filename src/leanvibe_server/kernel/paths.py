"""Where a browser may be sent on to: paths of our own, never another site.

Source: OWASP Unvalidated Redirects and Forwards Cheat Sheet.
"""

from urllib.parse import urlsplit


def local_path(wanted: str | None) -> str:
    """Where to go after signing in: a path of ours, or the overview."""
    if not wanted or not wanted.startswith("/") or not wanted.isprintable():
        return "/"
    parts = urlsplit(wanted)
    # Browsers read a backslash as a slash, so /\host would leave.
    if parts.scheme or parts.netloc or wanted.startswith("//") or "\\" in wanted:
        return "/"
    return wanted
