"""The ways into a page, and what a page can answer."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Annotated, Any
from urllib.parse import quote
from uuid import UUID

from fastapi import Depends, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from leanvibe_server.identity import devices
from leanvibe_server.identity.login import subdomain
from leanvibe_server.identity.sessions import LIMITS, WEB
from leanvibe_server.kernel.access import (
    READING,
    Admission,
    Errand,
    Gate,
    Permission,
    check_fresh,
    check_permission,
    scope_of,
)
from leanvibe_server.kernel.errors import AppError, Forbidden, StepUpRequired, Unauthorized
from leanvibe_server.kernel.paths import local_path as local_path
from leanvibe_server.kernel.request import (
    ACTING_COOKIE,
    SESSION_COOKIE,
    Visit,
    visit_of,
)
from leanvibe_server.kernel.scope import Scope
from leanvibe_server.tenancy import service as tenancy
from leanvibe_server.web.brand_look import PLAIN, Brand, brand_of
from leanvibe_server.web.forgery import (
    FIELD,
    SAFE_METHODS,
    VISITOR_COOKIE,
    check_form,
    form_token,
    holder_of,
    new_visitor,
)
from leanvibe_server.web.forms import Faults, Form, read_form
from leanvibe_server.web.memberships import Memberships
from leanvibe_server.web.navigation import is_current, menu_for
from leanvibe_server.web.render import render
from leanvibe_server.web.toasts import TOAST_COOKIE, toast_text

THEME_COOKIE = "lv_theme"
THEMES = ("light", "dark")
YEAR_S = 365 * 24 * 3600
SESSION_S = int(LIMITS[WEB].absolute.total_seconds())


class SignInNeeded(AppError):
    """The page is for people who signed in."""

    status, code = 401, "unauthorized"


class Answered(Exception):
    """A refusal that is answered by a page: what was written before it is undone."""

    def __init__(self, response: Response, *, keeps_writes: bool) -> None:
        super().__init__("answered")
        self.response = response
        self.keeps_writes = keeps_writes


@dataclass(frozen=True)
class Page:
    """One page under way: who looks at it, what they sent, and what the shell around it shows."""

    request: Request
    visit: Visit
    holder: str
    form: Form
    shell: dict[str, Any]

    def show(self, template: str, *, http_status: int = 200, **values: Any) -> HTMLResponse:
        """The template with its values, in the shell."""
        response = render(template, {**self._frame(), **values}, status=http_status)
        if holder_of(self.visit) is None:
            self._set_cookie(response, VISITOR_COOKIE, self.holder)
        if TOAST_COOKIE in self.visit.cookies:
            response.delete_cookie(TOAST_COOKIE)
        return response

    def go(self, path: str, *, toast: str | None = None) -> RedirectResponse:
        """On to another page of ours, where `toast` is then shown."""
        response = RedirectResponse(path, status_code=303)
        if toast is not None:
            self._set_cookie(response, TOAST_COOKIE, toast, max_age_s=30)
        return response

    def begin_session(self, response: Response, cookie: str) -> None:
        """Have the browser bear a new session and forget what came before it."""
        self._set_cookie(response, SESSION_COOKIE, cookie, max_age_s=SESSION_S)
        response.delete_cookie(ACTING_COOKIE)
        response.delete_cookie(VISITOR_COOKIE)

    def know_device(self, response: Response, token: str) -> None:
        """Have the browser show from now on that this account signed in from it before."""
        response.set_cookie(**devices.cookie_of(token, secure=self.visit.secure))

    def give_cookie(
        self, response: Response, name: str, value: str, *, max_age_s: int | None = None
    ) -> None:
        """Have the browser bear something that only we read."""
        self._set_cookie(response, name, value, max_age_s=max_age_s)

    def end_session(self, response: Response) -> None:
        response.delete_cookie(SESSION_COOKIE)
        response.delete_cookie(ACTING_COOKIE)

    def act_for(self, response: Response, tenant_id: UUID | None) -> None:
        """Have the browser say with each page for which organisation it is; None: one's own."""
        if tenant_id is None:
            response.delete_cookie(ACTING_COOKIE)
        else:
            self._set_cookie(response, ACTING_COOKIE, str(tenant_id))

    def set_theme(self, response: Response, theme: str) -> bool:
        """Keep an appearance; False when there is none of that name. Scripts of ours set it too."""
        if theme not in THEMES:
            return False
        response.set_cookie(
            THEME_COOKIE, theme, max_age=YEAR_S, path="/", samesite="lax", secure=self.visit.secure
        )
        return True

    @contextmanager
    def refusing(self, template: str, **values: Any) -> Iterator[None]:
        """Answer a refusal inside the block by showing the form again, with what was wrong."""
        try:
            yield
        except StepUpRequired:
            raise
        except AppError as error:
            response = self.show(
                template, http_status=error.status, **{**values, "faults": Faults.of(error)}
            )
            raise Answered(response, keeps_writes=error.keeps_writes) from error

    def _frame(self) -> dict[str, Any]:
        cookies = self.visit.cookies
        theme = cookies.get(THEME_COOKIE)
        return {
            "path": self.visit.path,
            "here": _here(self.request),
            "theme": theme if theme in THEMES else None,
            "form_token": form_token(self.visit, self.holder),
            "toast": toast_text(cookies.get(TOAST_COOKIE)),
            "development": not self.visit.house.settings.production,
            "is_current": is_current,
            "brand": brand_of(self.shell["tenant"]),
            "faults": Faults(),
            "form": self.form,
            **self.shell,
        }

    def _set_cookie(
        self, response: Response, name: str, value: str, *, max_age_s: int | None = None
    ) -> None:
        response.set_cookie(
            name, value, max_age=max_age_s, path="/", httponly=True, samesite="lax",
            secure=self.visit.secure,
        )  # fmt: skip


