"""The pages of the platform's administrators, the look of an organisation, and its end."""

from uuid import uuid4

import asyncpg
import pytest
from hypothesis import given as given_any
from hypothesis import strategies as st

from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.platform import PLATFORM_TENANT
from leanvibe_server.web.brand_look import DARK, LIGHT, READABLE, contrast, style_sheet
from tests.given import Organisation, platform_admin
from tests.tenancy.given_trees import below
from tests.web.conftest import Arrive, EnterAs
from tests.web.visitors import Visitor


@pytest.fixture
async def administrator(house: House, arrive: Arrive) -> Visitor:
    visitor = await arrive()
    answer = await visitor.sign_in(await platform_admin(house))
    assert answer.status_code == 303, visitor.text
    return visitor


async def test_an_administrator_finds_makes_suspends_and_deletes_an_organisation(
    administrator: Visitor, acme: Organisation
) -> None:
    await administrator.open(f"/platform/tenants?q={acme.tenant.slug}&status=active&region=us")
    assert f'href="/platform/tenants/{acme.id}"' in administrator.page
    assert "1–1 of 1" in administrator.text
    await administrator.open(f"/platform/tenants?q={uuid4()}")
    assert "No such organisations" in administrator.text
    path = f"/platform/tenants/{acme.id}"
    await administrator.open(path)
    refused = await administrator.send(f"{path}/suspend", {"reason": ""})
    assert refused.status_code == 400
    await administrator.send(f"{path}/suspend", {"reason": "Not paid"})
    await administrator.open(path)
    assert "Not paid" in administrator.text
    await administrator.send(f"{path}/reactivate")
    await administrator.open(path)
    assert (await administrator.send(f"{path}/delete", {"confirm": "x"})).status_code == 400
    await administrator.send(f"{path}/delete", {"confirm": acme.tenant.slug})
    await administrator.open(path)
    assert "will be deleted on" in administrator.text
    await administrator.send(f"{path}/restore")
    await administrator.open(path)
    assert "Suspend" in administrator.text
    await administrator.send(f"{path}/plan", {"plan": "team"})
    await administrator.open(path)
    assert "Team" in administrator.text


async def test_an_organisation_below_another_leads_to_it_by_its_name(
    administrator: Visitor, house: House, acme: Organisation
) -> None:
    alpha = await below(house, acme, "Alpha")
    await administrator.open(f"/platform/tenants/{alpha.id}")
    link = f'href="/platform/tenants/{acme.id}">{acme.tenant.display_name}</a>'
    assert link in administrator.page


async def test_an_administrator_moves_the_end_of_a_trial_and_ends_it(
    administrator: Visitor, acme: Organisation, admin: asyncpg.Connection
) -> None:
    path = f"/platform/tenants/{acme.id}"
    for typed in ("2030-06-01", ""):
        await administrator.open(path)
        await administrator.send(f"{path}/plan", {"plan": "enterprise", "trial_ends_at": typed})
        await administrator.open(path)
        assert ("1 Jun 2030" in administrator.text) == bool(typed)
    told = await admin.fetch(
        "SELECT payload ->> 'ends_at' AS end FROM events"
        " WHERE tenant_id = $1 AND name = 'tenant.trial_changed' ORDER BY id",
        acme.id,
    )
    assert [row["end"] and row["end"][:10] for row in told] == ["2030-06-01", None]
    refused = await administrator.send(f"{path}/plan", {"plan": "team", "trial_ends_at": "x"})
    assert refused.status_code == 400


async def test_an_administrator_makes_an_organisation(administrator: Visitor) -> None:
    await administrator.open("/platform/tenants/new")
    typed = {
        "organization_name": "Made by hand",
        "slug": f"made-{uuid4().hex[:8]}",
        "admin_email": f"owner@{uuid4().hex}.example",
        "plan": "team",
        "data_residency": "us",
    }
    bad = await administrator.send("/platform/tenants/new", {**typed, "slug": "No Slug"})
    assert bad.status_code == 400
    made = await administrator.send("/platform/tenants/new", typed)
    assert made.status_code == 303, administrator.text
    await administrator.open(made.headers["location"])
    assert typed["slug"] in administrator.text


