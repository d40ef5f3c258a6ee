"""The SDK on people: what belongs to one, invitations and groups."""

import asyncpg
import pytest

from leanvibe import LeanVibeClient, exceptions
from leanvibe_server.kernel.house import House
from tests.contract.test_sdk import missing, sdk  # noqa: F401  # a fixture
from tests.given import Organisation
from tests.identity.given_mail import link_to
from tests.identity.given_providers import add_provider, link_identity


async def test_what_belongs_to_a_person_is_read_and_unlinked(
    sdk: LeanVibeClient,  # noqa: F811
    acme: Organisation,
    house: House,
) -> None:
    viewer = acme.people["viewer"].id
    provider = await add_provider(house, acme)
    await link_identity(house, provider, viewer)
    person = await sdk.users.get(viewer)
    assert not missing(person)
    assert person.mfa_enabled is False
    linked = await sdk.users.identities(viewer)
    assert not missing(linked)
    await sdk.users.unlink(viewer, linked.data[0].id)
    with pytest.raises(exceptions.NotFoundError):
        await sdk.users.unlink(viewer, linked.data[0].id)
    assert not missing(await sdk.users.factors(viewer))
    group = await sdk.groups.create(name="Readers")
    await sdk.groups.add_members(group.id, [viewer])
    members = [member async for member in sdk.groups.iterate_members(group.id)]
    assert not missing(members[0])
    groups = await sdk.users.groups(viewer)
    assert not missing(groups)
    assert (await sdk.groups.get(group.id)).members_count == 1
    project = await sdk.projects.create(name="P")
    await sdk.members.set(project.id, viewer, role="developer")
    roles = (await sdk.users.projects(viewer)).data
    assert not missing(roles[0])
    given = await sdk.members.set_group(project.id, group.id, role="manager")
    assert not missing(given)
    assert [one.group_id async for one in sdk.members.iterate_groups(project.id)] == [group.id]
    assert [one.project_id for one in (await sdk.groups.projects(group.id)).data] == [project.id]
    roles = (await sdk.users.projects(viewer)).data
    assert not missing(roles[0])
    assert [one.role for one in roles[0].by_groups] == ["manager"]
    await sdk.members.remove_group(project.id, group.id)
    assert (await sdk.members.groups(project.id)).data == []


async def test_people_are_filtered_and_invitations_listed_by_state(
    sdk: LeanVibeClient,  # noqa: F811
    acme: Organisation,
) -> None:
    everybody = await sdk.users.list(mfa="none", sort="email")
    assert len(everybody.data) == len(acme.people)
    assert not missing(everybody.data[0])
    done = await sdk.users.invite_many([{"email": f"new@{acme.id}.example"}], role="viewer")
    assert not missing(done)
    text = f"email,name\nby-file@{acme.id}.example,Ada\nno address,\n"
    by_file = await sdk.users.invite_csv(text, role="viewer", invitation_days=3)
    assert [(one.line, one.status) for one in by_file.data] == [(2, "invited"), (3, "refused")]
    await sdk.users.delete(by_file.data[0].user_id or "")
    waiting = [one async for one in sdk.users.iterate_invitations(state="pending")]
    assert not missing(waiting[0])
    assert (await sdk.users.invitations(state="accepted")).data == []
    await sdk.users.invite_again(waiting[0].user_id)
    await sdk.users.withdraw_invitation(waiting[0].user_id)
    assert (await sdk.users.invitations()).data == []


async def test_who_was_invited_accepts_and_signs_in(
    sdk: LeanVibeClient,  # noqa: F811
    acme: Organisation,
    admin: asyncpg.Connection,
) -> None:
    address, password = f"new@{acme.id}.example", "orange falcon tulip 7"
    await sdk.users.invite_many([{"email": address}], role="viewer")
    token = await link_to(admin, address, "invitations")
    accepted = await sdk.auth.accept_invitation(token=token, password=password, username="Ada")
    assert (accepted.email, accepted.username) == (address, "Ada")
    assert (await sdk.auth.login(email=address, password=password)).user.role == "viewer"
    with pytest.raises(exceptions.NotFoundError):
        await sdk.auth.accept_invitation(token=token, password=password)
