"""Single sign-on only: a tenant that asks for it lets nobody in by another way.

Owners may still use their password, so that nobody is shut out when the provider fails: that is
noted, and every owner gets a letter.
"""

from leanvibe_server.identity import mails
from leanvibe_server.identity.events import SsoBypassed
from leanvibe_server.identity.models import Proof, User
from leanvibe_server.identity.policy import SecurityPolicy
from leanvibe_server.identity.repository import people
from leanvibe_server.kernel.errors import Forbidden
from leanvibe_server.kernel.scope import Scope

BY_PROVIDER = frozenset({"oidc", "saml"})


def check_method(policy: SecurityPolicy, user: User, proof: Proof) -> None:
    """Raises: Forbidden: the tenant asks for a provider's word, and this is another proof."""
    if proof.method in BY_PROVIDER or not policy.wants_provider(user.role):
        return
    raise Forbidden(
        "Your organisation asks you to sign in through its identity provider. Choose single "
        "sign-on and enter your e-mail address.",
        details={"reason": "sso_required", "login_url": "/login/sso"},
    )


async def note_bypass(scope: Scope, policy: SecurityPolicy, user: User, proof: Proof) -> None:
    """Tell every owner that one of them came in around the provider."""
    if not policy.sso_required or proof.method in BY_PROVIDER:
        return
    await scope.emit(SsoBypassed(user_id=user.id, method=proof.method))
    for address in await people.list_owner_addresses(scope.conn, scope.tenant_id):
        await mails.sso_bypassed(scope, to=address, who=user.email, when=scope.now)
