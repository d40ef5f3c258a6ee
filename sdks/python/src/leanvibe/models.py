"""The shapes of the API's answers. Newer servers may add fields; those are kept too."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from leanvibe._records import Record

__all__ = [
    "Actor",
    "ApiKey",
    "AuditEntry",
    "BillingUsage",
    "CodeCompletion",
    "CodeFile",
    "Deliverables",
    "Group",
    "Identity",
    "LinkedIdentities",
    "LinkedIdentity",
    "Login",
    "OAuthClient",
    "Project",
    "QuotaCheck",
    "Record",
    "SamlKey",
    "SamlProvider",
    "SamlServiceProvider",
    "ScimToken",
    "SecurityPolicy",
    "ServiceAccount",
    "Session",
    "SessionList",
    "SignedInUser",
    "SsoDomain",
    "SsoProvider",
    "SsoProviderTest",
    "SsoRedirect",
    "Task",
    "TaskBatch",
    "TaskCode",
    "TaskDiff",
    "TaskProblem",
    "TaskStatus",
    "TaskStep",
    "TaskUpdate",
    "Tenant",
    "TenantUsage",
    "UpgradeOption",
    "User",
    "WaysIn",
]


class UpgradeOption(Record):
    """A plan that would lift the limit; `monthly_price` in cents."""

    plan: str
    monthly_price: int
    benefits: list[str]


class User(Record):
    """A person in a tenant."""

    id: str
    email: str
    username: str
    role: str
    status: str
    is_active: bool
    email_verified: bool
    tenant_id: str
    expires_at: datetime | None = None
    last_login_at: datetime | None = None
    created_at: datetime


class Role(Record):
    """A role and what it permits. `id` is None for a role every tenant has."""

    id: str | None = None
    name: str
    description: str
    built_in: bool
    permissions: list[str]
    users_count: int
    assignable: bool


class RoleList(Record):
    """Every role of the tenant."""

    data: list[Role]


class Member(Record):
    """Somebody with a role on one project."""

    user_id: str
    email: str
    username: str
    role: str
    permissions: list[str]
    created_at: datetime


class Organization(Record):
    """An organisation below one's own; `depth` is how far below."""

    id: str
    slug: str
    organization_name: str
    display_name: str
    status: str
    plan: str
    data_residency: str
    parent_tenant_id: str
    depth: int
    children_count: int
    created_at: datetime


class PendingInvitation(Record):
    """Somebody who was invited and has not come yet."""

    user_id: str
    email: str
    username: str
    role: str
    sent_at: datetime | None = None
    expires_at: datetime | None = None


class InvitationResult(Record):
    """What came of one line: `status` is invited or refused, `error` says why."""

    index: int
    email: str
    status: str
    user_id: str | None = None
    error: Record | None = None


class BulkResult(Record):
    """What came of each line, in their order."""

    data: list[InvitationResult]
    invited: int
    refused: int


class SignedInUser(Record):
    """The person a session belongs to."""

    id: str
    email: str
    username: str
    role: str
    tenant_id: str


class Login(Record):
    """A session that was just opened, renewed or moved; `expires_in` in seconds."""

    success: bool
    access_token: str
    refresh_token: str
    token_type: str
    expires_in: int
    user: SignedInUser
    device_token: str | None = None


class Factor(Record):
    """One second factor, without its secret."""

    id: str
    method: str
    name: str
    created_at: datetime
    last_used_at: datetime | None
    synced: bool


class FactorList(Record):
    """One's second factors, and what the organisation asks for."""

    data: list[Factor]
    backup_codes_left: int
    allowed_methods: list[str]
    required: bool


class MfaSetup(Record):
    """A factor that is being set up: what is there depends on its method."""

    method: str
    secret: str | None = None
    qr_code: str | None = None
    backup_codes: list[str] | None = None
    sent_to: str | None = None
    expires_in: int | None = None
    options: dict[str, Any] | None = None


class MfaVerified(Record):
    """A factor counts from now on."""

    message: str


class MfaChallenge(Record):
    """A code is on its way, or a key is to sign `options`."""

    method: str
    sent_to: str | None
    expires_in: int
    options: dict[str, Any] | None


class BackupCodes(Record):
    """Codes that are good once each."""

    backup_codes: list[str]


