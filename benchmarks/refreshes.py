"""Renewing a session, against the least an application could do for it."""

from collections.abc import Iterator
from itertools import islice

from benchmarks import load, rounds
from benchmarks.authenticated_read import CONNECTIONS
from benchmarks.ground import Ground, Server, serving, stand
from benchmarks.load import Caller
from benchmarks.report import Effort, Figure, Findings
from benchmarks.residents import Resident, open_session, settle
from benchmarks.rounds import Sample, Side
from leanvibe_server.identity.refresh import successor_of
from leanvibe_server.identity.sessions import refresh_text

SESSIONS = 32


def run(effort: Effort) -> Findings:
    """POST /v1/auth/refresh of the product, and a raw ASGI application that runs the statements of
    a renewal in one transaction and signs one token, but checks nothing."""
    with stand() as ground:
        residents = settle(ground, tenants=SESSIONS, projects_each=0)
        with (
            serving(ground, "product") as product,
            serving(ground, "renewal_floor") as floor,
            load.caller() as caller,
        ):
            count = effort.of(256, SESSIONS)
            taken = rounds.interleave(
                {
                    "floor": _side(caller, floor, _chains(ground, product, residents), count),
                    "product": _side(caller, product, _chains(ground, product, residents), count),
                    "control": _side(caller, floor, _chains(ground, product, residents), count),
                },
                rounds=effort.of(10, 2),
            )
            version = ground.postgres_version
    return Findings(
        question="What does renewing a session cost over its bare statements?",
        figures=[
            Figure("CPU per renewal", rounds.ratio(taken, "product", to="floor")),
            Figure(
                "wall time per renewal",
                rounds.ratio(taken, "product", to="floor", of="wall_us_each"),
            ),
            Figure("CPU of the product", rounds.cost(taken, "product"), "µs"),
        ],
        control=Figure("the floor against itself", rounds.ratio(taken, "control", to="floor")),
        rounds=rounds.raw(taken),
        postgres_version=version,
        notes={"connections": CONNECTIONS, "requests_per_round": count},
    )


def _chains(ground: Ground, product: Server, residents: list[Resident]) -> Iterator[bytes]:
    """Requests without end: each session's refresh tokens in their order, sessions in turn.

    The next token follows from the one before, so the requests can be written in advance.
    """
    secrets = [open_session(product, one).removeprefix("lr_") for one in residents]
    while True:
        for number, secret in enumerate(secrets):
            body = {"refresh_token": refresh_text(secret)}
            yield load.post("/v1/auth/refresh", body, place=number)
            secrets[number] = successor_of(ground.vault, secret)


def _side(caller: Caller, server: Server, chain: Iterator[bytes], count: int) -> Side:
    """The next `count` renewals, with the CPU time of the server's process."""

    def measure() -> Sample:
        requests = list(islice(chain, count))
        before = rounds.cpu_s(server.pid)
        answers = caller.call(server.port, requests, count=count, connections=CONNECTIONS)
        spent = rounds.cpu_s(server.pid) - before
        return Sample(count, answers.wall_s, spent, answers.p50_ms, answers.p99_ms)

    return measure
