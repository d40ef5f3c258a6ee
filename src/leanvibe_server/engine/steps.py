"""The six steps of a task. Each works on a fresh work tree and leaves the whole change behind."""

from collections.abc import Callable, Coroutine
from typing import Any

from leanvibe_server.engine.analysis import analyse_requirements
from leanvibe_server.engine.bench import Bench, StepResult
from leanvibe_server.engine.delivery import deliver
from leanvibe_server.engine.errors import TaskFailure
from leanvibe_server.engine.models import STEPS
from leanvibe_server.engine.recipes import RECIPES, Recipe, build_request
from leanvibe_server.engine.validation import validate


async def run_recipe(bench: Bench) -> StepResult:
    """Have the recipe's program do its part of the work on the tree."""
    recipe = recipe_of(bench)
    parameters = (bench.task.plan or {}).get("parameters", {})
    request = build_request(bench.step.name, parameters, dict(bench.earlier))
    async with bench.workspace() as workspace:
        dependencies = None
        if bench.step.name == "test_generation" and recipe.writes_tests:
            # Tests are kept only if they run, so what they import must be there.
            dependencies, _ = await bench.provide_dependencies(workspace)
        answer = await bench.ask(
            workspace,
            program_of(recipe, bench.step.name),
            request,
            dependencies=dependencies,
        )
        _check(bench, answer)
        patch = await workspace.snapshot()
    for file in answer.get("files", []):
        bench.log.say(f"{str(file.get('action', 'changed')).capitalize()} {file.get('path')}")
    for note in answer.get("notes", []):
        bench.log.say(str(note))
    if bench.step.name == "test_generation" and not patch:
        raise _nothing_to_do(answer)
    return StepResult(message=_summary(answer), output=answer, patch=patch)


def _check(bench: Bench, answer: dict[str, Any]) -> None:
    """Raises: TaskFailure: the recipe refused, or found nothing to do."""
    if answer.get("ok") is not True:
        code = str(answer.get("code") or "unmet")
        raise TaskFailure(
            "no_recipe" if code == "unmet" else code,
            str(answer.get("message") or "The recipe could not do its work."),
            {"unmet": answer.get("unmet", []), "recipe": bench.task.recipe},
            output=answer,
        )
    if answer.get("code") == "nothing_to_do":
        raise _nothing_to_do(answer)


def _nothing_to_do(answer: dict[str, Any]) -> TaskFailure:
    return TaskFailure(
        "nothing_to_do", _summary(answer), {"notes": answer.get("notes", [])}, output=answer
    )


def _summary(answer: dict[str, Any]) -> str:
    return str(answer.get("summary") or answer.get("message") or "Done.")


def recipe_of(bench: Bench) -> Recipe:
    """The recipe the plan chose."""
    return RECIPES[bench.task.recipe or ""]


def program_of(recipe: Recipe, step: str) -> str:
    """The name of the program that does a step."""
    return recipe.programs[step].removesuffix(".py")


WORK: dict[str, Callable[[Bench], Coroutine[Any, Any, StepResult]]] = dict(
    zip(
        STEPS,
        (analyse_requirements, run_recipe, run_recipe, run_recipe, validate, deliver),
        strict=True,
    )
)