class MfaReset(Record):
    """Somebody's second factors are gone."""

    success: bool
    sessions_ended: int


class PasskeyOptions(Record):
    """What a passkey is to sign."""

    passkey_token: str
    expires_in: int
    options: dict[str, Any]


class Identity(Record):
    """Who the credentials speak for, and what they may do; `session` is None for an API key."""

    id: str
    email: str
    username: str
    role: str
    status: str
    tenant_id: str
    permissions: list[str]
    tenant: Record
    session: Record | None = None


class Session(Record):
    """One sign-in of a person: on what device, from where, and until when it holds."""

    id: str
    kind: str
    device: str
    address: str | None = None
    amr: list[str]
    current: bool
    created_at: datetime
    authenticated_at: datetime
    last_seen_at: datetime
    expires_at: datetime


class SessionList(Record):
    """Live sessions, oldest first."""

    data: list[Session]


class SsoRedirect(Record):
    """Where to send the browser to sign in; `state` comes back with the code."""

    provider: str
    redirect_url: str
    state: str
    expires_in: int


class SsoProvider(Record):
    """An identity provider, without its secret."""

    id: str
    provider_type: str
    protocol: str
    provider_name: str
    slug: str
    enabled: bool
    issuer: str
    client_id: str | None
    has_client_secret: bool
    redirect_uri: str
    settings: dict[str, Any]
    default_role: str
    role_mapping: list[dict[str, str]]


class SsoProviderTest(Record):
    """What a look at a provider found."""

    success: bool
    checks: list[dict[str, Any]]


class SsoDomain(Record):
    """A domain and the TXT record that proves it."""

    id: str
    domain: str
    status: str
    record_name: str
    record_value: str
    verified_at: datetime | None


class WaysIn(Record):
    """How people with an address of a domain sign in."""

    methods: list[str]
    provider: dict[str, str] | None
    providers: list[dict[str, str]]


class LinkedIdentity(Record):
    """An account at a provider by which one may sign in."""

    id: str
    provider_id: str
    provider_name: str
    provider_type: str
    email: str | None


class LinkedIdentities(Record):
    """The accounts by which one may sign in."""

    data: list[LinkedIdentity]


class SamlKey(Record):
    """A certificate of the tenant's service provider: next, current or previous."""

    id: str
    status: str
    fingerprint: str
    certificate: str
    created_at: datetime
    valid_until: datetime
    retires_at: datetime | None = None


class SamlServiceProvider(Record):
    """What an identity provider has to know about the tenant."""

    entity_id: str
    metadata_url: str
    acs_url: str
    shared_acs_url: str
    logout_url: str
    certificates: list[SamlKey]


class SamlProvider(Record):
    """An identity provider the tenant trusts."""

    id: str
    tenant_id: str
    provider_type: str
    protocol: str
    provider_name: str
    slug: str
    enabled: bool
    issuer: str
    redirect_uri: str
    settings: dict[str, Any]
    default_role: str
    created_at: datetime
    updated_at: datetime


class SecurityPolicy(Record):
    """What a tenant asks of passwords, factors, sessions and addresses; None: the product's own."""

    password_min_length: int
    password_history: int
    session_idle_minutes: int | None = None
    session_absolute_hours: int | None = None
    max_sessions: int | None = None
    allowed_networks: list[str]
    mfa_required: bool
    mfa_methods: list[str]
    sso_required: bool
    your_address: str | None = None


class ApiKey(Record):
    """A key for programs; `key` is there once, in the answer to its creation."""

    id: str
    name: str
    key: str | None = None
    prefix: str
    scopes: list[str]
    user_id: str
    created_at: datetime
    expires_at: datetime | None = None
    last_used_at: datetime | None = None
    revoked_at: datetime | None = None
    last_used_address: str | None = None
    rate_limit_per_minute: int | None = None
    allowed_addresses: list[str] | None = None
    replaces: str | None = None


class ServiceAccount(Record):
    """An account for programs."""

    id: str
    name: str
    description: str
    role: str
    status: str
    created_at: datetime


class OAuthClient(Record):
    """Client credentials; `client_secret` is there once, in the answer that made it."""

    id: str
    client_id: str
    client_secret: str | None = None
    name: str
    scopes: list[str]
    service_account_id: str
    created_at: datetime
    revoked_at: datetime | None = None


