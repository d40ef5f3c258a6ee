"""An authenticated read of a tenant's row, against the least an application could do for it."""

import json
from itertools import zip_longest

from benchmarks import load, rounds
from benchmarks.ground import Server, serving, stand
from benchmarks.load import Caller
from benchmarks.report import Effort, Figure, Findings
from benchmarks.residents import settle, sign_in
from benchmarks.rounds import Sample, Side

GOAL = 1.7
CONNECTIONS = 8
TENANTS = 8
PROJECTS_EACH = 5


def run(effort: Effort) -> Findings:
    """GET /v1/projects/{id} of the product, and of a raw ASGI application that makes the same
    query in the same kind of transaction and answers the same JSON, but admits everybody."""
    with stand() as ground:
        residents = settle(ground, tenants=TENANTS, projects_each=PROJECTS_EACH)
        with (
            serving(ground, "product") as product,
            serving(ground, "floor") as floor,
            serving(ground, "floor_with_lookup") as looking,
            load.caller() as caller,
        ):
            by_tenant = [
                [
                    load.get(f"/v1/projects/{project_id}", {"Authorization": f"Bearer {token}"})
                    for project_id in resident.project_ids
                ]
                for resident in residents
                for token in [sign_in(product, resident)]
            ]
            # Neighbouring requests belong to different tenants.
            requests = [one for turn in zip_longest(*by_tenant) for one in turn if one]
            _compare_answers(caller, requests, product, floor, looking)
            count = effort.of(500, 80)
            taken = rounds.interleave(
                {
                    "floor": side(caller, floor, requests, count),
                    "floor_with_lookup": side(caller, looking, requests, count),
                    "product": side(caller, product, requests, count),
                    "control": side(caller, floor, requests, count),
                },
                rounds=effort.of(40, 2),
            )
            version = ground.postgres_version
    return Findings(
        question="What does an authenticated tenant read cost over the bare query?",
        figures=[
            Figure("CPU per request", rounds.ratio(taken, "product", to="floor"), goal=GOAL),
            Figure(
                "wall time per request",
                rounds.ratio(taken, "product", to="floor", of="wall_us_each"),
            ),
            Figure(
                "CPU per request, over a floor that reads the caller's session too",
                rounds.ratio(taken, "product", to="floor_with_lookup"),
            ),
            Figure("CPU of the floor", rounds.cost(taken, "floor"), "µs"),
            Figure("CPU of the product", rounds.cost(taken, "product"), "µs"),
        ],
        control=Figure("the floor against itself", rounds.ratio(taken, "control", to="floor")),
        rounds=rounds.raw(taken),
        postgres_version=version,
        notes={"connections": CONNECTIONS, "requests_per_round": count},
    )


def side(caller: Caller, server: Server, requests: list[bytes], count: int) -> Side:
    """`count` requests to a server, with the CPU time its process takes for them."""

    def measure() -> Sample:
        before = rounds.cpu_s(server.pid)
        answers = caller.call(server.port, requests, count=count, connections=CONNECTIONS)
        spent = rounds.cpu_s(server.pid) - before
        return Sample(count, answers.wall_s, spent, answers.p50_ms, answers.p99_ms)

    return measure


def _compare_answers(caller: Caller, requests: list[bytes], *servers: Server) -> None:
    """All must say the same. Warms them up, too.

    Raises: RuntimeError: they do not.
    """
    said = []
    for server in servers:
        answers = caller.call(server.port, requests, count=len(requests) * 5, connections=1)
        said.append([json.loads(body) for body in answers.bodies])
    for other in said[1:]:
        if other != said[0]:
            raise RuntimeError(f"a floor says {other[0]}, the product {said[0][0]}")
