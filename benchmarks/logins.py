"""Logins a second, against the rate at which the machine can compare passwords at all."""

from benchmarks import load, rounds
from benchmarks.authenticated_read import side
from benchmarks.ground import serving, stand
from benchmarks.report import Effort, Figure, Findings
from benchmarks.residents import PASSWORD, settle

GOAL = 0.9
CONNECTIONS = 8
TENANTS = 20
ADDRESSES = 80


def run(effort: Effort) -> Findings:
    """POST /v1/auth/login of the product, an application that does nothing but compare the same
    password with a hash of the same cost, in the same threads, and one that does the least a
    login needs."""
    with stand() as ground:
        residents = settle(ground, tenants=TENANTS, projects_each=0)
        with (
            serving(ground, "product") as product,
            serving(ground, "comparer") as comparer,
            serving(ground, "login_floor") as floor,
            load.caller() as caller,
        ):
            requests = [
                load.post(
                    "/v1/auth/login",
                    {"email": residents[n % TENANTS].email, "password": PASSWORD},
                    place=n,
                )
                for n in range(ADDRESSES)
            ]
            count = effort.of(60, 20)
            taken = rounds.interleave(
                {
                    "comparer": side(caller, comparer, requests, count),
                    "product": side(caller, product, requests, count),
                    "floor": side(caller, floor, requests, count),
                    "control": side(caller, comparer, requests, count),
                },
                rounds=effort.of(8, 2),
            )
            version = ground.postgres_version
    return Findings(
        question="How much of the time of a login goes to anything but the password?",
        figures=[
            Figure(
                "logins a second, to passwords compared a second",
                rounds.ratio(taken, "comparer", to="product", of="wall_us_each"),
                goal=GOAL,
                at_least=True,
            ),
            Figure(
                "logins a second of the least application, to passwords compared a second",
                rounds.ratio(taken, "comparer", to="floor", of="wall_us_each"),
            ),
            Figure(
                "logins a second, to those of the least application",
                rounds.ratio(taken, "floor", to="product", of="wall_us_each"),
            ),
            Figure("CPU of a login", rounds.ratio(taken, "product", to="comparer")),
            Figure("CPU of a comparison", rounds.cost(taken, "comparer"), "µs"),
        ],
        control=Figure(
            "comparing against itself",
            rounds.ratio(taken, "control", to="comparer", of="wall_us_each"),
        ),
        rounds=rounds.raw(taken),
        postgres_version=version,
        notes={"connections": CONNECTIONS, "requests_per_round": count},
    )