class Group(Record):
    """Some people of the tenant, and the role they get by it."""

    id: str
    name: str
    description: str
    role: str | None = None
    members_count: int
    created_at: datetime


class ScimToken(Record):
    """A token for a provisioning client; `token` is there once, in the answer that made it."""

    id: str
    name: str
    token: str | None = None
    base_url: str | None = None
    prefix: str
    expires_at: datetime
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None


class Tenant(Record):
    """An organisation and its plan; `info` adds its limits and what it uses."""

    id: str
    organization_name: str
    display_name: str
    slug: str
    status: str
    is_active: bool
    plan: str
    data_residency: str
    parent_tenant_id: str | None = None
    configuration: Record
    quotas: Record | None = None
    current_usage: Record | None = None
    created_at: datetime
    trial_ends_at: datetime | None = None
    deletes_at: datetime | None = None


class TenantUsage(Record):
    """What the tenant has used of what its plan allows."""

    tenant_id: str
    users_count: int
    projects_count: int
    api_calls_this_month: int
    storage_used_mb: float
    ai_requests_today: int
    concurrent_sessions: int
    quotas: Record
    last_updated: datetime


class QuotaCheck(Record):
    """Whether an amount still fits into a quota."""

    quota_type: str
    available: bool
    current_usage: int
    quota_limit: int
    requested_amount: int
    remaining: int


class Project(Record):
    """A git repository and how the engine may work on it."""

    id: str
    name: str
    description: str
    tech_stack: list[str]
    repository_url: str
    hosted: bool
    default_branch: str | None = None
    ai_assistance_level: str
    configuration: Record
    has_credentials: bool
    is_default: bool
    created_at: datetime
    updated_at: datetime


class Deliverables(Record):
    """What a task made, counted from its diff."""

    files_created: int | None = None
    files_changed: int | None = None
    tests_written: int | None = None
    api_endpoints: int | None = None


class TaskProblem(Record):
    """Why a task failed; `code` is stable, `details` say what would help."""

    code: str
    message: str
    details: dict[str, Any]


class Task(Record):
    """A piece of development work on one project.

    `extra` holds the fields of the request the API does not know, `run` counts the attempts,
    `delivery` is `branch` or `patch`.
    """

    id: str
    status: str
    project_id: str
    title: str
    description: str | None = None
    priority: str | None = None
    estimated_complexity: str | None = None
    requirements: dict[str, Any]
    extra: dict[str, Any]
    run: int
    progress_percentage: int
    current_step: str | None = None
    milestones_completed: list[str]
    next_milestones: list[str]
    estimated_duration_minutes: float | None = None
    estimated_completion: datetime | None = None
    assigned_agent: str | None = None
    deliverables: Deliverables | None = None
    quality_score: float | None = None
    quality: Record | None = None
    error: TaskProblem | None = None
    recipe: str | None = None
    plan: Record | None = None
    branch: str | None = None
    base_branch: str | None = None
    base_commit: str | None = None
    commit_sha: str | None = None
    delivery: str | None = None
    delivery_reason: str | None = None
    branch_deleted_at: datetime | None = None
    parent_task_id: str | None = None
    created_by: str | None = None
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None = None
    completed_at: datetime | None = None
    tracking_url: str
    websocket_url: str

    @property
    def finished(self) -> bool:
        """Whether nothing more will happen to this task."""
        return self.status in FINISHED


FINISHED = frozenset({"completed", "failed", "cancelled"})


class TaskBatch(Record):
    """Several tasks asked for at once; `not_found` are the ids of the others."""

    data: list[Task]
    not_found: list[str]


class TaskStep(Record):
    """One of the six steps of a task's current run."""

    position: int
    name: str
    status: str
    output: Record | None = None
    tool_calls: list[Record]
    error: TaskProblem | None = None
    cost_cents: float
    started_at: datetime | None = None
    completed_at: datetime | None = None
    duration_ms: int | None = None


class TaskStatus(Record):
    """Where a task stands, step by step."""

    task_id: str
    status: str
    run: int
    progress_percentage: int
    current_step: str | None = None
    steps: list[TaskStep]
    error: TaskProblem | None = None


