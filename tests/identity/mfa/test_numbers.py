"""To which telephone numbers codes are sent: to mobile ones, in countries that were chosen."""

from dataclasses import replace

import pytest

from leanvibe_server.identity.mfa.mobile_ranges import MOBILE
from leanvibe_server.identity.mfa.numbers import require_number
from leanvibe_server.kernel.config import Settings
from leanvibe_server.kernel.errors import InvalidRequest

SETTINGS = Settings()


@pytest.mark.parametrize(
    "number",
    [
        "+1 (415) 555-0123", "+15205550123", "+16045550123", "+17875550123",
        "+44 7400 123456", "+49 1512 3456789", "+33 6 12 34 56 78", "+39 320 345 6789",
        "+34 612 345 678", "+31 6 12345678", "+41 78 123 45 67", "+43 664 123456",
        "+45 32123456", "+46 70 123 45 67", "+47 40612345", "+48 512 345 678", "+61 412 345 678",
        "+353 85 012 3456", "+420 601 123 456", "+36 20 123 4567", "+354 611 1234",
    ],
)  # fmt: skip
def test_mobile_numbers_are_taken(number: str) -> None:
    assert require_number(SETTINGS, number) == "+" + "".join(c for c in number if c.isdigit())


@pytest.mark.parametrize(
    "number",
    [
        # Premium, shared cost, personal, toll-free, pagers, voice over IP, landlines.
        "+19002345678", "+18002345678", "+18332345678", "+15002345678", "+15222345678",
        "+16002345678", "+449012345678", "+448431234567", "+447012345678", "+447640123456",
        "+445612345678", "+442071234567", "+499001234567", "+491801234567", "+497001234567",
        "+491641234", "+33891123456", "+33820123456", "+33912345678", "+39899123456",
        "+391781234567", "+34803123456", "+34901123456", "+31900123456", "+31662345678",
        "+41900123456", "+43900123456", "+43720123456", "+43662123456", "+32902345", "+4690012345",
        "+4590012345", "+4790012", "+48701234567", "+61190123456", "+35315501234",
        # Islands that share +1 with the United States.
        "+18765550123", "+18095550123", "+14415550123", "+16495550123", "+12845550123",
    ],
)  # fmt: skip
def test_sec_totp_otp_11_numbers_that_cost_extra_or_are_nobody_s_are_refused(number: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        require_number(SETTINGS, number)
    assert refused.value.details["field"] == "phone"


@pytest.mark.parametrize("number", ["+23591234567", "+9601234567", "+88216123456", "+79161234567"])
def test_sec_totp_otp_11_other_countries_are_refused_unless_the_operator_adds_them(
    number: str,
) -> None:
    with pytest.raises(InvalidRequest, match="country"):
        require_number(SETTINGS, number)
    everywhere = replace(SETTINGS, sms_countries="+1,+235,+960,+882,+7")
    assert require_number(everywhere, number) == number


def test_every_country_of_the_default_says_which_of_its_numbers_are_mobile() -> None:
    named = {code.strip().removeprefix("+") for code in SETTINGS.sms_countries.split(",")}
    assert named - {"1"} == set(MOBILE)
