"""What pages say where something is wrong, or is not there."""

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
