"""Second factors, as far as an account needs them: a code that proves its bearer once more."""

from leanvibe_server.identity.models import User
from leanvibe_server.kernel.access import Errand
from leanvibe_server.kernel.errors import InvalidRequest


async def verify_code(errand: Errand, user: User, code: str) -> tuple[str, ...]:
    """The methods (RFC 8176) that a code of the user proves. A code is good once.

    Raises: Forbidden: the code is wrong, which is counted. InvalidRequest: the user has set up
        no factor that gives codes.
    """
    raise InvalidRequest(
        "You have set up no second factor that gives codes. Send your `password`.",
        details={"field": "mfa_code", "validation_errors": ["mfa_code: no factor is set up"]},
    )
