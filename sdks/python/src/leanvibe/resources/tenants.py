"""The tenant: who it is, what it may use and what it has used."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from leanvibe._faces import Resource, Runner, endpoint, pages
from leanvibe._operations import Call, given, lists, path_of, reads
from leanvibe.models import DataKeys, QuotaCheck, SecurityPolicy, Tenant, TenantDetail, TenantUsage
from leanvibe.pagination import Page


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
    def update_info(
        self,
        /,
        *,
        display_name: str | None = None,
        configuration: Mapping[str, Any] | None = None,
    ) -> Call[Tenant]:
        """Change how the caller's tenant is shown and configured; sections not named stay."""
        return Call(
            method="PUT",
            path="/tenants/me/info",
            read=reads(Tenant),
            body=given(display_name=display_name, configuration=configuration),
        )

    def _list(
        self,
        /,
        *,
        status: str | None = None,
        plan: str | None = None,
        region: str | None = None,
        parent_tenant_id: str | None = None,
        q: str | None = None,
        created_after: str | None = None,
        created_before: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
        offset: int | None = None,
    ) -> Call[Page[Tenant]]:
        """Tenants, newest first. For platform administrators. Times are RFC 3339."""
        return lists(
            Tenant,
            "/tenants",
            status=status,
            plan=plan,
            region=region,
            parent_tenant_id=parent_tenant_id,
            q=q,
            created_after=created_after,
            created_before=created_before,
            limit=limit,
            cursor=cursor,
            offset=offset,
        )

    list = endpoint(_list)
    iterate = pages(_list)

    @endpoint
    def get(self, tenant_id: str) -> Call[TenantDetail]:
        """One tenant: the caller's own, or one below it; for platform administrators any."""
        return Call(method="GET", path=path_of("tenants", tenant_id), read=reads(TenantDetail))

    @endpoint
    def change_plan(
        self,
        tenant_id: str,
        /,
        *,
        plan: str | None = None,
        trial_ends_at: datetime | None = None,
        end_trial: bool | None = None,
    ) -> Call[Tenant]:
        """Put a tenant on another plan, or let its trial end then or now. For platform
        administrators."""
        return Call(
            method="PATCH",
            path=path_of("tenants", tenant_id),
            read=reads(Tenant),
            body=given(plan=plan, trial_ends_at=trial_ends_at, end_trial=end_trial),
        )

    @endpoint
    def suspend(self, tenant_id: str, /, *, reason: str) -> Call[Tenant]:
        """Stop a tenant's writes. For platform administrators."""
        return Call(
            method="POST",
            path=path_of("tenants", tenant_id, "suspend"),
            read=reads(Tenant),
            body={"reason": reason},
        )

    @endpoint
    def reactivate(self, tenant_id: str) -> Call[Tenant]:
        """End a suspension. For platform administrators."""
        return Call(
            method="POST", path=path_of("tenants", tenant_id, "reactivate"), read=reads(Tenant)
        )

    @endpoint
    def delete(
        self, tenant_id: str = "me", /, *, confirm: str, reason: str | None = None
    ) -> Call[Tenant]:
        """Have a tenant deleted, the caller's own unless another is named; `confirm` is its slug.

        It is gone at `deletes_at`, and can be restored until then.
        """
        return Call(
            method="DELETE",
            path=path_of("tenants", tenant_id),
            read=reads(Tenant),
            query=given(confirm=confirm, reason=reason),
        )

    @endpoint
    def restore(self, tenant_id: str = "me", /) -> Call[Tenant]:
        """Take a deletion back, that of the caller's own tenant unless another is named.

        Raises:
            ConflictError: the tenant is not being deleted.
        """
        return Call(
            method="POST", path=path_of("tenants", tenant_id, "restore"), read=reads(Tenant)
        )

    @endpoint
    def data_keys(self) -> Call[DataKeys]:
        """The versions of the key that seals the tenant's secrets."""
        return Call(method="GET", path="/tenants/me/keys", read=reads(DataKeys))

    @endpoint
    def rotate_data_key(self, /, *, idempotency_key: str | None = None) -> Call[DataKeys]:
        """Seal with a new key from now on; what is there is sealed anew in the background."""
        return Call(
            method="POST",
            path="/tenants/me/keys/rotate",
            read=reads(DataKeys),
            body={},
            idempotency_key=idempotency_key,
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
