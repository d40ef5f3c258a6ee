"""What a role sees a link to, it may open: nothing on a page leads to a refusal."""

import re
from uuid import uuid4

import httpx
import pytest

from leanvibe_server.identity.permissions import GRANTABLE
from leanvibe_server.kernel.access import Permission, Role
from tests.given import Organisation, Person
from tests.identity.test_roles import add_with_role, make_role, somebody
from tests.web.conftest import Arrive, EnterAs
from tests.web.visitors import Visitor

# Files, and what begins a way out to somebody else.
ELSEWHERE = ("/static/", "/openapi.json", "/auth/sso/", "/v1/")
ROLES = [role.value for role in Role if role != Role.PLATFORM_ADMIN]


@pytest.mark.parametrize("role", ROLES)
async def test_every_link_a_role_sees_leads_to_a_page_it_may_open(
    role: str, enter_as: EnterAs, acme: Organisation
) -> None:
    await _furnish(await enter_as(acme, "owner"), acme)
    assert await _walk(await enter_as(acme, role)) > 8


@pytest.mark.parametrize("permission", sorted(GRANTABLE - {Permission.SELF}))
async def test_every_link_that_one_permission_shows_leads_to_a_page_it_opens(
    permission: Permission,
    enter_as: EnterAs,
    arrive: Arrive,
    client: httpx.AsyncClient,
    acme: Organisation,
) -> None:
    """Pages that need two show the link to the second only to who holds it, too."""
    owner = await acme.headers(client)
    await _furnish(await enter_as(acme, "owner"), acme)
    assert (await make_role(client, owner, "specialist", [permission])).status_code == 201
    email = somebody(acme, "sam")
    await add_with_role(client, owner, "specialist", email)
    visitor = await arrive()
    await visitor.sign_in(Person(uuid4(), email, "specialist"))
    assert await _walk(visitor) > 1


async def _walk(visitor: Visitor) -> int:
    """Follow every link from page to page; how many there are."""
    seen, waiting, shut = {"/"}, ["/"], {}
    while waiting:
        path = waiting.pop()
        answer = await visitor.open(path)
        if answer.status_code >= 400:
            shut[path] = answer.status_code
        # The outbox shows links of mails to others.
        shows_mail = path == "/dev/outbox"
        if shows_mail or not answer.headers.get("content-type", "").startswith("text/html"):
            continue
        for link in re.findall(r'href="(/[^"#?]*)', answer.text):
            if link not in seen and not link.startswith(ELSEWHERE):
                seen.add(link)
                waiting.append(link)
    assert shut == {}
    return len(seen)


async def _furnish(owner: Visitor, acme: Organisation) -> None:
    """One thing of each kind, so that their pages are linked."""
    things = {
        "/projects/new": {"name": "Shop", "credentials_kind": "none"},
        "/settings/groups": {"name": "Engineers", "role": ""},
        "/settings/roles": {"name": "reviewer", "permissions": "task:read"},
        "/settings/service-accounts": {"name": "Robot", "role": "viewer"},
        "/organizations": {
            "organization_name": "Labs",
            "admin_email": f"labs@{acme.tenant.slug}.example",
            "parent_tenant_id": str(acme.id),
        },
    }
    for path, fields in things.items():
        await owner.open(path)
        answer = await owner.send(path, fields)
        assert answer.status_code == 303, f"{path}: {owner.text}"
