"""Wire shapes of the tenancy room."""

import re
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from uuid import UUID

import msgspec
from pydantic import AfterValidator, AwareDatetime, BaseModel, Field

from leanvibe_server.kernel.pagination import Page
from leanvibe_server.kernel.schemas import OneLine, Timestamp
from leanvibe_server.tenancy.models import Tenant


class TenantView(BaseModel):
    """A tenant as its administrators and the platform see it."""

    id: UUID
    organization_name: str
    display_name: str
    slug: str
    subdomain: str = Field(description="The same as `slug`")
    status: str
    is_active: bool
    plan: str
    data_residency: str
    parent_tenant_id: UUID | None
    configuration: dict[str, Any]
    created_at: Timestamp
    trial_ends_at: Timestamp | None
    deletes_at: Timestamp | None = Field(
        description="When a tenant whose status is `deleting` will be gone"
    )

    @classmethod
    def of(cls, tenant: Tenant) -> "TenantView":
        return cls(**facts(tenant))


class TenantDetail(TenantView):
    """One tenant, with how many people it has."""

    user_count: int
    suspended_reason: str | None


def facts(tenant: Tenant) -> dict[str, Any]:
    """What every print of a tenant says."""
    return {
        "id": tenant.id,
        "organization_name": tenant.organization_name,
        "display_name": tenant.display_name,
        "slug": tenant.slug,
        "subdomain": tenant.slug,
        "status": tenant.status,
        "is_active": tenant.status == "active",
        "plan": tenant.plan,
        "data_residency": tenant.data_residency,
        "parent_tenant_id": tenant.parent_tenant_id,
        "configuration": tenant.configuration,
        "created_at": tenant.created_at,
        "trial_ends_at": tenant.trial_ends_at,
        "deletes_at": tenant.deletes_at,
    }


class TenantPage(Page[TenantView]):
    """Tenants. `total` counts all that match, where an `offset` was asked for."""

    total: int | None
    unreachable_regions: list[str] = Field(
        description="Regions that do not answer now: their tenants are missing here, also from "
        "`total`. Empty when the list is whole"
    )


class TenantQuery(BaseModel):
    """Which tenants to list."""

    status: Literal["active", "suspended", "deleting"] | None = Field(
        None, description="How the tenant stands now"
    )
    plan: str | None = Field(None, max_length=100, description="Id, slug or older name of a plan")
    region: str | None = Field(None, max_length=10, description="Also taken as `data_residency`")
    data_residency: str | None = Field(None, max_length=10, json_schema_extra={"deprecated": True})
    parent_tenant_id: UUID | None = Field(None, description="Only those directly below this one")
    q: str | None = Field(
        None, max_length=200, description="Part of a name, a slug or the admin's e-mail"
    )
    created_after: AwareDatetime | None = Field(None, description="Made at this moment or later")
    created_before: AwareDatetime | None = Field(None, description="Made before this moment")
    offset: int | None = Field(
        None, ge=0, le=1_000_000, description="Skip so many; instead of `cursor`. Adds `total`"
    )


MAX_CONFIGURATION_BYTES = 16_384
MAX_SECTIONS = 20
MAX_FEATURES = 50
MAX_DEPTH = 5
_COLOR = re.compile(r"#[0-9a-fA-F]{6}")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,59}")


def check_configuration(value: dict[str, Any]) -> dict[str, Any]:
    """The configuration, if it can be kept and shown.

    Raises: ValueError: with what to put right.
    """
    if len(value) > MAX_SECTIONS or not all(_NAME.fullmatch(name) for name in value):
        raise ValueError(f"takes up to {MAX_SECTIONS} sections, named like `branding`")
    if _depth(value) > MAX_DEPTH:
        raise ValueError(f"may nest {MAX_DEPTH} levels deep")
    if len(msgspec.json.encode(value)) > MAX_CONFIGURATION_BYTES:
        raise ValueError(f"may have {MAX_CONFIGURATION_BYTES} bytes as JSON")
    _check_branding(value.get("branding") or {})
    features = value.get("features") or {}
    if not isinstance(features, dict) or len(features) > MAX_FEATURES:
        raise ValueError(f"features must be an object of up to {MAX_FEATURES} switches")
    for name, wanted in features.items():
        if not _NAME.fullmatch(name) or not isinstance(wanted, bool):
            raise ValueError("features are names like `custom_workflows` with true or false")
    return value


def _check_branding(branding: Any) -> None:
    if not isinstance(branding, dict):
        raise ValueError("branding must be an object")
    color, logo = branding.get("primary_color"), branding.get("logo_url")
    if color is not None and not (isinstance(color, str) and _COLOR.fullmatch(color)):
        raise ValueError("branding.primary_color must be like #1f2937")
    if logo is not None and not (isinstance(logo, str) and is_web_image(logo)):
        raise ValueError("branding.logo_url must be an https:// address of up to 500 characters")


def is_web_image(address: str) -> bool:
    """Whether a browser may be sent there for an image: https, a public-looking name, no
    credentials, nothing that could end an attribute or a header."""
    if len(address) > 500 or not re.fullmatch(r"https://[!-~]+", address):
        return False
    if re.search(r"[\"'<>\\;, ]", address):
        return False
    try:
        parts = urlsplit(address)
        _ = parts.port
    except ValueError:
        return False
    return bool(parts.hostname and "." in parts.hostname and parts.username is None)


def _depth(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max((_depth(inner) for inner in value.values()), default=0)
    if isinstance(value, list):
        return 1 + max((_depth(inner) for inner in value), default=0)
    return 0


Configuration = Annotated[dict[str, Any], AfterValidator(check_configuration)]


class TenantUpdate(BaseModel):
    """What an administrator may change of the own tenant."""

    display_name: Annotated[str, Field(min_length=1, max_length=200), OneLine] | None = Field(
        None,
        description="What the dashboard and mails call the organisation",
        examples=["Enterprise Corp"],
    )
    configuration: Configuration | None = Field(
        None,
        description="Sections such as `branding` (`primary_color` like #1f2937, `logo_url` with "
        "https) and `features` (names with true or false); sections not named stay, null takes "
        "one away",
    )


class Suspension(BaseModel):
    """Why a tenant is suspended. The tenant's admins read it."""

    reason: Annotated[str, Field(min_length=1, max_length=500), OneLine] = Field(
        examples=["Payment overdue"]
    )
