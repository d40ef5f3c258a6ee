"""Second factors, as far as an account needs them: what proves its bearer once more."""

from typing import Any

from leanvibe_server.identity.mfa.service import Answer
from leanvibe_server.identity.mfa.stepping import prove_own
from leanvibe_server.kernel.access import Errand


async def verify_code(
    errand: Errand,
    code: str | None,
    *,
    method: str | None = None,
    credential: dict[str, Any] | None = None,
) -> tuple[str, ...]:
    """The methods (RFC 8176) that a code or key of the caller proves. A code is good once.

    Raises: Forbidden: it is wrong, which is counted. InvalidRequest: the user has set up no
        second factor.
    """
    return await prove_own(errand, Answer(method, code, credential))