@dataclass(frozen=True)
class ScopedPage(Page):
    """A page with an open scope."""

    scope: Scope

    def may(self, permission: Permission) -> bool:
        return permission in self.scope.permissions

    def may_somewhere(self, permission: Permission) -> bool:
        """Whether they hold it, were it on one project only."""
        held = self.scope.permissions.union(*self.scope.project_roles.values())
        return permission in held


@dataclass(frozen=True)
class ErrandPage(Page):
    """A page whose work leads outside: no transaction is open between its scopes."""

    errand: Errand


def _here(request: Request) -> str:
    query = request.url.query
    return f"{request.url.path}?{query}" if query else request.url.path


async def _open(request: Request, shell: dict[str, Any]) -> Page:
    visit = visit_of(request.scope)
    form = Form()
    if request.method not in SAFE_METHODS:
        form = await read_form(request)
        check_form(visit, form.text(FIELD))
    holder = holder_of(visit) or new_visitor()
    opened = Page(request=request, visit=visit, holder=holder, form=form, shell=shell)
    request.state.page = opened
    return opened


NOBODY: dict[str, Any] = {
    "viewer": None, "menu": [], "tenant": None, "permissions": frozenset()
}  # fmt: skip


async def _admit(
    request: Request, visit: Visit, *, wanted: Permission | None = None
) -> tuple[Admission, Scope, dict[str, Any]]:
    """Who the session cookie speaks for, and what the shell shows them.

    Raises: SignInNeeded: there is no session, or it has ended.
    """
    gate: Gate = request.app.state.gate
    memberships: Memberships = request.app.state.memberships
    acting = visit.cookies.get(ACTING_COOKIE)
    shown = replace(
        visit.credentials(cookie=True), bearer=None, named_tenant=acting, named_slug=None
    )
    if shown.cookie is None:
        raise SignInNeeded("Sign in to see this page.")
    try:
        admission = await gate.admit(visit.house, shown)
    except Unauthorized as error:
        raise SignInNeeded("Your session has ended. Sign in again.") from error
    except Forbidden as error:
        if acting is None:
            raise
        reason = str(error.details.get("reason", ""))
        raise Answered(_come_home(visit, reason), keeps_writes=False) from error
    visit.transaction = admission.transaction
    scope = scope_of(visit.house, admission, visit.request_id, wanted=wanted)
    shell = {
        "viewer": scope.actor,
        "menu": menu_for(_shown_to(scope)),
        "tenant": await tenancy.require_tenant(scope),
        "permissions": scope.permissions,
        "acting": scope.home_tenant_id is not None,
        "several_tenants": await memberships.has_several(scope),
    }
    return admission, scope, shell


