"""Wire shapes of the domains of a tenant, and of the question how somebody signs in."""

from uuid import UUID

from pydantic import BaseModel, Field, model_validator

from leanvibe_server.identity.domains.models import Domain
from leanvibe_server.identity.schemas import Email
from leanvibe_server.kernel.schemas import Timestamp

RECORD_PREFIX = "_leanvibe-challenge"
VALUE_PREFIX = "leanvibe-domain-verification="


class NewDomain(BaseModel):
    """A domain to prove."""

    domain: str = Field(min_length=1, max_length=253, examples=["example.com"])


class DomainView(BaseModel):
    """A domain, and the TXT record that proves it."""

    id: UUID
    domain: str
    status: str = Field(description="pending, verified, or missing: proved, but the record is gone")
    record_type: str
    record_name: str
    record_value: str
    created_at: Timestamp
    verified_at: Timestamp | None
    checked_at: Timestamp | None

    @classmethod
    def of(cls, domain: Domain) -> "DomainView":
        status = "pending"
        if domain.verified_at is not None:
            status = "verified" if domain.missing_since is None else "missing"
        return cls(
            id=domain.id,
            domain=domain.domain,
            status=status,
            record_type="TXT",
            record_name=record_name(domain.domain),
            record_value=record_value(domain.challenge),
            created_at=domain.created_at,
            verified_at=domain.verified_at,
            checked_at=domain.checked_at,
        )


def record_name(domain: str) -> str:
    return f"{RECORD_PREFIX}.{domain}"


def record_value(challenge: str) -> str:
    return f"{VALUE_PREFIX}{challenge}"


class Discovery(BaseModel):
    """Whose way to sign in is asked for: by an address, or by the organisation's short name."""

    email: Email | None = Field(None, description="Only its domain counts")
    tenant: str | None = Field(
        None, min_length=1, max_length=100, description="Id or slug; goes before the address"
    )

    @model_validator(mode="after")
    def _says_one(self) -> "Discovery":
        if self.email is None and self.tenant is None:
            raise ValueError("send `email` or `tenant`")
        return self


class ProviderHint(BaseModel):
    """The provider by which people of an organisation sign in."""

    slug: str
    name: str
    type: str
    tenant: str


class WaysIn(BaseModel):
    """How people with an address of that domain sign in. It is the same for every address of a
    domain, whether somebody has it or not."""

    methods: list[str] = Field(description="`password`, `sso`, or both; the first is preferred")
    provider: ProviderHint | None
    providers: list[ProviderHint]
