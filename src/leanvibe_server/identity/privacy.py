"""What identity keeps of people, and how it forgets one."""

from leanvibe_server.identity import lineage, lookup
from leanvibe_server.identity.mfa.registry import forget_keys_of
from leanvibe_server.identity.repository import people as rows
from leanvibe_server.kernel.access import Role
from leanvibe_server.kernel.errors import Conflict
from leanvibe_server.kernel.personal_data import Retention, Subject, TableData
from leanvibe_server.kernel.platform import PLATFORM_TENANT
from leanvibe_server.kernel.scope import Scope

SIGN_IN = "Signing in and keeping accounts safe"
PROVISIONING = "Provisioning by the organisation's directory"
SECOND = "Second factors"
_USER = "user_id = {person}"


def _secret(*columns: str) -> frozenset[str]:
    return frozenset(columns)


TABLES = (
    TableData(
        "mfa_sent_codes", SECOND, ("codes, hashed",), person=_USER,
        withheld=_secret("code_hash"), erasure="delete", exported=False,
    ),
    TableData(
        "mfa_backup_codes", SECOND, ("codes, hashed",), person=_USER,
        withheld=_secret("salt", "code_hash"), erasure="delete",
    ),
    TableData(
        "mfa_challenges", SECOND, ("sign-in under way",), person=_USER,
        withheld=_secret("token_hash", "browser_hash", "account_mark", "webauthn_challenge"),
        erasure="delete", exported=False,
    ),
    TableData(
        "mfa_factors", SECOND, ("telephone number", "authenticators and their names"),
        person=_USER, erasure="delete",
        withheld=_secret("secret_sealed", "credential_id", "public_key", "webauthn_challenge"),
    ),
    TableData(
        "outgoing_sms", "Sending text messages to people", ("telephone number, sealed",),
        # A number is sealed and so tells nobody's; what was sent is removed within a week.
        withheld=_secret("recipient_sealed", "body_sealed"), exported=False,
        retention=Retention("created_at", days=7, shortest=1, longest=7),
    ),
    TableData(
        "refresh_tokens",
        SIGN_IN,
        ("times of use",),
        person="session_id IN (SELECT id FROM sessions s WHERE s.tenant_id = $1"
        " AND s.user_id = {person})",
        withheld=_secret("token_hash", "client_hash"),
        erasure="delete",
    ),
    TableData(
        "saml_sessions",
        SIGN_IN,
        ("name at the identity provider",),
        # By the sessions too: a provider may know a person by an attribute and not by the NameID,
        # and an account that was unlinked is no identity any more.
        person="((provider_id, name_id) IN (SELECT provider_id, subject FROM federated_identities f"
        " WHERE f.tenant_id = $1 AND f.user_id = {person}) OR (provider_id, remote_session) IN"
        " (SELECT provider_id, remote_session FROM sessions s WHERE s.tenant_id = $1"
        " AND s.user_id = {person}))",
        erasure="delete",
    ),
    TableData(
        "known_devices",
        SIGN_IN,
        ("browser and network, hashed together", "times of use"),
        person=_USER,
        withheld=_secret("mark"),
        erasure="delete",
        retention=Retention("last_seen_at", days=180, shortest=30, longest=365),
    ),
    TableData(
        "sessions",
        SIGN_IN,
        ("network address", "browser", "times of use"),
        person=_USER,
        withheld=_secret("cookie_hash"),
        erasure="delete",
        retention=Retention("ended_at", days=30, shortest=1, longest=30),
    ),
    TableData(
        "password_history",
        SIGN_IN,
        ("former passwords, hashed",),
        person=_USER,
        withheld=_secret("password_hash"),
        erasure="delete",
    ),
    TableData(
        "mail_links",
        SIGN_IN,
        ("e-mail address",),
        person=_USER,
        withheld=_secret("token_hash"),
        erasure="delete",
    ),
    TableData(
        "invitations", SIGN_IN, ("times", "who invited"), person=_USER,
        withheld=_secret("token_hash"), erasure="delete",
    ),
    TableData(
        "api_keys",
        "Programs that act for a person",
        ("name of the key", "network address"),
        person=_USER,
        withheld=_secret("key_hash"),
        erasure="delete",
    ),
    TableData(
        "federated_identities",
        SIGN_IN,
        ("e-mail address", "subject at the identity provider"),
        person=_USER,
        erasure="delete",
    ),
    TableData(
        "oidc_flows", SIGN_IN, ("sign-in under way",), person="link_user_id = {person}",
        withheld=_secret("state_hash", "browser_hash", "ticket"), erasure="delete", exported=False,
    ),
    TableData(
        "saml_requests", SIGN_IN, ("sign-in under way",), person="link_user_id = {person}",
        withheld=_secret("handle_hash", "browser_hash"), erasure="delete", exported=False,
    ),
    TableData(
        "oidc_id_tokens", SIGN_IN, ("what the identity provider said, sealed",), person=_USER,
        withheld=_secret("id_token_sealed"), erasure="delete", exported=False,
    ),
    TableData("oidc_logouts", SIGN_IN, exported=False),
    TableData("saml_messages", SIGN_IN, exported=False),
    TableData("saml_readings", SIGN_IN),
    TableData("sso_reminders", SIGN_IN, exported=False),
    TableData("saml_keys", SIGN_IN, withheld=_secret("private_key_sealed", "certificate")),
    TableData(
        "oidc_client_keys", SIGN_IN, withheld=_secret("private_key_sealed", "certificate")
    ),
    TableData("sso_providers", SIGN_IN, withheld=_secret("client_secret_sealed")),
    TableData("domains", SIGN_IN, withheld=_secret("challenge")),
    TableData(
        "scim_profiles", PROVISIONING, ("name", "e-mail address", "attributes of the directory"),
        person=_USER, erasure="delete",
    ),
    TableData(
        "group_members", PROVISIONING, ("membership",), person=_USER, erasure="delete"
    ),
    TableData("groups", PROVISIONING),
    TableData(
        "scim_tokens", PROVISIONING, ("who made it",), person="created_by = {person}",
        withheld=_secret("token_hash"),
        kept_because="belongs to the organisation; its maker is a pseudonym",
    ),
    TableData("oauth_tokens", "Programs of the organisation", exported=False),
    TableData(
        "oauth_clients", "Programs of the organisation",
        ("network address of the program", "who made it"), person="created_by = {person}",
        withheld=_secret("secret_hash", "previous_hash"),
        kept_because="belongs to the organisation; its maker is a pseudonym",
    ),
    TableData(
        "service_accounts", "Programs of the organisation", ("who made it",),
        person="created_by = {person}",
        kept_because="belongs to the organisation; its maker is a pseudonym",
    ),
    TableData("roles", "Who may do what", ("who made it",), person="created_by = {person}",
        kept_because="belongs to the organisation; its maker is a pseudonym"),
    TableData("delegated_visits", "Who acted for an organisation below", exported=False),
    TableData(
        "directory", "Finding a person by e-mail address", ("keyed hash of the e-mail address",),
        person=_USER, withheld=_secret("email_hash"), erasure="delete",
    ),
    TableData(
        "users",
        "Accounts of people",
        ("e-mail address", "name", "role", "times of sign-in"),
        person="id = {person}",
        withheld=_secret("password_hash"),
        erasure="delete",
    ),
)  # fmt: skip


async def forget(scope: Scope, subject: Subject) -> dict[str, int]:
    """Refuse to leave an organisation without an owner, and forget where a person lives.

    Runs before any row is deleted. Raises: Conflict: the last owner.
    """
    chief = Role.PLATFORM_ADMIN if scope.tenant_id == PLATFORM_TENANT else Role.OWNER
    chiefs = await rows.lock_active_of_role(scope.conn, scope.tenant_id, chief.value)
    if chiefs == [subject.user_id]:
        raise Conflict(
            f"This is the last active {chief.value}. Make somebody else {chief.value} first."
        )
    user = await rows.find_user(scope.conn, scope.tenant_id, subject.user_id)
    if user is not None:
        # What a key of theirs made ends with it, and the owners learn what goes on.
        await lineage.end_keys_of(scope, user, reason="person erased")
        await lineage.tell_owners(scope, user)
    forgotten: dict[str, int] = {}
    if keys := await forget_keys_of(scope, subject.user_id):
        forgotten["webauthn_credentials"] = keys
    if await lookup.forget_user(scope, subject.user_id):
        forgotten["remote_directory"] = 1
    return forgotten
