"""`conserje doctor`: what is up, what is not, and why."""

import argparse
import json
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from cli.places import Running, UsageError, running

GOOD, POOR, BAD = "✓", "!", "✗"
TIMEOUT_SECONDS = 3.0
PORTS = {"ops": "operations", "grpc": "gRPC", "http": "HTTP"}
"""What a process listens for, by the names in the run file."""
Places = Mapping[str, Mapping[str, str]]
"""Where each process listens, as in the run file."""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    mark: str
    name: str
    sentence: str
    details: tuple[str, ...] = ()

    def lines(self, width: int) -> Iterator[str]:
        """As it is printed."""
        yield f"  {self.mark} {self.name:<{width}}  {self.sentence}"
        for detail in self.details:
            yield f"    {'':<{width}}  {detail}"


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command."""
    command = commands.add_parser(
        "doctor",
        description="Asks every process how it is. The exit code is 1 unless everything is up.",
    )
    command.add_argument(
        "--ops",
        action="append",
        default=[],
        metavar="NAME=HOST:PORT",
        help="the operations port of a process; without any, those of `make run`",
    )
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Looks at everything at once and prints what it found."""
    mesh = running()
    findings = examine(
        _places(options.ops, mesh), "" if options.ops else mesh.content.get("graph", "")
    )
    if not findings:
        raise UsageError(
            "no process was found: is `make run` running? Otherwise name them with "
            "--ops NAME=HOST:PORT."
        )
    if mesh.stale and not options.ops:
        print(f"`make run` is not there any more (it left {mesh.file}); start it again.\n")
    width = max(len(finding.name) for finding in findings)
    print("\n".join(line for finding in findings for line in finding.lines(width)))
    wrong = ", ".join(finding.name for finding in findings if finding.mark == BAD)
    lacking = ", ".join(finding.name for finding in findings if finding.mark == POOR)
    told = [f"wrong: {wrong}"] * bool(wrong) + [f"lacks something: {lacking}"] * bool(lacking)
    print(f"\n{'; '.join(told) or 'everything is up'}")
    if told and mesh.content.get("logs") and not options.ops:
        print(f"logs: {mesh.content['logs']}")
    return 1 if told else 0


def examine(places: Places, graph: str) -> list[Finding]:
    """Findings for processes, which have operations ports, and for the fake Graph API."""
    with ThreadPoolExecutor(max_workers=16) as pool:
        asked = [pool.submit(_process, name, where) for name, where in places.items()]
        if graph:
            asked.append(pool.submit(_graph, graph))
        return [one.result() for one in asked]


def _places(given: Sequence[str], mesh: Running) -> Places:
    if not given:
        return {name: at for name, at in mesh.processes.items() if at.get("ops")}
    pairs = [one.partition("=") for one in given]
    if any(not name or not where for name, _, where in pairs):
        raise UsageError("--ops needs NAME=HOST:PORT, such as booking=127.0.0.1:9100")
    return {name: {"ops": where} for name, _, where in pairs}


def _process(name: str, where: Mapping[str, str]) -> Finding:
    ops = where["ops"]
    at = ", ".join(f"{where[kind]} ({told})" for kind, told in PORTS.items() if where.get(kind))
    try:
        report = _fetch(f"http://{ops}/readyz")
    except (OSError, ValueError) as error:
        return Finding(BAD, name, f"does not answer at {ops}: {_reason(error)}")
    failed = [f"{check}: {why}" for check, why in report.get("checks", {}).items() if why != "ok"]
    lacking = [f"{what}: {why}" for what, why in report.get("degraded", {}).items()]
    if not report.get("ready"):
        return Finding(BAD, name, f"is up and not ready, at {at}", (*failed, *lacking))
    if lacking:
        return Finding(POOR, name, f"is ready, and does without, at {at}:", tuple(lacking))
    checks = ", ".join(report.get("checks", {}))
    return Finding(GOOD, name, f"is ready{f' ({checks})' if checks else ''}, at {at}")


def _graph(address: str) -> Finding:
    name = "graph"
    try:
        report = _fetch(f"{address}/control/report")
    except (OSError, ValueError) as error:
        return Finding(BAD, name, f"does not answer at {address}: {_reason(error)}")
    waiting, refusal = report["webhook_items_waiting"], report["webhook_last_refusal"]
    if refusal:
        return Finding(
            BAD,
            name,
            f"{waiting} webhook items wait at {address}, because the gateway does not take them",
            (f"{report['webhook_url']}: {refusal}",),
        )
    return Finding(GOOD, name, f"is up; {report['accepted']} messages accepted, at {address}")


def _fetch(url: str) -> dict[str, Any]:
    # Addresses come from the operator's own command line or run file.
    request = urllib.request.Request(url)  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:  # noqa: S310
            content = response.read()
    except urllib.error.HTTPError as error:
        # 503 is an answer like any other: its body says what is missing.
        content = error.read()
    report: dict[str, Any] = json.loads(content)
    return report


def _reason(error: Exception) -> str:
    return str(getattr(error, "reason", error)) or type(error).__name__