class CodeFile(Record):
    """One file a task wrote; `content` is None where it is binary, deleted or too large."""

    path: str
    content: str | None = None
    kind: str
    status: str


class TaskCode(Record):
    """What a task wrote, as a whole and file by file."""

    task_id: str
    title: str
    code: str
    tests: str
    documentation: str
    files: list[CodeFile]
    completed_at: datetime | None = None


class TaskDiff(Record):
    """The change a task made, as a unified diff against `base_commit`."""

    task_id: str
    diff: str
    branch: str | None = None
    base_branch: str | None = None
    base_commit: str | None = None
    commit_sha: str | None = None
    delivery: str | None = None
    delivery_reason: str | None = None


class TaskUpdate(Record):
    """One message of a task's live stream; `event_id` is where a later stream may resume."""

    type: str
    event_id: str | None = None
    task_id: str | None = None
    status: str | None = None
    progress_percentage: int | None = None
    percentage: int | None = None
    current_step: str | None = None
    message: str | None = None
    timestamp: datetime | None = None
    deliverables: Deliverables | None = None
    quality_score: float | None = None
    error: TaskProblem | None = None
    step: str | None = None
    log: str | None = None


class Actor(Record):
    """Who acted: a user, a key or the product itself."""

    kind: str
    id: str | None = None
    label: str | None = None


class AuditEntry(Record):
    """One thing that happened."""

    id: str
    tenant_id: str
    event_type: str
    area: str
    actor: Actor
    details: dict[str, Any]
    ip_address: str | None = None
    user_agent: str | None = None
    request_id: str | None = None
    timestamp: datetime


class ChainFault(Record):
    """The first entry of the log that is not as it was sealed."""

    kind: str
    message: str
    position: int | None = None
    event_id: str | None = None


class ChainVerdict(Record):
    """Whether the log is what was written."""

    tenant_id: str
    valid: bool
    entries: int
    seals: int
    head: str | None = None
    fault: ChainFault | None = None
    checked_at: datetime


class DataKey(Record):
    """One version of the key that seals the tenant's secrets; never the key itself."""

    version: int
    status: str
    wrapped_by: str
    created_at: datetime
    retired_at: datetime | None = None
    destroyed_at: datetime | None = None


class DataKeys(Record):
    """Every version, newest first."""

    data: list[DataKey]


class PrivacyExport(Record):
    """A ZIP of personal data that was asked for."""

    id: str
    kind: str
    user_id: str | None = None
    status: str
    requested_by: str | None = None
    requested_at: datetime
    ready_at: datetime | None = None
    expires_at: datetime
    size_bytes: int | None = None
    sha256: str | None = None
    download_url: str | None = None


class Erasure(Record):
    """The proof that a person was erased."""

    id: str
    user_id: str
    erased_at: datetime
    certificate: dict[str, Any]
    signature: str
    genuine: bool


class Consent(Record):
    """A consent that was given or withdrawn; the last one of a purpose counts."""

    id: str
    user_id: str
    purpose: str
    version: str
    given: bool
    recorded_at: datetime


class RetentionPeriod(Record):
    """How long the rows of a table are kept."""

    table: str
    purpose: str
    days: int
    default_days: int
    shortest_days: int
    longest_days: int


class RetentionPeriods(Record):
    """Every table whose rows are removed with age."""

    data: list[RetentionPeriod]


class ProcessingActivity(Record):
    """One purpose, and what is processed for it."""

    purpose: str
    legal_bases: list[str]
    data_categories: list[str]
    data_subjects: list[str]
    tables: list[str]
    retention: list[str]
    erasure: list[str]


class ProcessingRecord(Record):
    """The record of processing activities."""

    region: str
    recipients: list[str]
    security_measures: list[str]
    activities: list[ProcessingActivity]


class BillingUsage(Record):
    """The use of the current billing period; money in the currency's minor unit."""

    usage_metrics: Record
    projected_cost: int
    currency: str

    @property
    def api_calls(self) -> int:
        """API calls in this period."""
        return int(self.usage_metrics["api_calls"])


class CodeCompletion(Record):
    """An answer of the completion service; `confidence` is measured or None."""

    status: str
    intent: str | None = None
    response: str
    confidence: float | None = None
    requires_review: bool | None = None
    suggestions: list[str]
    processing_time_ms: float | None = None
