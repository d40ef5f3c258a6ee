"""What a project's own tests run into here: which limit it was, and what its people can do.

Tests that break a limit prove nothing about a change, so nothing is delivered on their word.
"""

from leanvibe_server.engine.gates import Gate, mark_not_run
from leanvibe_server.engine.sandbox import Limits, ToolFailed

# Nobody can mend these by a better test run: the work is delivered, and the score left open.
_EXCUSED = frozenset({"no_tests", "dependencies"})
# Where the packages could not be had, these follow from it.
_EXCUSED_WITHOUT_PACKAGES = frozenset({"none_passed", "unrunnable"})
_ADVICE = {
    "time": "Make the tests faster or end the loop in them, or raise TASK_TIMEOUT_S: both runs of "
    "the suite, before and after the change, have a third of it each.",
    "memory": "Have the tests hold less at once, in all their processes together.",
    "disk": "Have the tests write less, and delete what they wrote.",
    "file": "Have the tests write smaller files.",
    "output": "Have the tests print less.",
    "processes": "Have the tests start fewer processes, and wait for the end of each.",
    "too_large": "Take large files out of the repository.",
    "none_passed": "Mend at least one test first: without one that passes, nothing shows that the "
    "change is safe.",
    "unrunnable": "Make `python -m pytest` run in the repository first.",
}
_ADVICE_ELSE = "Run the repository's tests by themselves, and mend what ends them."


def is_excused(gate: Gate, *, packages_missing: bool) -> bool:
    """Whether the work may be delivered although this required gate did not run.

    `packages_missing` says that the project's dependencies could not be had here.
    """
    if gate.name != "tests":
        return True
    return gate.cause in _EXCUSED or (packages_missing and gate.cause in _EXCUSED_WITHOUT_PACKAGES)


def advise(gate: Gate) -> str:
    """What helps where the tests did not run."""
    return _ADVICE.get(gate.cause or "", _ADVICE_ELSE)


def read_breakdown(refusal: ToolFailed, limits: Limits, *, required: bool) -> Gate:
    """The tests gate whose whole sandbox ended, with the limit that ended it."""
    reason, cause = _explain(refusal, limits)
    return mark_not_run("tests", reason, required=required, cause=cause)


def _explain(refusal: ToolFailed, limits: Limits) -> tuple[str, str]:
    limit = refusal.details.get("limit")
    if limit == "wall":
        return f"The tests did not end within {limits.wall_s:.0f} s.", "time"
    if limit == "memory":
        return (
            f"The tests used more than {limits.memory_mb} MB of memory, all their processes "
            "together.",
            "memory",
        )
    if limit == "disk":
        return f"The tests wrote more than {limits.disk_mb} MB, or too many files.", "disk"
    if limit == "output":
        return f"The tests printed more than {limits.output_bytes >> 20} MB.", "output"
    return f"The tests ended the sandbox they ran in. {refusal.message}", "crashed"
