"""Our own names and addresses as a service provider of one tenant."""

from dataclasses import dataclass

from leanvibe_server.kernel.config import Settings

PATH = "/v1/auth/saml"


@dataclass(frozen=True)
class SpAddresses:
    """What identity providers of one tenant are told about us."""

    entity_id: str
    acs: str
    shared_acs: str
    logout: str
    requests: str

    @property
    def recipients(self) -> frozenset[str]:
        """Where an assertion may be addressed to."""
        return frozenset({self.acs, self.shared_acs})


def addresses_of(settings: Settings, slug: str) -> SpAddresses:
    """The addresses of the tenant with that slug. The entity ID is where the metadata is."""
    base = f"{settings.base_url}{PATH}"
    return SpAddresses(
        entity_id=f"{base}/{slug}/metadata",
        acs=f"{base}/{slug}/acs",
        shared_acs=f"{base}/sso",
        logout=f"{base}/{slug}/slo",
        requests=f"{base}/{slug}/request",
    )


def slug_of(settings: Settings, entity_id: str) -> str | None:
    """The tenant an entity ID of ours names; None when it is none of ours."""
    base = f"{settings.base_url}{PATH}/"
    slug = entity_id.removeprefix(base).removesuffix("/metadata")
    return slug if entity_id == f"{base}{slug}/metadata" and "/" not in slug else None
