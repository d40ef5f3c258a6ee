"""Pages of service accounts, groups and provisioning, as a person uses them."""

import re

import httpx

from tests.conftest import FakeClock
from tests.given import PASSWORD, Organisation
from tests.web.conftest import EnterAs


async def test_an_admin_makes_an_account_a_key_and_a_client(
    enter_as: EnterAs, acme: Organisation
) -> None:
    visitor = await enter_as(acme, "admin")
    await visitor.open("/settings/service-accounts")
    made = await visitor.send("/settings/service-accounts", {"name": "Robot", "role": "developer"})
    path = made.headers["location"]
    await visitor.open(path)
    key = await visitor.send(f"{path}/keys", {"key_name": "CI"})
    assert re.search(r"lv_test_[0-9A-Za-z]{60}", key.text)
    client = await visitor.send(f"{path}/clients", {"client_name": "CI"})
    assert re.search(r"lv_client_[0-9A-Za-z]{60}", client.text)
    assert re.search(r"lvc_[0-9A-Za-z]{44}", client.text)
    assert "lv_client_" not in (await visitor.open(path)).text
    off = {"name": "Robot", "role": "viewer", "status": "disabled"}
    assert (await visitor.send(path, off)).status_code == 303
    assert "Disabled" in (await visitor.open("/settings/service-accounts")).text
    taken = await visitor.send("/settings/service-accounts", {"name": "robot", "role": "viewer"})
    assert taken.status_code == 409


async def test_an_admin_says_when_a_client_ends(
    enter_as: EnterAs, acme: Organisation, clock: FakeClock
) -> None:
    visitor = await enter_as(acme, "admin")
    await visitor.open("/settings/service-accounts")
    made = await visitor.send("/settings/service-accounts", {"name": "Robot", "role": "viewer"})
    path = made.headers["location"]
    await visitor.open(path)
    for wrong, why in (("soon", "such as 2026-12-31"), ("2026-03-01", "must be in the future")):
        typed = {"client_name": "CI", "expires_at": wrong}
        refused = await visitor.send(f"{path}/clients", typed)
        assert refused.status_code == 400
        assert why in visitor.text.lower()
        assert 'value="CI"' in visitor.page
    client = await visitor.send(
        f"{path}/clients", {"client_name": "CI", "expires_at": "2026-03-02"}
    )
    assert client.status_code == 201
    assert "until 2 Mar 2026" in visitor.text
    clock.advance(hours=12)
    await visitor.sign_in(acme.people["admin"])
    shown = (await visitor.open(path)).text
    assert "Expired" in shown
    assert "/rotate" not in shown


async def test_an_admin_rotates_a_key(enter_as: EnterAs, acme: Organisation) -> None:
    visitor = await enter_as(acme, "admin")
    await visitor.open("/settings/api-keys")
    fields = {
        "name": "CI",
        "expires_in_days": "90",
        "scopes": "task:read",
        "rate_limit_per_minute": "60",
        "allowed_addresses": "10.0.0.0/8",
    }
    wrong = await visitor.send("/settings/api-keys", fields | {"allowed_addresses": "here"})
    assert wrong.status_code == 400
    assert "does not appear to be an IPv4 or IPv6 network" in visitor.text
    assert "allowed_addresses:" not in visitor.text
    assert (await visitor.send("/settings/api-keys", fields)).status_code == 201
    shown = (await visitor.open("/settings/api-keys")).text
    assert "60 calls a minute; from 10.0.0.0/8" in shown
    assert "See tasks, live and finished" in visitor.text
    rotate = re.search(r"/settings/api-keys/[0-9a-f-]+/rotate", shown)
    assert rotate is not None
    answer = await visitor.send(rotate[0])
    assert re.search(r"lv_test_[0-9A-Za-z]{60}", answer.text)


async def test_a_key_that_ends_within_a_week_is_marked_and_can_still_be_rotated(
    enter_as: EnterAs, acme: Organisation, clock: FakeClock, client: httpx.AsyncClient
) -> None:
    headers = await acme.headers(client, "owner")
    for days in (6, 30):
        key = {"name": f"Of {days} days", "expires_in_days": days}
        assert (await client.post("/v1/api-keys", json=key, headers=headers)).is_success
    visitor = await enter_as(acme, "owner")
    await visitor.open("/settings/api-keys")
    assert visitor.text.count("Ends soon until") == 1
    assert len(re.findall(r'action="/settings/api-keys/[0-9a-f-]+/rotate"', visitor.page)) == 2


async def test_a_form_for_a_key_waits_for_a_fresh_proof_with_all_that_was_typed(
    enter_as: EnterAs, acme: Organisation, clock: FakeClock
) -> None:
    visitor = await enter_as(acme, "admin")
    await visitor.open("/settings/api-keys")
    clock.advance(minutes=11)
    fields = {
        "name": "Night build",
        "expires_in_days": "30",
        "scopes": ["project:read", "task:read"],
        "rate_limit_per_minute": "60",
        "allowed_addresses": "10.0.0.0/8",
    }
    assert (await visitor.send("/settings/api-keys", fields)).status_code == 403
    assert "Confirm that it is you" in visitor.text
    ticket = re.search(r'name="ticket" value="([^"]+)"', visitor.page)
    assert ticket is not None
    await visitor.send("/step-up", {"ticket": ticket[1], "password": PASSWORD})
    waiting = visitor.page.partition('action="/settings/api-keys"')[2].partition("</form>")[0]
    kept: dict[str, list[str]] = {}
    for name, value in re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', waiting):
        kept.setdefault(name, []).append(value)
    assert kept.pop("form_token")
    assert kept == {
        name: value if isinstance(value, list) else [value] for name, value in fields.items()
    }
    made = await visitor.send("/settings/api-keys", kept)
    assert made.status_code == 201
    assert "Night build" in visitor.text
    assert "60 calls a minute; from 10.0.0.0/8" in visitor.text


async def test_an_admin_sets_up_provisioning_and_the_roles_of_groups(
    enter_as: EnterAs, acme: Organisation
) -> None:
    visitor = await enter_as(acme, "admin")
    assert f"/scim/v2/{acme.tenant.slug}" in (await visitor.open("/settings/scim")).text
    made = await visitor.send("/settings/scim", {"name": "Okta", "expires_in_days": "365"})
    assert re.search(r"lv_scim_[0-9A-Za-z]{60}", made.text)
    revoke = re.search(r"/settings/scim/[0-9a-f-]+/revoke", made.text)
    assert revoke is not None
    assert (await visitor.send(revoke[0])).status_code == 303
    await visitor.open("/settings/groups")
    await visitor.send("/settings/groups", {"name": "Engineers", "role": ""})
    shown = (await visitor.open("/settings/groups")).text
    group = re.search(r'action="(/settings/groups/[0-9a-f-]+)"', shown)
    assert group is not None
    assert (await visitor.send(group[1], {"role": "manager"})).status_code == 303
    assert '<option value="manager" selected>' in (await visitor.open("/settings/groups")).text
