"""Logins a second, against the rate at which the machine can compare passwords at all."""

from benchmarks import load, rounds
from benchmarks.authenticated_read import side
from benchmarks.ground import half_the_cores, serving, stand
from benchmarks.report import Effort, Figure, Findings
from benchmarks.residents import PASSWORD, settle
from benchmarks.rounds import Rounds

GOAL = 0.9
CONNECTIONS = 8
TENANTS = 40
ADDRESSES = 80


def run(effort: Effort) -> Findings:
    """POST /v1/auth/login of the product, an application that does nothing but compare the same
    password with a hash of the same cost, in the same threads, and one that does the least a
    login needs. First with the cores halved between the server and all others, database and
    callers, as if these were other machines; then with all of them on all cores."""
    with half_the_cores() as cores:
        apart, version = _measure(effort, cores)
    together, _ = _measure(effort, None)
    return Findings(
        question="How much of the time of a login goes to anything but the password?",
        figures=[
            Figure(
                "logins a second, to passwords compared a second",
                rounds.ratio(apart, "comparer", to="product", of="wall_us_each"),
                goal=GOAL,
                at_least=True,
            ),
            *_beside_the_least(apart, ""),
            Figure(
                "logins a second, to passwords compared a second, the database on the same cores",
                rounds.ratio(together, "comparer", to="product", of="wall_us_each"),
            ),
            *_beside_the_least(together, ", the database on the same cores"),
            Figure("CPU of a comparison", rounds.cost(apart, "comparer"), "µs"),
        ],
        control=Figure(
            "comparing against itself",
            rounds.ratio(apart, "control", to="comparer", of="wall_us_each"),
        ),
        rounds={"apart": rounds.raw(apart), "together": rounds.raw(together)},
        postgres_version=version,
        notes={"connections": CONNECTIONS, "requests_per_round": _count(effort)},
    )


def _beside_the_least(taken: Rounds, where: str) -> list[Figure]:
    return [
        Figure(
            f"logins a second of the least application, to passwords compared a second{where}",
            rounds.ratio(taken, "comparer", to="floor", of="wall_us_each"),
        ),
        Figure(
            f"logins a second, to those of the least application{where}",
            rounds.ratio(taken, "floor", to="product", of="wall_us_each"),
        ),
        Figure(f"CPU of a login{where}", rounds.ratio(taken, "product", to="comparer")),
    ]


def _measure(effort: Effort, cores: set[int] | None) -> tuple[Rounds, str]:
    """The three applications in turn, on `cores`, and the database's version."""
    count = _count(effort)
    with stand() as ground:
        residents = settle(ground, tenants=TENANTS, projects_each=0)
        requests = [
            load.post(
                "/v1/auth/login",
                {"email": residents[n % TENANTS].email, "password": PASSWORD},
                place=n,
            )
            for n in range(ADDRESSES)
        ]
        with (
            serving(ground, "product", cores=cores) as product,
            serving(ground, "comparer", cores=cores) as comparer,
            serving(ground, "login_floor", cores=cores) as floor,
            load.caller() as caller,
        ):
            taken = rounds.interleave(
                {
                    "comparer": side(caller, comparer, requests, count),
                    "product": side(caller, product, requests, count),
                    "floor": side(caller, floor, requests, count),
                    "control": side(caller, comparer, requests, count),
                },
                rounds=effort.of(12, 2),
            )
        return taken, ground.postgres_version


def _count(effort: Effort) -> int:
    return effort.of(60, 20)
