"""The Python SDK's methods of privacy, keys and the audit chain, against the whole application."""

import hashlib

import pytest

from leanvibe import LeanVibeClient, exceptions
from tests.compliance.given_exports import write
from tests.contract.test_sdk import missing, sdk
from tests.given import Organisation

__all__ = ["sdk"]


async def test_exports_erasures_and_consents(sdk: LeanVibeClient, acme: Organisation) -> None:
    asked = await sdk.privacy.export(user_id=acme.people["viewer"].id)
    assert not missing(asked)
    assert (await sdk.privacy.get_export(asked.id)).status == "queued"
    own = await sdk.privacy.export_mine()
    assert own.user_id == str(acme.people["owner"].id)
    assert {one.id for one in (await sdk.privacy.exports()).data} == {asked.id, own.id}
    proof = await sdk.privacy.erase(acme.people["guest"].id)
    assert not missing(proof)
    assert (await sdk.privacy.get_erasure(proof.id)).genuine
    assert [one.id async for one in sdk.privacy.iterate_erasures()] == [proof.id]
    with pytest.raises(exceptions.ConflictError):
        await sdk.privacy.erase(acme.people["owner"].id)
    await sdk.privacy.consent("product news", version="1")
    await sdk.privacy.consent("product news", version="1", given=False)
    consents = [one.given async for one in sdk.privacy.iterate_consents()]
    assert consents == [False, True]


async def test_an_export_is_downloaded_once_it_is_ready(
    sdk: LeanVibeClient, acme: Organisation
) -> None:
    asked = await sdk.privacy.export_mine()
    with pytest.raises(exceptions.ConflictError):
        await sdk.privacy.download_export(asked.id)
    await write(acme.house, acme, asked.id)
    ready = await sdk.privacy.get_export(asked.id)
    assert hashlib.sha256(await sdk.privacy.download_export(asked.id)).hexdigest() == ready.sha256


async def test_periods_and_the_record(sdk: LeanVibeClient) -> None:
    periods = await sdk.privacy.set_retention({"event_personal": 365})
    assert not missing(periods)
    now = {one.table: one.days for one in (await sdk.privacy.retention()).data}
    assert now["event_personal"] == 365
    assert not missing(await sdk.privacy.processing())


async def test_keys_and_the_chain(sdk: LeanVibeClient) -> None:
    assert (await sdk.tenants.data_keys()).data == []
    made = await sdk.tenants.rotate_data_key()
    assert not missing(made)
    assert [key.version for key in made.data] == [1]
    log = (await sdk.audit.export_csv(area="auth", event_type="user.login")).decode()
    assert len(log.splitlines()) == 2
    verdict = await sdk.audit.verify()
    assert not missing(verdict)
    assert verdict.valid


async def test_legal_holds(sdk: LeanVibeClient, acme: Organisation) -> None:
    viewer = acme.people["viewer"].id
    hold = await sdk.privacy.place_hold("Smith v. Acme", user_id=viewer)
    assert not missing(hold)
    assert [one.id async for one in sdk.privacy.iterate_holds()] == [hold.id]
    with pytest.raises(exceptions.ConflictError) as refused:
        await sdk.privacy.erase(viewer)
    assert refused.value.code == "legal_hold"
    await sdk.privacy.lift_hold(hold.id, reason="settled")
    assert (await sdk.privacy.holds()).data == []
    assert (await sdk.privacy.erase(viewer)).genuine
