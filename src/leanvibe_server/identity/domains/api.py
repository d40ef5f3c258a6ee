"""Domains of a tenant over HTTP."""

from typing import Annotated

from leanvibe_server.identity.domains import service
from leanvibe_server.identity.domains.schemas import DomainView, NewDomain
from leanvibe_server.identity.federation.api import MANAGE, MANAGE_OUTSIDE, SSO
from leanvibe_server.kernel.access import Errand, Permission, may
from leanvibe_server.kernel.errors import (
    Conflict,
    InvalidRequest,
    NotFound,
    ServiceUnavailable,
)
from leanvibe_server.kernel.http import PathId, Router, refuses
from leanvibe_server.kernel.pagination import Page, PageQuery, page_of
from leanvibe_server.kernel.scope import Scope

router = Router()


@router.post("/auth/sso/domains", status_code=201, tags=SSO, responses=refuses(Conflict))
async def add_domain(new: NewDomain, scope: Annotated[Scope, MANAGE]) -> DomainView:
    """Note an e-mail domain to prove. The answer says which TXT record to add at your name
    servers."""
    return DomainView.of(await service.add(scope, new.domain))


@router.get("/auth/sso/domains", tags=SSO)
async def list_domains(
    page: PageQuery, scope: Annotated[Scope, may(Permission.SECURITY_READ)]
) -> Page[DomainView]:
    """The domains of your tenant, proved or not, with their records."""
    found = await service.list_domains(scope, page)
    return page_of(found, page, DomainView.of, lambda domain: domain.id)


@router.post(
    "/auth/sso/domains/{domain_id}/verify",
    tags=SSO,
    responses=refuses(InvalidRequest, NotFound, Conflict, ServiceUnavailable),
)
async def verify_domain(domain_id: PathId, errand: Annotated[Errand, MANAGE_OUTSIDE]) -> DomainView:
    """Look for the TXT record now.

    A proved domain lets your identity providers open the accounts that are there for its
    addresses, and leads its people to your sign-in.
    """
    return DomainView.of(await service.verify(errand, domain_id))


@router.delete(
    "/auth/sso/domains/{domain_id}", status_code=204, tags=SSO, responses=refuses(NotFound)
)
async def delete_domain(domain_id: PathId, scope: Annotated[Scope, MANAGE]) -> None:
    """Call a domain yours no more."""
    await service.delete(scope, domain_id)
