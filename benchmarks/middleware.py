"""What the outermost layer costs: request ids, limits, rate and security headers, metrics."""

from benchmarks import load, rounds
from benchmarks.authenticated_read import side
from benchmarks.ground import serving, stand
from benchmarks.report import Effort, Figure, Findings
from benchmarks.rounds import Spread


def run(effort: Effort) -> Findings:
    """An application that does nothing, with and without the product's middleware."""
    with (
        stand() as ground,
        serving(ground, "bare") as bare,
        serving(ground, "doorman") as doorman,
        load.caller() as caller,
    ):
        requests = [load.get("/", {"Authorization": "Bearer none"})]
        count = effort.of(2000, 200)
        taken = rounds.interleave(
            {
                "bare": side(caller, bare, requests, count),
                "doorman": side(caller, doorman, requests, count),
                "control": side(caller, bare, requests, count),
            },
            rounds=effort.of(40, 2),
        )
        version = ground.postgres_version
    added = [
        with_it.cpu_us_each - without.cpu_us_each
        for with_it, without in zip(taken["doorman"], taken["bare"], strict=True)
    ]
    return Findings(
        question="What does the middleware add to a request?",
        figures=[
            Figure("CPU added to a request", Spread.of(added, 1), "µs"),
            Figure("CPU of an empty answer", rounds.ratio(taken, "doorman", to="bare")),
        ],
        control=Figure(
            "the empty answer against itself", rounds.ratio(taken, "control", to="bare")
        ),
        rounds=rounds.raw(taken),
        postgres_version=version,
        notes={"requests_per_round": count},
    )
