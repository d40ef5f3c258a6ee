"""Every page for every role, and what all pages have in common."""

import html
import re
from uuid import uuid4

import pytest

from leanvibe_server.engine import service as engine
from leanvibe_server.engine.schemas import NewTask
from leanvibe_server.kernel.access import ROLE_PERMISSIONS, Permission, Role
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.scope import SYSTEM, Scope
from leanvibe_server.projects import service as projects
from leanvibe_server.projects.schemas import NewProject
from tests.given import ROLES, Organisation, platform_admin
from tests.web.conftest import Arrive, EnterAs
from tests.web.visitors import Visitor

P = Permission
PAGES = {
    "/": P.SELF,
    "/projects": P.PROJECT_READ,
    "/projects/new": P.PROJECT_CREATE,
    "/projects/{project}": P.PROJECT_READ,
    "/projects/{project}/edit": P.PROJECT_UPDATE,
    "/tasks": P.TASK_READ,
    "/tasks?status=queued": P.TASK_READ,
    "/tasks/new": P.TASK_CREATE,
    "/tasks/{task}": P.TASK_READ,
    "/settings/tenant": P.TENANT_READ,
    "/settings/users": P.USER_READ,
    "/settings/users/{user}": P.USER_UPDATE,
    "/settings/invitations": P.USER_READ,
    "/settings/ownership": P.USER_READ,
    "/account/leave": P.SELF,
    "/settings/roles": P.SELF,
    "/settings/api-keys": P.API_KEY_MANAGE,
    "/settings/service-accounts": P.API_KEY_MANAGE,
    "/settings/groups": P.USER_UPDATE,
    "/settings/scim": P.SCIM_MANAGE,
    "/audit": P.AUDIT_READ,
    "/audit?event_type=user.login&start_date=2026-01-01": P.AUDIT_READ,
    "/audit/verify": P.AUDIT_READ,
    "/settings/privacy": P.PRIVACY_MANAGE,
    "/settings/my-data": P.SELF,
    "/platform/tenants": P.TENANT_ADMIN,
    "/platform/tenants/new": P.TENANT_ADMIN,
    "/tenants": P.SELF,
    "/docs": P.SELF,
    "/dev/outbox": P.SELF,
}


async def make_things(organisation: Organisation) -> dict[str, str]:
    """A project with a task, and the owner, by the names that paths use."""
    house = organisation.house
    async with house.database.tenant(organisation.id) as conn:
        scope = Scope(
            conn, organisation.id, SYSTEM, house.clock, house, plan=organisation.tenant.plan
        )
        project = await projects.create_project(scope, NewProject(name="<b>Shop</b>"))
        task = await engine.submit_task(
            scope, NewTask(title="<script>alert(1)</script>", project_id=project.id)
        )
    return {
        "project": str(project.id),
        "task": str(task.id),
        "user": str(organisation.people["owner"].id),
    }


@pytest.mark.parametrize("role", ROLES)
async def test_a_role_sees_its_pages_and_is_refused_the_others(
    enter_as: EnterAs, acme: Organisation, role: str
) -> None:
    things = await make_things(acme)
    visitor = await enter_as(acme, role)
    for path, permission in PAGES.items():
        answer = await visitor.open(path.format(**things))
        expected = 200 if permission in ROLE_PERMISSIONS[Role(role)] else 403
        assert answer.status_code == expected, f"{role} {path}: {visitor.text[:300]}"
        _check_is_ours(visitor, answer.headers["content-security-policy"])
        assert visitor.page.count("<h1") == 1, path
        assert "alert(1)</script>" not in visitor.page
        assert "<b>Shop</b>" not in visitor.page


def _check_is_ours(visitor: Visitor, policy: str) -> None:
    """Nothing stands inline and nothing comes from elsewhere, as the policy demands."""
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    page = visitor.page
    assert re.findall(r"<script(?![^>]*\ssrc=\"/static/)", page) == []
    assert re.findall(r"<[^>]*\s(?:style|on\w+)=", page) == []
    assert "<style" not in page
    assert re.findall(r"(?:src|<link[^>]*href)=\"(?!/static/)", page) == []


