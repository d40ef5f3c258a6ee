"""Whether a project's repository can be reached, asked while somebody waits for the answer."""

from uuid import UUID

from leanvibe_server.kernel.access import Errand
from leanvibe_server.kernel.errors import AppError
from leanvibe_server.projects import git, service
from leanvibe_server.projects.git import GitLimits
from leanvibe_server.projects.schemas import Reach, ReachProblem

PATIENCE_S = 20.0


async def check_repository(errand: Errand, project_id: UUID) -> Reach:
    """Ask the repository where its branch stands. What is wrong with it is no error of this call.

    Raises: NotFound: there is no such project.
    """
    async with errand.scope() as scope:
        project = await service.require_project(scope, project_id)
    house = errand.house
    try:
        if project.hosted:
            path = service.hosted_path(house, project.tenant_id, project.id)
            await git.create_hosted_repository(path)
        head = await git.look_at_remote(
            service.address_of(house, project),
            service.mirror_path(house, project.tenant_id, project.id),
            await service.git_credentials(house, project),
            GitLimits(timeout_s=PATIENCE_S),
            branch=project.default_branch,
        )
    except AppError as refusal:
        problem = ReachProblem(code=refusal.code, message=refusal.message)
        return Reach(reachable=False, branch=None, commit=None, problem=problem)
    return Reach(
        reachable=True, branch=head.default_branch, commit=head.commit, problem=_missing(head)
    )


def _missing(head: git.MirrorHead) -> ReachProblem | None:
    if head.commit is not None:
        return None
    return ReachProblem(
        code="branch_not_found",
        message=f"The repository has no branch {head.default_branch} with a commit yet.",
    )
