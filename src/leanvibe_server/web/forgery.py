"""Forged requests: every form that changes something proves that it came from our own page.

Source: OWASP Cross-Site Request Forgery Prevention, "Signed double-submit cookie" and
"Verifying origin with standard headers".
"""

import hmac
import secrets
from urllib.parse import urlsplit

from leanvibe_server.kernel.errors import Forbidden
from leanvibe_server.kernel.request import ACTING_COOKIE, SESSION_COOKIE, Visit

VISITOR_COOKIE = "lv_visitor"
FIELD = "form_token"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def holder_of(visit: Visit) -> str | None:
    """The cookie a form token is bound to: the session, or before sign-in the visitor."""
    return visit.cookies.get(SESSION_COOKIE) or visit.cookies.get(VISITOR_COOKIE)


def holders_of(visit: Visit) -> set[str]:
    """Every such cookie of the browser. A form that another site has it send bears none of them,
    so what is begun there is bound to a new one, beside which an old session's may stand."""
    found = (visit.cookies.get(SESSION_COOKIE), visit.cookies.get(VISITOR_COOKIE))
    return {cookie for cookie in found if cookie}


def new_visitor() -> str:
    """A value for the visitor cookie."""
    return secrets.token_urlsafe(18)


def form_token(visit: Visit, holder: str) -> str:
    """The token of the forms shown to that holder."""
    # A form of one organisation does nothing in another that is acted for meanwhile.
    acting = visit.cookies.get(ACTING_COOKIE)
    bound = holder if acting is None else f"{holder} {acting}"
    return visit.house.vault.keyed_hash("web form", bound).hex()[:40]


def check_origin(visit: Visit) -> None:
    """Raises: Forbidden: a browser says that another site sent this."""
    site = visit.headers.get("sec-fetch-site")
    if site not in (None, "same-origin", "none"):
        raise _forged()
    origin = visit.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc not in _own_hosts(visit):
        raise _forged()


def check_form(visit: Visit, token: str | None) -> None:
    """Raises: Forbidden: the form was not shown to this session, or comes from another site."""
    check_origin(visit)
    holder = holder_of(visit)
    if holder is None or not token or not token.isascii():
        raise _stale()
    if not hmac.compare_digest(form_token(visit, holder), token):
        raise _stale()


def _own_hosts(visit: Visit) -> set[str]:
    settings = visit.house.settings
    public = urlsplit(settings.base_url).netloc
    # On a developer's machine localhost, 127.0.0.1 and a forwarded port are all the same site.
    return {public} if settings.production else {public, visit.headers.get("host", public)}


def _forged() -> Forbidden:
    return Forbidden("This request came from another site, so nothing was changed.")


def _stale() -> Forbidden:
    return Forbidden(
        "This form is out of date, so nothing was changed. Go back, reload the page and send it "
        "again. Cookies must be allowed."
    )
