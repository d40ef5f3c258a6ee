"""Wire shapes of the projects room."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, Field, SecretStr, StringConstraints, model_validator

from leanvibe_server.kernel.schemas import OneLine, RowView, Timestamp
from leanvibe_server.projects.models import Project

Line = Annotated[str, StringConstraints(min_length=1, max_length=200), OneLine]


def _check_branch(name: str) -> str:
    """Source: git-check-ref-format(1)."""
    parts = name.split("/")
    if ".." in name or "@{" in name or name.endswith("."):
        raise ValueError("git takes no branch name with '..', '@{' or a dot at its end")
    if any(not part or part.startswith(".") or part.endswith(".lock") for part in parts):
        raise ValueError("git takes no branch name with an empty part, or one like .x or x.lock")
    return name


BranchName = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]*$", max_length=200),
    AfterValidator(_check_branch),
]
Visibility = Literal["organization", "members"]
AssistanceLevel = Literal["full_autonomous", "supervised", "assisted", "manual"]


class QualityGates(BaseModel):
    """What a change must pass before it is delivered."""

    require_tests: bool = True
    min_test_coverage: float = Field(
        default=0,
        ge=0,
        le=100,
        description="Lowest coverage of the changed lines, in percent; 0: none",
    )
    security_scan: bool = True


class Configuration(BaseModel):
    """How the engine works on the project."""

    auto_deployment: bool = False
    quality_gates: QualityGates = QualityGates()


class QualityGatesChange(BaseModel):
    """Gates to change; those not named stay."""

    require_tests: bool | None = None
    min_test_coverage: float | None = Field(None, ge=0, le=100)
    security_scan: bool | None = None


class ConfigurationChange(BaseModel):
    """Settings to change; those not named stay."""

    auto_deployment: bool | None = None
    quality_gates: QualityGatesChange | None = None
    ai_assistance_level: AssistanceLevel | None = None


class RepositoryCredentials(BaseModel):
    """What opens the repository. Kept encrypted, never shown again."""

    type: Literal["token", "ssh_key"]
    token: SecretStr | None = Field(None, max_length=4_000)
    username: str | None = Field(None, max_length=200)
    private_key: SecretStr | None = Field(None, max_length=20_000)

    @model_validator(mode="after")
    def _complete(self) -> "RepositoryCredentials":
        needed = self.token if self.type == "token" else self.private_key
        if needed is None or not needed.get_secret_value().strip():
            field = "token" if self.type == "token" else "private_key"
            raise ValueError(f"{field} is needed for credentials of type {self.type}")
        return self

    def plain(self) -> dict[str, str | None]:
        """The values themselves, for the vault and for git."""
        return {
            "type": self.type,
            "username": self.username,
            "token": self.token.get_secret_value() if self.token else None,
            "private_key": self.private_key.get_secret_value() if self.private_key else None,
        }


class _Settings(BaseModel):
    """Settings come flat or under `configuration`; where both name one, the flat one counts."""

    auto_deployment: bool | None = None
    quality_gates: QualityGatesChange | None = None
    configuration: ConfigurationChange | None = None

    ai_assistance_level: AssistanceLevel | None = None

    def level(self) -> AssistanceLevel | None:
        """The assistance level, wherever it was named."""
        nested = self.configuration.ai_assistance_level if self.configuration else None
        return self.ai_assistance_level or nested

    def settings(self) -> dict[str, Any]:
        """The named settings in the shape of `Configuration`."""
        nested = self.configuration or ConfigurationChange()
        gates = _named(nested.quality_gates) | _named(self.quality_gates)
        deployment = (
            nested.auto_deployment if self.auto_deployment is None else (self.auto_deployment)
        )
        named: dict[str, Any] = {}
        if deployment is not None:
            named["auto_deployment"] = deployment
        if gates:
            named["quality_gates"] = gates
        return named


def _named(gates: QualityGatesChange | None) -> dict[str, Any]:
    return {} if gates is None else gates.model_dump(exclude_none=True)


class NewProject(_Settings):
    """A project to add. Without `repository_url` the product hosts the repository."""

    name: Line
    description: str | None = Field(None, max_length=10_000)
    tech_stack: list[Line] = Field(default_factory=list, max_length=100)
    repository_url: str | None = Field(
        None,
        max_length=2_000,
        description="https, ssh, or in development file. A secret in the URL is refused",
        examples=["https://github.com/company/ecommerce-platform"],
    )
    default_branch: BranchName | None = None
    credentials: RepositoryCredentials | None = None
    visibility: Visibility = Field(
        default="organization",
        description="`members` hides it from all but its members and the administrators",
    )


class ProjectChange(_Settings):
    """What to change of a project; what is not named stays. `credentials: null` removes them."""

    name: Line | None = None
    description: str | None = Field(None, max_length=10_000)
    tech_stack: list[Line] | None = Field(None, max_length=100)
    repository_url: str | None = Field(None, max_length=2_000)
    default_branch: BranchName | None = None
    credentials: RepositoryCredentials | None = None
    visibility: Visibility | None = Field(None, description="To change it takes project:share")


class ProjectView(RowView):
    """A project as the API prints it."""

    id: UUID
    name: str
    description: str
    tech_stack: list[str]
    repository_url: str
    hosted: bool = Field(description="Whether the product keeps the repository")
    default_branch: str | None
    ai_assistance_level: str
    configuration: Configuration
    has_credentials: bool
    is_default: bool = Field(description="Whether tasks without a project go here")
    visibility: str = Field(description="organization, or members for a restricted project")
    created_at: Timestamp
    updated_at: Timestamp

    @classmethod
    def of(cls, project: Project) -> "ProjectView":
        return cls.from_row(
            project,
            configuration=Configuration.model_validate(project.configuration),
            has_credentials=project.credentials_sealed is not None,
        )


@dataclass(frozen=True)
class Sight:
    """The projects whose things a caller gets to see: those `shown`, or where that is None all
    but those `hidden`."""

    shown: list[UUID] | None
    hidden: list[UUID]


class MemberRole(BaseModel):
    """The role somebody gets on a project."""

    role: str = Field(
        max_length=40,
        description="manager, developer, viewer, or a role of your own",
        examples=["developer"],
    )


class MemberView(BaseModel):
    """Somebody with a role on a project, and what it permits there."""

    user_id: UUID
    email: str
    username: str
    role: str
    permissions: list[str]
    added_by: UUID | None
    created_at: Timestamp


class GroupOnProjectView(BaseModel):
    """A group with a role on a project, and what it permits its members there."""

    project_id: UUID
    project_name: str
    visibility: str
    group_id: UUID
    group_name: str
    role: str
    permissions: list[str]
    added_by: UUID | None
    created_at: Timestamp


class RoleByGroup(BaseModel):
    """A role that membership in a group gives."""

    group_id: UUID
    group_name: str
    role: str


class MembershipView(BaseModel):
    """The roles somebody has on a project; all of them count."""

    project_id: UUID
    project_name: str
    visibility: str
    role: str | None = Field(description="Their own; null where only groups give one")
    by_groups: list[RoleByGroup]
    created_at: Timestamp


class ReachProblem(BaseModel):
    """What stands between us and the repository, and what to do about it."""

    code: str
    message: str


class Reach(BaseModel):
    """How far we get with a project's repository."""

    reachable: bool
    branch: str | None = Field(description="The branch tasks would start from")
    commit: str | None
    problem: ReachProblem | None
