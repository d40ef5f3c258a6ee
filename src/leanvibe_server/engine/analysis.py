"""Requirements analysis: what is asked, what is there, and whether a recipe can do it.

What cannot be done fails here, within seconds, before anything is edited.
"""

import shlex
from typing import Any

import msgspec

from leanvibe_server.engine.bench import Bench, StepResult
from leanvibe_server.engine.errors import TaskFailure
from leanvibe_server.engine.planning import Plan, TaskText, plan
from leanvibe_server.engine.recipes import RECIPES, SURVEY_PROGRAM
from leanvibe_server.projects import git
from leanvibe_server.projects.git_errors import RepositoryEmpty


async def analyse_requirements(bench: Bench) -> StepResult:
    """Plan the task on a survey of the repository as it stands now."""
    await bench.shop.sandbox.check()
    task = bench.task
    text = TaskText(title=task.title, description=task.description, requirements=task.requirements)
    first = plan(text)
    if not first.ok:
        raise _no_recipe(first, None)
    bench.log.say(f"The words ask for {first.recipe}. Fetching the repository.")
    head = await _fetch(bench)
    base = _require_commit(bench, head)
    bench.log.say(f"Working on {head.default_branch} at {base[:12]}.")
    async with bench.workspace(base_commit=base) as workspace:
        answer = await bench.ask(workspace, SURVEY_PROGRAM.removesuffix(".py"), {})
    survey = answer.get("survey") or {}
    bench.log.say(
        f"{survey.get('python_files', 0)} Python files, {len(survey.get('routes') or [])} routes, "
        f"{(survey.get('tests') or {}).get('functions', 0)} tests."
    )
    whole = plan(text, survey)
    if not whole.ok:
        raise _no_recipe(whole, survey)
    for assumption in whole.assumptions:
        bench.log.say(f"Assumed: {assumption}")
    shown: dict[str, Any] = msgspec.to_builtins(whole)
    recipe = RECIPES[whole.recipe or ""]
    return StepResult(
        message=f"{recipe.title} on {head.default_branch} at {base[:12]}.",
        output={"plan": shown, "survey": _brief(survey), "base_commit": base},
        patch=b"",
        columns={
            "recipe": recipe.name,
            "plan": shown,
            "base_branch": head.default_branch,
            "base_commit": base,
        },
    )


async def _fetch(bench: Bench) -> git.MirrorHead:
    if bench.project.hosted:
        await git.create_hosted_repository(bench.hosted_path)
    return await git.fetch_mirror(
        bench.address,
        bench.mirror_dir,
        await bench.credentials(),
        bench.git_limits,
        branch=bench.project.default_branch,
    )


def _require_commit(bench: Bench, head: git.MirrorHead) -> str:
    if head.commit is not None:
        return head.commit
    named = bench.project.default_branch
    if named is not None and not bench.project.hosted:
        raise TaskFailure(
            "branch_not_found",
            f"The repository has no branch {named} with a commit. Push it, or change the "
            "project's default_branch.",
            {"branch": named},
        )
    raise _empty(bench, head.default_branch)


def _empty(bench: Bench, branch: str) -> RepositoryEmpty:
    """The refusal of a repository without a commit, with the commands that make the first one."""
    url = bench.project.repository_url
    if bench.project.hosted:
        why = " Repositories kept by this installation start empty; push from the machine it is on."
    else:
        why = ""
    return RepositoryEmpty(
        f"The repository {url} has no commit on {branch} to begin on.{why} Push a first commit "
        "with the commands in `details.commands`, then retry the task.",
        details={
            "repository_url": url,
            "branch": branch,
            "commands": [
                f"git clone {shlex.quote(url)} first-commit",
                "cd first-commit",
                "echo '# My service' > README.md  # or copy your files here",
                "git add --all",
                "git commit -m 'First commit'",
                f"git push origin {shlex.quote(f'HEAD:refs/heads/{branch}')}",
            ],
        },
    )


def _no_recipe(found: Plan, survey: dict[str, Any] | None) -> TaskFailure:
    """The refusal, with everything that would make the task possible."""
    shown: dict[str, Any] = msgspec.to_builtins(found)
    named = "; ".join(one.requirement for one in found.unmet[:3])
    more = len(found.unmet) - 3
    return TaskFailure(
        "no_recipe",
        f"This cannot be done here: {named}{f' and {more} more' if more > 0 else ''}. "
        "The details say for each why, and what would make it possible. Nothing was changed, and "
        "nothing is billed.",
        {
            "unmet": shown["unmet"],
            "matched": shown["matched"],
            "recipe": found.recipe,
            "nearest_recipes": shown["nearest"],
        },
        output={"plan": shown, "survey": None if survey is None else _brief(survey)},
        columns={"plan": shown},
    )


def _brief(survey: dict[str, Any]) -> dict[str, Any]:
    """The survey without its bulk."""
    modules = survey.get("modules") or []
    return {
        "python_files": survey.get("python_files"),
        "modules": len(modules),
        "untested_modules": (survey.get("untested_modules") or [])[:50],
        "apps": survey.get("apps"),
        "routes": len(survey.get("routes") or []),
        "tests": survey.get("tests"),
        "uses": survey.get("uses"),
        "ruff": survey.get("ruff"),
        "syntax_errors": (survey.get("syntax_errors") or [])[:20],
    }
