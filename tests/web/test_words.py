"""What pages say where something is wrong, or is not there."""

from types import SimpleNamespace
from typing import Any, cast
from uuid import uuid4

import httpx
import pytest

from leanvibe_server.kernel.events import StoredEvent
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.personal_data import DataMap
from leanvibe_server.web.audit_pages import EntryLine
from leanvibe_server.web.privacy_pages import PERIOD_LABELS
from tests.given import Organisation
from tests.web.conftest import EnterAs


async def test_a_fault_that_is_the_whole_message_is_not_told_twice_in_the_summary(
    enter_as: EnterAs, acme: Organisation
) -> None:
    visitor = await enter_as(acme, "viewer")
    await visitor.open("/account/mfa")
    await visitor.send("/account/mfa/setup", {"method": "totp"})
    wrong = await visitor.send("/account/mfa/verify", {"method": "totp", "code": "000000"})
    assert wrong.status_code == 401
    assert visitor.text.count("The code is wrong or old") == 2  # in the summary, and at its field


async def test_without_the_plan_no_form_offers_a_token_of_provisioning(
    enter_as: EnterAs, globex: Organisation
) -> None:
    visitor = await enter_as(globex, "owner")
    await visitor.open("/settings/scim")
    assert "part of the plan Enterprise" in visitor.text
    assert "New token" not in visitor.text
    await visitor.open("/account/links")
    assert "no identity provider" in visitor.text


@pytest.mark.parametrize(
    ("kind", "notice"),
    [("saml", "Sign-in by SAML is not part"), ("oidc", "Single sign-on is not part")],
)
async def test_without_the_plan_the_form_of_a_provider_is_not_shown_by_its_address_either(
    enter_as: EnterAs, globex: Organisation, kind: str, notice: str
) -> None:
    visitor = await enter_as(globex, "owner")
    await visitor.open(f"/settings/sso/new?type={kind}")
    assert notice in visitor.text
    assert 'name="provider_name"' not in visitor.page


async def test_with_the_plan_it_is(enter_as: EnterAs, acme: Organisation) -> None:
    visitor = await enter_as(acme, "owner")
    await visitor.open("/settings/sso/new?type=saml")
    assert 'name="provider_name"' in visitor.page
    assert "not part of your plan" not in visitor.text


async def test_what_is_kept_for_a_time_is_named_in_words(
    enter_as: EnterAs, acme: Organisation, house: House
) -> None:
    changeable = {
        one.table
        for one in house.part(DataMap).tables
        if one.retention is not None and one.retention.shortest < one.retention.longest
    }
    assert PERIOD_LABELS.keys() == changeable
    visitor = await enter_as(acme, "owner")
    await visitor.open("/settings/privacy")
    assert "Text messages that were sent, in days" in visitor.text
    assert "Outgoing sms" not in visitor.text
    assert (
        "Names and addresses in the audit log: 400 days; the rest while it serves" in visitor.text
    )
    assert "outgoing_mail" not in visitor.text


KNOWN, UNKNOWN = uuid4(), uuid4()


def line_of(payload: dict[str, Any], actor_label: str = "") -> EntryLine:
    entry = SimpleNamespace(
        payload=payload,
        name="x.y",
        actor_kind="user",
        actor_label=actor_label,
        address=None,
        occurred_at=None,
    )
    return EntryLine.of(cast(StoredEvent, entry), {KNOWN: "a@b.example"})


def test_details_of_the_log_name_nobody_twice() -> None:
    named = {"user_id": str(KNOWN), "email": "a@b.example"}
    assert line_of(named).summary == "email: a@b.example"
    assert line_of({"user_id": str(KNOWN)}, "a@b.example").summary == ""
    assert line_of({"user_id": str(KNOWN)}, "c@d.example").summary == "user: a@b.example"


def test_details_of_the_log_name_people_have_times_in_words_and_no_names_of_the_language() -> None:
    told = {
        "user_id": None,
        "ends": [None, "2026-03-04T05:06:07.890Z"],
        "changed": {"until": "2026-03-04T05:06:07+00:00", "reason": None},
        "text": "2026-03-04",
        "member_id": str(KNOWN),
        "group_id": str(UNKNOWN),
        "added": (str(UNKNOWN), str(KNOWN)),
        "removed": [str(UNKNOWN), str(UNKNOWN)],
        "roles": {str(KNOWN): "viewer"},
    }
    line = line_of(told)
    assert line.summary == (
        "ends: –, 4 Mar 2026, 05:06 UTC; changed: until: 4 Mar 2026, 05:06 UTC, reason: –; "
        "text: 2026-03-04; member: a@b.example; added: a@b.example, 1 more; removed: 2 in all; "
        "roles: a@b.example: viewer"
    )


async def test_who_gives_a_group_a_role_finds_their_own_roles_and_is_told_that_rights_add_up(
    enter_as: EnterAs, acme: Organisation, client: httpx.AsyncClient
) -> None:
    headers = await acme.headers(client, "owner")
    made = {"name": "release-desk", "permissions": ["project:read"]}
    await client.post("/v1/roles", json=made, headers=headers)
    visitor = await enter_as(acme, "owner")
    await visitor.open("/settings/groups")
    assert "rights add up" in visitor.text
    group = {"name": "Desk", "role": "release-desk"}
    answer = await client.post("/v1/groups", json=group, headers=headers)
    path = f"/settings/groups/{answer.json()['id']}"
    await visitor.open(path)
    assert '<option value="release-desk" selected>' in visitor.page
    assert 'value="owner"' not in visitor.page
    person = acme.people["developer"]
    await visitor.send(f"{path}/members", {"email": person.email})
    await visitor.open(f"/settings/users/{person.id}")
    assert "By groups they have: release-desk." in visitor.text
