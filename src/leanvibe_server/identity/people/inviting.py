"""Inviting several people at once: a line that is refused keeps no other from being done."""

from collections.abc import Mapping, Sequence

from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from leanvibe_server.identity import users
from leanvibe_server.identity.people.csv_lines import FORMULA, CsvLine, read_sheet, shown
from leanvibe_server.identity.people.schemas import (
    BulkInvitation,
    BulkResult,
    CsvInvitation,
    InvitationLine,
    InvitationResult,
    LineProblem,
)
from leanvibe_server.identity.schemas import NewUser
from leanvibe_server.kernel.access import Permission
from leanvibe_server.kernel.errors import AppError, Conflict, InvalidRequest, StepUpRequired
from leanvibe_server.kernel.http import validation_error
from leanvibe_server.kernel.scope import Scope


async def invite_all(scope: Scope, bulk: BulkInvitation) -> BulkResult:
    """Invite several people."""
    return _result(
        [await _invite_one(scope, bulk, index, line) for index, line in enumerate(bulk.invitations)]
    )


async def invite_sheet(scope: Scope, text: str, usual: CsvInvitation) -> BulkResult:
    """Invite the people of a CSV file. A line that cannot be understood, or whose address stands
    above already, is refused as any other.

    Raises: InvalidRequest: the file as a whole cannot be read; nobody was invited.
    """
    first_lines: dict[str, int] = {}
    results = []
    for index, line in enumerate(read_sheet(text).lines):
        try:
            said = _understand(line, first_lines)
        except AppError as error:
            email = shown(line.fields.get("email", ""))
            results.append(_refused(index, email, error, line=line.number))
            continue
        results.append(await _invite_one(scope, usual, index, said, line=line.number))
    return _result(results)


def _understand(line: CsvLine, first_lines: dict[str, int]) -> InvitationLine:
    """Raises: InvalidRequest. Conflict: the address stands above already."""
    fields: dict[str, str] = dict(line.fields)
    if "rest" in fields:
        raise InvalidRequest("There is more on this line than columns.")
    if "name" in fields:
        fields["username"] = fields.pop("name")
        if fields["username"].startswith(FORMULA):
            raise InvalidRequest("name: must not begin as a formula of a spreadsheet does.")
    said = _filled(fields)
    earlier = first_lines.setdefault(said.email.lower(), line.number)
    if earlier != line.number:
        raise Conflict(f"The same address stands in line {earlier}.")
    return said


def _filled(fields: Mapping[str, str]) -> InvitationLine:
    try:
        return InvitationLine.model_validate(fields)
    except ValidationError as error:
        found = "; ".join(
            validation_error(RequestValidationError(error.errors())).details["validation_errors"]
        )
        raise InvalidRequest(f"{found}.") from None


async def _invite_one(
    scope: Scope,
    usual: BulkInvitation | CsvInvitation,
    index: int,
    said: InvitationLine,
    *,
    line: int | None = None,
) -> InvitationResult:
    new = NewUser.model_validate(
        {
            **said.model_dump(),
            "role": said.role or usual.role,
            "invitation_days": usual.invitation_days,
        }
    )
    try:
        # Every refusal comes before the first write, so a refused line leaves nothing behind.
        user = await users.add_user(scope, new)
    except StepUpRequired:
        raise
    except AppError as error:
        plain = isinstance(error, InvalidRequest) and line is not None
        return _refused(index, shown(said.email) if plain else said.email, error, line=line)
    may_see = Permission.USER_READ in scope.permissions
    return InvitationResult(
        index=index,
        line=line,
        email=user.email,
        status="invited",
        user_id=user.id if may_see else None,
        error=None,
    )


def _refused(index: int, email: str, error: AppError, *, line: int | None) -> InvitationResult:
    problem = LineProblem(error=error.code, message=error.message)
    return InvitationResult(
        index=index, line=line, email=email, status="refused", user_id=None, error=problem
    )


def _result(results: Sequence[InvitationResult]) -> BulkResult:
    invited = sum(result.status == "invited" for result in results)
    return BulkResult(data=list(results), invited=invited, refused=len(results) - invited)
