"""The tenant: who it is, what it may use and what it has used."""

from __future__ import annotations

from typing import Any

from leanvibe._faces import Resource, Runner, endpoint
from leanvibe._operations import Call, given, path_of, reads
from leanvibe.models import QuotaCheck, SecurityPolicy, Tenant, TenantUsage


class Tenants(Resource[Runner]):
    """Organisations and their quotas."""

    @endpoint
    def create(
        self,
        /,
        *,
        organization_name: str,
        slug: str,
        admin_email: str,
        plan: str | None = None,
        data_residency: str | None = None,
        idempotency_key: str | None = None,
        **fields: Any,
    ) -> Call[Tenant]:
        """Make a tenant and invite its owner by e-mail."""
        body = {
            **fields,
            **given(
                organization_name=organization_name,
                slug=slug,
                admin_email=admin_email,
                plan=plan,
                data_residency=data_residency,
            ),
        }
        return Call(
            method="POST",
            path="/tenants",
            read=reads(Tenant),
            body=body,
            idempotency_key=idempotency_key,
        )

    @endpoint
    def info(self) -> Call[Tenant]:
        """The caller's tenant, its plan, quotas and use."""
        return Call(method="GET", path="/tenants/me/info", read=reads(Tenant))

    @endpoint
    def security(self) -> Call[SecurityPolicy]:
        """What the tenant asks of passwords, second factors, sessions and addresses."""
        return Call(method="GET", path="/tenants/me/security", read=reads(SecurityPolicy))

    @endpoint
    def set_security(self, /, **fields: Any) -> Call[SecurityPolicy]:
        """Set the security policy: what is not named stays, None is the product's own rule.

        Raises:
            PermissionDeniedError: prove yourself anew with `auth.step_up` first.
            ConflictError: the networks leave out your own address; `force=True` applies them.
        """
        return Call(
            method="PUT", path="/tenants/me/security", read=reads(SecurityPolicy), body=fields
        )

    @endpoint
    def usage(self) -> Call[TenantUsage]:
        """What the caller's tenant has used of its quotas."""
        return Call(method="GET", path="/tenants/me/usage", read=reads(TenantUsage))

    @endpoint
    def quota_check(self, quota_type: str, *, amount: int = 1) -> Call[QuotaCheck]:
        """Whether `amount` more still fits into the quota, such as `api_calls`."""
        return Call(
            method="GET",
            path=path_of("tenants", "me", "quota-check", quota_type),
            read=reads(QuotaCheck),
            query={"amount": amount},
        )
