"""Who may change what a provider is believed by, and what they cannot make of it."""

import httpx
import pytest

from tests.given import Organisation
from tests.identity.given_providers import verify_domain
from tests.identity.saml.documents import OTHER, metadata
from tests.identity.saml.provider import connect, deliver

KEEPER = ["security:read", "security:manage", "project:read"]


async def add_keeper(client: httpx.AsyncClient, acme: Organisation) -> dict[str, str]:
    """Somebody of a role of the tenant's own that looks after providers and nothing else."""
    owner = await acme.headers(client)
    role = {"name": "sso-keeper", "permissions": KEEPER}
    made = await client.post("/v1/roles", json=role, headers=owner)
    assert made.status_code == 201, made.text
    path = f"/v1/users/{acme.people['viewer'].id}"
    changed = await client.patch(path, json={"role": "sso-keeper"}, headers=owner)
    assert changed.status_code == 200, changed.text
    return await acme.headers(client, "viewer")


async def test_nobody_comes_to_a_role_above_theirs_by_a_certificate_of_their_own(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    rules = [{"claim": "groups", "value": "it", "role": "admin"}]
    corp = await connect(client, acme, role_mapping=rules, default_role="guest")
    keeper = await add_keeper(client, acme)
    path = f"/v1/auth/sso/providers/{corp.provider_id}"
    own = {"settings": {"metadata_xml": metadata(pairs=(OTHER,))}}
    refused = await client.patch(path, json=own, headers=keeper)
    assert refused.status_code == 403, refused.text
    aside = {"settings": {"groups_attribute": "hobbies"}}
    assert (await client.patch(path, json=aside, headers=keeper)).status_code == 403
    plain = await client.patch(path, json={"provider_name": "Corp login"}, headers=keeper)
    assert plain.status_code == 200
    within = own | {"role_mapping": [], "default_role": "sso-keeper"}
    assert (await client.patch(path, json=within, headers=keeper)).status_code == 200


async def test_a_provider_is_set_up_once_in_an_organisation(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    corp = await connect(client, acme)
    body = {
        "provider_type": "saml",
        "provider_name": "The same again",
        "settings": {"metadata_xml": metadata(pairs=(OTHER,))},
    }
    owner = await acme.headers(client)
    again = await client.post("/v1/auth/sso/providers", json=body, headers=owner)
    assert (again.status_code, again.json()["error"]) == (409, "conflict")
    assert again.json()["details"]["provider_id"] == str(corp.provider_id)
    path = f"/v1/auth/sso/providers/{corp.provider_id}"
    assert (await client.delete(path, headers=owner)).status_code == 204
    added = await client.post("/v1/auth/sso/providers", json=body, headers=owner)
    assert added.status_code == 201


@pytest.mark.parametrize(
    ("wanted", "proved", "status"),
    [("nobody", True, 403), ("verified_domains", False, 403), ("verified_domains", True, 200)],
)
async def test_an_admin_says_who_gets_an_account(
    client: httpx.AsyncClient, acme: Organisation, wanted: str, proved: bool, status: int
) -> None:
    corp = await connect(client, acme, settings={"newcomers": wanted})
    if proved:
        await verify_domain(acme.house, acme, corp.email.partition("@")[2])
    answer = await deliver(client, await corp.set_off())
    assert answer.status_code == status, answer.text
