"""The SDK on second factors."""

import httpx
import pytest

from leanvibe import LeanVibeClient, exceptions
from leanvibe_server.wiring import Doors
from tests.conftest import FakeClock
from tests.contract.test_sdk import BASE_URL, missing, sdk  # noqa: F401  # a fixture
from tests.given import Organisation
from tests.identity.mfa.authenticator import Key
from tests.identity.mfa.given_factors import totp_code


async def test_factors_are_set_up_used_and_removed(
    sdk: LeanVibeClient,  # noqa: F811
    doors: Doors,
    acme: Organisation,
    clock: FakeClock,
) -> None:
    owner = acme.people["owner"]
    begun = await sdk.mfa.setup()
    assert begun.secret is not None
    done = await sdk.mfa.verify(totp_code(begun.secret, clock))
    assert done.message
    key_setup = await sdk.mfa.setup("webauthn", name="Key ring")
    assert key_setup.options is not None
    key = Key()
    await sdk.mfa.verify(method="webauthn", credential=key.create(dict(key_setup.options)))
    clock.advance(seconds=60)
    transport = httpx.ASGITransport(app=doors.app, raise_app_exceptions=False)
    async with LeanVibeClient(base_url=BASE_URL, transport=transport) as other:
        with pytest.raises(exceptions.MfaRequiredError) as asked:
            await other.auth.login(email=owner.email, password=owner.password)
        token = asked.value.details["mfa_token"]
        step = await other.mfa.ask(token, "webauthn")
        assert not missing(step)
        with pytest.raises(exceptions.AuthenticationError):
            await other.mfa.complete(token, "000000")
        login = await other.mfa.complete(token, totp_code(begun.secret, clock))
        assert not missing(login)
        assert (await other.auth.me()).email == owner.email
        offer = await other.mfa.passkey_options()
        await other.mfa.passkey_login(offer.passkey_token, key.get(dict(offer.options)))
    listed = await sdk.mfa.list()
    assert not missing(listed)
    assert sorted(one.method for one in listed.data) == ["totp", "webauthn"]
    own = next(one for one in listed.data if one.method == "webauthn")
    assert not missing(renamed := await sdk.mfa.rename(own.id, "Key on my key ring"))
    assert (renamed.id, renamed.name) == (own.id, "Key on my key ring")
    assert len((await sdk.mfa.new_backup_codes()).backup_codes) == 8
    stepping = await sdk.mfa.ask_to_step_up("webauthn")
    await sdk.auth.step_up(credential=key.get(dict(stepping.options or {})))
    for one in listed.data:
        await sdk.mfa.remove(one.id)
    assert (await sdk.mfa.list()).data == []
    reset = await sdk.mfa.reset(acme.people["viewer"].id)
    assert reset.success