def _shown_to(scope: Scope) -> frozenset[str]:
    """The permissions the menu goes by: also those on one project only; and who acts for another
    organisation finds the pages that are for anybody."""
    held = scope.permissions.union(*scope.project_roles.values())
    return held if scope.home_tenant_id is None else held | {Permission.SELF}


# What an organisation asks for that somebody who would act for it lacks.
KEPT_OUT = {
    "second_factor_needed": "organisation-asks-second-factor",
    "sso_required": "organisation-asks-provider",
    "session_too_old": "organisation-asks-new-session",
    "address_not_allowed": "organisation-asks-address",
}


def _come_home(visit: Visit, reason: str) -> RedirectResponse:
    """Back to one's own organisation: nothing of what was asked is done there instead."""
    response = RedirectResponse("/", status_code=303)
    response.delete_cookie(ACTING_COOKIE)
    response.set_cookie(
        TOAST_COOKIE, KEPT_OUT.get(reason, "organisation-lost"), max_age=30, httponly=True,
        samesite="lax", secure=visit.secure,
    )  # fmt: skip
    return response


def page(
    permission: Permission,
    *,
    fresh: bool = False,
    on_project: bool = False,
    abroad: bool = False,
    leaving: bool = False,
) -> Any:
    """The way into a page for people who signed in and hold `permission`.

    `fresh` asks for a proof of identity of the last minutes, as a sensitive change does;
    `on_project` and `leaving` are as in `kernel.access.may`. `abroad` lets in whoever acts for an
    organisation below their own, where they have no account.
    """

    async def enter(request: Request) -> ScopedPage:
        visit = visit_of(request.scope)
        admission, scope, shell = await _admit(request, visit, wanted=permission)
        opened = await _open(request, shell)
        if not (abroad and admission.home_tenant_id is not None):
            reading = request.method in READING
            check_permission(
                admission, permission, on_project=on_project, reading=reading, leaving=leaving
            )
        if fresh:
            check_fresh(admission, permission, scope.now)
        return ScopedPage(**vars(opened), scope=scope)

    enter.way_in = f"page: {permission.value}"  # type: ignore[attr-defined]  # read by the route catalogue test
    return Depends(enter)


def known_page() -> Any:
    """The way into a page for anyone that is shown in the shell to those who signed in."""

    async def enter(request: Request) -> Page:
        visit = visit_of(request.scope)
        try:
            _, _, shell = await _admit(request, visit)
        except SignInNeeded:
            visit.limit_by_address()
            shell = NOBODY
        return await _open(request, shell)

    enter.way_in = "public page"  # type: ignore[attr-defined]  # read by the route catalogue test
    return Depends(enter)


def errand_page(permission: Permission, *, fresh: bool = False, on_project: bool = False) -> Any:
    """The way into a page that calls the outside: the gate's transaction is over before it."""

    async def enter(
        opened: Annotated[ScopedPage, page(permission, fresh=fresh, on_project=on_project)],
    ) -> ErrandPage:
        await opened.visit.close_transaction()
        values = {name: value for name, value in vars(opened).items() if name != "scope"}
        return ErrandPage(**values, errand=Errand(opened.scope))

    return Depends(enter)


def open_page() -> Any:
    """The way into a page for anyone."""

    async def enter(request: Request) -> Page:
        visit = visit_of(request.scope)
        visit.limit_by_address()
        visit.body = await request.body()
        return await _open(request, NOBODY | {"brand": await _brand_at_door(request, visit)})

    enter.way_in = "public page"  # type: ignore[attr-defined]  # read by the route catalogue test
    return Depends(enter)


async def _brand_at_door(request: Request, visit: Visit) -> Brand:
    """The look of the organisation whose address this is, or whose slug `?org=` names."""
    slug = subdomain(visit.house.settings, visit.headers.get("host", ""))
    named = slug or request.query_params.get("org", "").strip().lower()
    return brand_of(await tenancy.find_at_door(visit.house, named)) if named else PLAIN


def sign_in_path(request: Request) -> str:
    """The sign-in page that leads back to where the visitor wanted to go."""
    here = _here(request) if request.method in SAFE_METHODS else "/"
    return "/login" if here == "/" else f"/login?next={quote(here, safe='/')}"