async def test_the_menu_offers_only_what_the_role_may(
    enter_as: EnterAs, acme: Organisation
) -> None:
    guest = await enter_as(acme, "guest")
    await guest.open("/")
    for hidden in ("/settings/users", "/settings/api-keys", "/audit", "/settings/tenant"):
        assert f'href="{hidden}"' not in guest.page
    owner = await enter_as(acme, "owner")
    await owner.open("/")
    for shown in ("/settings/users", "/settings/api-keys", "/audit", "/settings/tenant"):
        assert f'href="{shown}"' in owner.page


async def test_a_refusal_says_what_the_missing_permission_stands_for(
    enter_as: EnterAs, acme: Organisation
) -> None:
    visitor = await enter_as(acme, "developer")
    assert (await visitor.open("/settings/privacy")).status_code == 403
    assert "It stands for: Export and erase personal data" in visitor.text
    assert (await visitor.open("/projects/unknown")).status_code == 404
    assert "It may have been deleted" in visitor.text


async def test_a_platform_admin_sees_no_projects_and_for_a_reason_every_tenants_log(
    arrive: Arrive, house: House, acme: Organisation
) -> None:
    visitor = await arrive()
    await visitor.sign_in(await platform_admin(house))
    assert (await visitor.open("/")).status_code == 200
    assert "Platform administration" in visitor.text
    assert (await visitor.open("/projects")).status_code == 403
    await visitor.open("/audit?area=tenant")
    assert acme.tenant.slug not in visitor.text
    page = await visitor.open("/audit?area=tenant&reason=ticket+4711+is+open")
    # Others of this run may have left later entries: turn the pages.
    while acme.tenant.slug not in visitor.text:
        older = re.search(r'href="(/audit\?[^"]*cursor=[^"]*)"', page.text)
        assert older, "the organisation is on no page"
        page = await visitor.open(html.unescape(older[1]))
    assert page.status_code == 200


FOREIGN = (
    ("GET", "/projects/{project}"),
    ("GET", "/projects/{project}/edit"),
    ("POST", "/projects/{project}/edit"),
    ("POST", "/projects/{project}/delete"),
    ("GET", "/tasks/{task}"),
    ("GET", "/tasks/{task}/patch"),
    ("GET", "/tasks/{task}/files"),
    ("POST", "/tasks/{task}/cancel"),
    ("POST", "/tasks/{task}/retry"),
    ("POST", "/tasks/{task}/branch/delete"),
    ("GET", "/settings/users/{user}"),
    ("POST", "/settings/users/{user}"),
)


async def test_a_foreign_id_answers_like_a_random_one(
    enter_as: EnterAs, acme: Organisation, globex: Organisation
) -> None:
    theirs = await make_things(globex)
    random = {name: str(uuid4()) for name in theirs}
    visitor = await enter_as(acme, "owner")
    await visitor.open("/")
    token = visitor.token
    for method, path in FOREIGN:
        pages = []
        for things in (theirs, random, dict.fromkeys(theirs, "no-uuid")):
            place = path.format(**things)
            if method == "GET":
                answer = await visitor.open(place)
            else:
                answer = await visitor.send(place, token=token)
            assert answer.status_code == 404, f"{method} {place}"
            pages.append(re.sub(r"req_[0-9a-f-]+", "", visitor.page.replace(place, "")))
        assert pages[0] == pages[1], f"{method} {path}"
    answer = await visitor.send("/tasks/new", {"project_id": theirs["project"], "title": "x"})
    assert answer.status_code == 404


