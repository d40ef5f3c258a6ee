"""Run the benchmarks: all, or those named."""

import argparse
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks import (
    authenticated_read,
    jobs,
    logins,
    many_tenants,
    middleware,
    page,
    refreshes,
    report,
    rls_read,
    task_overhead,
)
from benchmarks.machine import machine_line, probe
from benchmarks.report import Effort, Findings

BENCHMARKS: dict[str, Callable[[Effort], Findings]] = {
    "authenticated_read": authenticated_read.run,
    "rls_read": rls_read.run,
    "logins": logins.run,
    "refreshes": refreshes.run,
    "many_tenants": many_tenants.run,
    "middleware": middleware.run,
    "jobs": jobs.run,
    "task_overhead": task_overhead.run,
}


def measure(name: str, effort: Effort, folder: Path) -> Findings:
    """Run one benchmark between two probes of the machine, and keep what it found."""
    before = probe()
    findings = BENCHMARKS[name](effort)
    body = {
        "name": name,
        "question": findings.question,
        "quick": effort.quick,
        "machine": machine_line(findings.postgres_version),
        "probe": {"before": before, "after": probe()},
        "figures": [report.as_json(figure) for figure in findings.figures],
        "control": report.as_json(findings.control),
        "notes": findings.notes,
        "rounds": findings.rounds,
    }
    report.write(folder, name, body)
    return findings


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument("--quick", action="store_true", help="only show that they run")
    parser.add_argument("--results", type=Path, default=report.RESULTS, help="where to keep JSON")
    parser.add_argument(
        "--table",
        action="store_true",
        help="print what was kept, here and on its page",
    )
    wanted = parser.parse_args()
    unknown = set(wanted.names) - BENCHMARKS.keys()
    if unknown:
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}")
    if wanted.table:
        table = report.table(wanted.results, BENCHMARKS)
        print(table)
        if wanted.results == report.RESULTS:
            page.reprint_table(table)
        return 0
    # What a benchmark started ends with it, also when it is told to stop.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    for name in wanted.names or BENCHMARKS:
        findings = measure(name, Effort(wanted.quick), wanted.results)
        print(f"{name}: {findings.question}")
        for figure in (*findings.figures, findings.control):
            print(f"  {figure}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
