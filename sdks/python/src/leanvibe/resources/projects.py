"""Projects: git repositories the engine may work on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from leanvibe._faces import Resource, Runner, endpoint, pages
from leanvibe._operations import Call, given, lists, path_of, reads, reads_nothing
from leanvibe.models import Project, RepositoryReach
from leanvibe.pagination import Page


class Projects(Resource[Runner]):
    """The projects of the tenant."""

    @endpoint
    def create(
        self,
        /,
        *,
        name: str,
        repository_url: str | None = None,
        description: str | None = None,
        tech_stack: Sequence[str] | None = None,
        default_branch: str | None = None,
        ai_assistance_level: str | None = None,
        configuration: Mapping[str, Any] | None = None,
        credentials: Mapping[str, Any] | None = None,
        idempotency_key: str | None = None,
        **fields: Any,
    ) -> Call[Project]:
        """Register a repository. `credentials` are stored encrypted and never read back."""
        body = {
            **fields,
            **given(
                name=name,
                repository_url=repository_url,
                description=description,
                tech_stack=tech_stack,
                default_branch=default_branch,
                ai_assistance_level=ai_assistance_level,
                configuration=configuration,
                credentials=credentials,
            ),
        }
        return Call(
            method="POST",
            path="/projects",
            read=reads(Project),
            body=body,
            idempotency_key=idempotency_key,
        )

    @endpoint
    def check(self, project_id: str | UUID) -> Call[RepositoryReach]:
        """Try to reach the project's repository; `problem` says what to do where that fails."""
        path = path_of("projects", project_id, "check")
        return Call(method="POST", path=path, read=reads(RepositoryReach))

    @endpoint
    def get(self, project_id: str | UUID) -> Call[Project]:
        """One project."""
        return Call(method="GET", path=path_of("projects", project_id), read=reads(Project))

    @endpoint
    def update(self, /, project_id: str | UUID, **fields: Any) -> Call[Project]:
        """Change the given fields and leave the others."""
        return Call(
            method="PATCH",
            path=path_of("projects", project_id),
            read=reads(Project),
            body=fields,
        )

    @endpoint
    def delete(self, project_id: str | UUID) -> Call[None]:
        """Remove the project from the product; its repository stays."""
        return Call(method="DELETE", path=path_of("projects", project_id), read=reads_nothing)

    def _list(
        self, *, q: str | None = None, limit: int | None = None, cursor: str | None = None
    ) -> Call[Page[Project]]:
        """The projects of the tenant, newest first; with `q` those whose name has it."""
        return lists(Project, "/projects", q=q, limit=limit, cursor=cursor)

    list = endpoint(_list)
    iterate = pages(_list)
