"""People coming and going, over HTTP."""

from enum import Enum
from typing import Annotated

from fastapi import Body, Query

from leanvibe_server.entitlements.errors import QuotaExceeded
from leanvibe_server.identity.people import inviting, profile, service
from leanvibe_server.identity.people.schemas import (
    BulkInvitation,
    BulkResult,
    CsvInvitation,
    CsvText,
    Handover,
    InvitationQuery,
    PendingInvitation,
    PersonFactors,
    PersonGroups,
    PersonView,
    UserQuery,
)
from leanvibe_server.identity.schemas import UserView
from leanvibe_server.kernel.access import Permission, may
from leanvibe_server.kernel.errors import (
    Conflict,
    NotFound,
)
from leanvibe_server.kernel.http import PathId, Router, refuses
from leanvibe_server.kernel.pagination import Page, PageQuery, page_of
from leanvibe_server.kernel.scope import Scope

router = Router()
PEOPLE: list[str | Enum] = ["Users"]


@router.get("/users", tags=PEOPLE)
async def list_users(
    page: PageQuery,
    query: Annotated[UserQuery, Query()],
    scope: Annotated[Scope, may(Permission.USER_READ)],
) -> Page[PersonView]:
    """The people of your tenant, all or those that match. Filters are joined by "and"."""
    rows = await service.list_people(scope, query, page)
    return page_of(rows, page, lambda person: person, lambda person: person.id)


@router.get("/users/{user_id}", tags=PEOPLE, responses=refuses(NotFound))
async def get_user(
    user_id: PathId, scope: Annotated[Scope, may(Permission.USER_READ)]
) -> PersonView:
    """One person of your tenant."""
    return await service.require_person(scope, user_id)


@router.get("/users/{user_id}/mfa", tags=PEOPLE, responses=refuses(NotFound))
async def list_factors_of_user(
    user_id: PathId, scope: Annotated[Scope, may(Permission.USER_UPDATE)]
) -> PersonFactors:
    """The second factors a person has set up. Remove them all with
    `POST /v1/users/{user_id}/mfa/reset` when they are lost."""
    return await profile.describe_factors(scope, user_id)


@router.get("/users/{user_id}/groups", tags=PEOPLE, responses=refuses(NotFound))
async def list_groups_of_user(
    user_id: PathId, scope: Annotated[Scope, may(Permission.USER_READ)]
) -> PersonGroups:
    """The groups a person is in, by name."""
    return await profile.list_groups(scope, user_id)


@router.post("/users/bulk-invite", status_code=201, tags=PEOPLE, responses=refuses(QuotaExceeded))
async def invite_users(
    bulk: BulkInvitation, scope: Annotated[Scope, may(Permission.USER_CREATE)]
) -> BulkResult:
    """Invite up to 100 people by e-mail.

    The answer says of each line what came of it; a line that is refused, such as for somebody who
    is here already or beyond the plan's places, keeps no other from being done.
    """
    return await inviting.invite_all(scope, bulk)


@router.post(
    "/users/bulk-invite/csv",
    status_code=201,
    tags=PEOPLE,
    responses=refuses(QuotaExceeded),
)
async def invite_sheet(
    text: Annotated[CsvText, Body(media_type="text/csv")],
    usual: Annotated[CsvInvitation, Query()],
    scope: Annotated[Scope, may(Permission.USER_CREATE)],
) -> BulkResult:
    """Invite up to 500 people by a CSV file with the columns `email`, `name`, `role` and
    `expires_at`, apart by commas, semicolons or tabs.

    The answer says of each line what came of it, by its number in the file; a line that is refused
    keeps no other from being done.
    """
    return await inviting.invite_sheet(scope, text, usual)


@router.get("/invitations", tags=PEOPLE)
async def list_invitations(
    page: PageQuery,
    query: Annotated[InvitationQuery, Query()],
    scope: Annotated[Scope, may(Permission.USER_READ)],
) -> Page[PendingInvitation]:
    """Who was invited and has not come yet, or with `state` those of whom that holds.

    Send one again with `POST /v1/users/{user_id}/invitation`, take it back with DELETE.
    """
    rows = await service.list_invited(scope, query, page)
    return page_of(rows, page, PendingInvitation.from_row, lambda pending: pending.user_id)


@router.delete(
    "/users/{user_id}/invitation",
    status_code=204,
    tags=PEOPLE,
    responses=refuses(NotFound, Conflict),
)
async def withdraw_invitation(
    user_id: PathId, scope: Annotated[Scope, may(Permission.USER_CREATE)]
) -> None:
    """Take an invitation back that was not accepted yet."""
    await service.withdraw_invitation(scope, user_id)


@router.delete(
    "/users/{user_id}", status_code=204, tags=PEOPLE, responses=refuses(NotFound, Conflict)
)
async def delete_user(
    user_id: PathId, scope: Annotated[Scope, may(Permission.USER_DELETE, fresh=True)]
) -> None:
    """Remove somebody. Sessions and API keys end at once; the audit log keeps what they did."""
    await service.delete_user(scope, user_id)


@router.delete("/auth/me", status_code=204, tags=["Authentication"], responses=refuses(Conflict))
async def leave_organization(scope: Annotated[Scope, may(Permission.SELF, fresh=True)]) -> None:
    """Leave the organisation for good. Its last owner hands it over first."""
    await service.leave(scope)


@router.post("/tenants/me/ownership", tags=["Tenants"], responses=refuses(NotFound, Conflict))
async def hand_over_ownership(
    handover: Handover, scope: Annotated[Scope, may(Permission.TENANT_UPDATE, fresh=True)]
) -> UserView:
    """Make somebody else the owner in your place. You keep `keep_role`; both get a mail."""
    return UserView.of(await service.hand_over(scope, handover))