async def test_a_wrong_turn_is_a_page_for_people_and_json_for_programs(arrive: Arrive) -> None:
    visitor = await arrive()
    for path in ("/nowhere", "/projects/x/y/z"):
        answer = await visitor.open(path)
        assert answer.status_code == 404
        assert "There is nothing here" in visitor.text
        assert "req_" in visitor.text
    for path, accept in (("/v1/nowhere", "text/html"), ("/nowhere", "application/json")):
        answer = await visitor.open(path, accept=accept)
        assert (answer.status_code, answer.json()["error"]) == (404, "not_found")
    wrong_method = await visitor.open("/logout")
    assert wrong_method.status_code == 405
    assert wrong_method.headers["content-type"].startswith("text/html")
    assert wrong_method.headers["allow"] == "POST"


async def test_a_page_that_crashes_says_so_and_tells_no_details(
    enter_as: EnterAs, acme: Organisation, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def crash(*_: object, **__: object) -> None:
        raise RuntimeError("the secret of the house")

    visitor = await enter_as(acme, "owner")
    monkeypatch.setattr("leanvibe_server.projects.service.list_projects", crash)
    answer = await visitor.open("/projects")
    assert answer.status_code == 500
    assert "Something broke on our side" in visitor.text
    assert "secret of the house" not in visitor.page


async def test_a_database_that_does_not_answer_is_told_by_a_page(
    enter_as: EnterAs, acme: Organisation, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hang(*_: object, **__: object) -> None:
        raise TimeoutError

    visitor = await enter_as(acme, "owner")
    monkeypatch.setattr("leanvibe_server.projects.service.list_projects", hang)
    answer = await visitor.open("/projects")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    assert "A part we need is not there" in visitor.text


async def test_what_cannot_be_stored_is_told_by_a_page(
    enter_as: EnterAs, acme: Organisation
) -> None:
    visitor = await enter_as(acme, "owner")
    await visitor.open("/projects/new")
    answer = await visitor.send("/projects/new", {"name": "x" * 300, "description": "a\0b"})
    assert answer.status_code == 400
    too_large = await visitor.send("/projects/new", {"name": "x", "description": "y" * 1_100_000})
    assert too_large.status_code == 413


async def test_files_are_kept_for_a_year_under_an_address_that_changes(arrive: Arrive) -> None:
    visitor = await arrive()
    await visitor.open("/login")
    addresses = re.findall(r"/static/[0-9a-f]{12}/[\w.]+", visitor.page)
    assert len(addresses) >= 3
    for address in addresses:
        answer = await visitor.open(address)
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    style = next(address for address in addresses if address.endswith(".css"))
    old = await visitor.open(re.sub(r"/[0-9a-f]{12}/", "/000000000000/", style))
    assert (old.status_code, old.headers["cache-control"]) == (200, "no-cache")
    for path in ("/static/x/nothing.css", "/static/x/..%2fpages.py"):
        assert (await visitor.open(path)).status_code == 404


async def test_the_appearance_is_kept_without_scripts(arrive: Arrive) -> None:
    visitor = await arrive()
    await visitor.open("/login")
    assert "data-theme" not in visitor.page.partition(">")[0] + visitor.page[:200]
    answer = await visitor.send("/theme", {"theme": "dark", "next": "/login"})
    assert answer.headers["location"] == "/login"
    await visitor.open("/login")
    assert '<html lang="en" data-theme="dark">' in visitor.page
    assert (await visitor.send("/theme", {"theme": "plaid"})).status_code == 403
    visitor.client.cookies.clear()
    await visitor.open("/login", cookie="lv_theme=plaid")
    assert '<html lang="en">' in visitor.page


async def test_the_reference_shows_every_operation_of_the_api(arrive: Arrive) -> None:
    visitor = await arrive()
    document = (await visitor.open("/openapi.json")).json()
    assert (await visitor.open("/docs")).status_code == 200
    operations = [
        f'id="{method}{re.sub(r"[^a-z0-9]+", "-", path)}"'.rstrip('-"')
        for path, methods in document["paths"].items()
        for method in methods
    ]
    assert len(operations) > 20
    assert [one for one in operations if one not in visitor.page] == []
    assert "refresh_token" in visitor.text