async def test_an_administrator_puts_an_organisation_below_another_and_is_told_why_not(
    administrator: Visitor, acme: Organisation, north: Organisation, house: House
) -> None:
    new = "/platform/tenants/new"
    await administrator.open(f"{new}?below={acme.tenant.slug}")
    assert f'value="{acme.tenant.slug}"' in administrator.page
    typed = {"organization_name": "South", "admin_email": "boss@south.example", "plan": "team"}
    unknown = await administrator.send(new, {**typed, "parent_tenant_id": "nobody-here"})
    assert unknown.status_code == 400
    assert "Names no organisation: type its slug or its id." in administrator.text
    made = await administrator.send(new, {**typed, "parent_tenant_id": acme.tenant.slug})
    assert made.status_code == 303, administrator.text
    path = made.headers["location"]
    await administrator.open(path)
    assert f'href="/platform/tenants/{acme.id}"' in administrator.page
    for place, status, why in (
        (str(north.id), 303, ""),
        (path.rpartition("/")[2], 409, "cannot come under itself or one below it"),
        (str(PLATFORM_TENANT), 409, "above none and below none"),
        ("", 303, ""),
    ):
        answer = await administrator.send(f"{path}/move", {"parent_tenant_id": place})
        assert answer.status_code == status, administrator.text
        assert why in administrator.text
        await administrator.open(path)
    assert "/platform/tenants/" + str(acme.id) not in administrator.page
    chain = await administrator.send(
        f"/platform/tenants/{acme.id}/move", {"parent_tenant_id": north.tenant.slug}
    )
    assert chain.status_code == 409
    assert "cannot come under itself or one below it" in administrator.text


async def test_the_look_of_an_organisation_is_on_its_pages_and_at_its_door(
    enter_as: EnterAs, arrive: Arrive, acme: Organisation
) -> None:
    owner = await enter_as(acme, "owner")
    await owner.open("/settings/tenant")
    logo = "https://cdn.example.com/logo.png"
    look = {"display_name": "Acme", "primary_color": "#1F2937", "logo_url": logo}
    for bad in ("red", "#12", "#1f2937;}"):
        refused = await owner.send("/settings/tenant", {**look, "primary_color": bad})
        assert refused.status_code == 400, bad
    for bad in (
        "http://cdn.example.com/x.png",
        "https://x",
        'https://a.b/"><script>',
        "https://a.b/;c",
    ):
        refused = await owner.send("/settings/tenant", {**look, "logo_url": bad})
        assert refused.status_code == 400, bad
    await owner.send("/settings/tenant", look)
    shown = await owner.open("/")
    assert 'href="/static/brand/1f2937/accents.css"' in owner.page
    assert f'src="{logo}"' in owner.page
    policy = shown.headers["content-security-policy"]
    assert "img-src 'self' data: https://cdn.example.com;" in policy
    assert "unsafe" not in policy
    sheet = await owner.client.get("/static/brand/1f2937/accents.css")
    assert (sheet.status_code, sheet.headers["content-type"][:8]) == (200, "text/css")
    assert (await owner.client.get("/static/brand/red;}/accents.css")).status_code == 404
    stranger = await arrive()
    await stranger.open(f"/login?org={acme.tenant.slug}")
    assert f'src="{logo}"' in stranger.page
    await stranger.open("/login", host=f"{acme.tenant.slug}.localhost:8765")
    assert f'src="{logo}"' in stranger.page
    await stranger.open("/login?org=nobody-here")
    assert logo not in stranger.page


@given_any(st.integers(0, 0xFFFFFF))
def test_any_colour_can_be_read_on_light_and_dark_pages(color: int) -> None:
    sheet = style_sheet(f"{color:06x}")
    accents = [line.split("--accent:#")[1][:6] for line in sheet.splitlines()]
    grounds = (LIGHT, DARK, DARK)
    for accent, ground in zip(accents, grounds, strict=True):
        red, green, blue = (int(accent[at : at + 2], 16) for at in (0, 2, 4))
        assert contrast((red, green, blue), ground) >= READABLE


async def test_an_owner_deletes_the_organisation_by_hand_and_takes_it_back(
    enter_as: EnterAs, acme: Organisation
) -> None:
    owner = await enter_as(acme, "owner")
    await owner.open("/settings/tenant")
    assert (await owner.send("/settings/tenant/delete", {"confirm": "no"})).status_code == 400
    gone = await owner.send("/settings/tenant/delete", {"confirm": acme.tenant.slug})
    assert gone.status_code == 303, owner.text
    await owner.open("/settings/tenant")
    assert "will be deleted on" in owner.text
    admin = await enter_as(acme, "admin")
    await admin.open("/settings/tenant")
    assert "/settings/tenant/restore" not in admin.page
    await owner.open("/settings/tenant")
    await owner.send("/settings/tenant/restore")
    await owner.open("/settings/tenant")
    assert "will be deleted on" not in owner.text


async def test_an_administrator_looks_into_a_tenants_log_after_saying_why(
    administrator: Visitor, acme: Organisation
) -> None:
    await administrator.open("/audit")
    assert 'name="reason"' in administrator.page
    named = f"/audit?tenant_id={acme.id}"
    for unsaid in (named, f"{named}&reason=short"):
        assert (await administrator.open(unsaid)).status_code == 403
        assert "X-Break-Glass-Reason" in administrator.page
    looked = await administrator.open(f"{named}&reason=ticket+4711+is+open")
    assert looked.status_code == 200
    assert "user.created" in administrator.page
    assert "audit.csv?tenant_id=" in administrator.page
    saved = await administrator.open(f"/audit.csv?tenant_id={acme.id}&reason=ticket+4711+is+open")
    assert str(acme.id) in saved.text
