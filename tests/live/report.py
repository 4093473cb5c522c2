"""The texts of the kit: the cost before a run, and the report after it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from live.checks import Check
from live.run import Outcome
from live.shapes import Difference

__all__ = ["NOT_MET", "cost", "report"]

NOT_MET: Final = (
    "This kit has not met Azure yet: it was tested only with the doubles in the place of Azure."
    " Its own errors are possible; please report them with the report."
)


def cost(checks: Sequence[Check], seconds: float) -> str:
    """Return what a run sends, and where its price is found."""
    counts = Counter(check.billed for check in checks if check.billed)
    lines = [f"It sends a recording of {seconds:.0f} s to your Speech resource:"]
    for service, number in counts.items():
        lines.append(
            f"  {service:24}{number} x {seconds:.0f} s = {number * seconds:.0f} s of audio"
        )
    refusals = sum(check.refusals for check in checks)
    if refusals:
        lines.append(f"  {'wrong requests':24}{refusals} sets, without audio")
    if not counts:
        return "It sends no audio, only wrong requests, which cost nothing."
    blobs = sum(check.needs_storage for check in checks)
    if blobs:
        lines.append(
            f"It puts the recording {blobs * 2} times at most into a new container of your storage"
            " account, and deletes it."
        )
    lines += [
        "Audio that is sent again after a lost connection counts again. Azure may round up each"
        " request.",
        "This project has no prices: Azure's pricing page of the Speech service has them, for your"
        " region and tier.",
        "Batch and fast need the tier S0. A batch job often waits in the queue for minutes, and"
        " Azure allows 30 minutes and more.",
    ]
    return "\n".join(lines)


def report(
    outcomes: Sequence[Outcome],
    header: str,
    leftovers: Sequence[str],
    unfinished: Sequence[Check] = (),
) -> str:
    """Return the report of a run, in plain text.

    Args:
        outcomes: of the checks that were finished.
        header: the first line.
        leftovers: a sentence for each thing that could not be deleted.
        unfinished: the checks of an interrupted run that have no outcome.
    """
    checks = (*(found.check for found in outcomes), *unfinished)
    width = max((len(check.name) for check in checks), default=0)
    lines = [header, NOT_MET, ""]
    for found in outcomes:
        more = f"; cassette {found.replays}" if found.replays else ""
        mark = "FAILED" if found.failed else "ok"
        lines.append(f"{mark:7}{found.check.name:{width}}  {found.result}{more}")
    lines += [f"{'-':7}{check.name:{width}}  not finished" for check in unfinished]
    lines += ["", *_differences(outcomes)]
    lines += ["", *_leftovers(leftovers)]
    return "\n".join(lines) + "\n"


def _differences(outcomes: Sequence[Outcome]) -> Iterator[str]:
    # One that all versions of a service have is listed once.
    checks: dict[Difference, list[str]] = {}
    for found in outcomes:
        for difference in found.differences:
            checks.setdefault(difference, []).append(found.check.name)
    compared = sum(not (found.failed or found.not_compared) for found in outcomes)
    if not checks:
        yield f"No differences from the double in {compared} checks."
    else:
        number = f"{len(checks)} difference{'' if len(checks) == 1 else 's'}"
        yield f"{number} from the double in tests/double:"
    for names in dict.fromkeys(map(tuple, checks.values())):
        yield f"\n  {', '.join(names)}"
        operation = ""
        for difference in sorted(one for one, found in checks.items() if tuple(found) == names):
            if difference.operation != operation:
                operation = difference.operation
                yield f"    {operation}"
            yield f"      {difference.place}: {difference.text}"
    for found in outcomes:
        if found.not_compared:
            yield f"\n  {found.check.name}: not compared, {found.not_compared}"


def _leftovers(leftovers: Sequence[str]) -> list[str]:
    if not leftovers:
        return ["Everything that the run created at the services is deleted."]
    return ["Not deleted:", *(f"  {sentence}" for sentence in leftovers)]
