"""Certificates as tables of a terminal, as JSON, and as the page docs/certified.md."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from scaling.certify.case import Certificate, Printed
from scaling.certify.cases import Outcome, Refused
from scaling.certify.nist import SOURCE, Solved

if TYPE_CHECKING:
    from rich.table import Table

GRADES = {
    "A": "ours, rounded, are the printed digits",
    "A-": "within one unit of the last printed digit",
    "B": "the same optimum; what is printed stops at most 1e-3 of the objective above it (or, "
    "without an objective to compare, agrees to 3 digits)",
    "C": "what is printed is not the optimum of its own objective: ours is more than 1e-3 lower",
    "D": "the released data do not lead to what is printed",
}
_MORE = 3  # digits of ours beyond the printed ones
_SURE = 10  # digits to which engines are to agree: more are not told apart
_COMMAND = "scaling certify --data FOLDER --markdown"


def show_number(value: float, item: Printed, sure: bool) -> str:
    """Ours with a few digits more than were printed; four in all where one engine found it."""
    if not sure:
        return f"{value:.4g}"
    shown = len(Decimal(item.text).as_tuple().digits)
    return f"{value:.{min(shown + _MORE, 12)}g}"


def pairs(found: Certificate) -> list[tuple[str, str, str, float]]:
    """name, published, ours, digits."""
    sure = found.engines_digits is not None
    return [
        (
            name,
            item.text,
            show_number(found.solution.ours[name], item, sure),
            found.digits[name],
        )
        for name, item in found.printed.items()
    ]


def to_dict(outcome: Outcome) -> dict[str, Any]:
    """Everything about one case, for JSON."""
    case = outcome.case
    head = {
        "case": case.name,
        "paper": case.paper,
        "read": case.read,
        "data": case.data,
        "law": case.law,
        "objective": case.objective,
        "published": dict(case.published),
    }
    if isinstance(outcome, Refused):
        return {**head, "refused": outcome.reason}
    solution = outcome.solution
    return {
        **head,
        "rows": solution.rows,
        "ours": dict(solution.ours),
        "digits": outcome.digits,
        "engines": list(solution.engines),
        "engines_digits": outcome.engines_digits,
        "value": solution.value,
        "value_at_published": solution.at_published,
        "excess": outcome.excess,
        "grade": outcome.grade,
        "holds": outcome.holds,
        "why": case.why,
    }


def table(outcomes: Sequence[Outcome]) -> Table:
    """One row a case."""
    from rich.table import Table

    found = Table(title="Published fits")
    for name in ("case", "source", "published", "ours", "digits", "engines", "grade", "why"):
        found.add_column(name, overflow="fold")
    for outcome in outcomes:
        case = outcome.case
        if isinstance(outcome, Refused):
            found.add_row(case.name, case.paper, "", "", "", "", "-", outcome.reason)
            continue
        lines = pairs(outcome)
        found.add_row(
            case.name,
            case.paper,
            "\n".join(f"{name} {text}" for name, text, _, _ in lines),
            "\n".join(ours for _, _, ours, _ in lines),
            "\n".join(f"{digits:.1f}" for *_, digits in lines),
            _engines(outcome),
            outcome.grade if outcome.holds else f"{outcome.grade} (expected {case.grade})",
            _why(outcome),
        )
    return found


def _engines(found: Certificate) -> str:
    agreed = found.engines_digits
    names = ", ".join(found.solution.engines)
    if agreed is None:
        return names
    return f"{names}: {_SURE}+" if agreed >= _SURE else f"{names}: {agreed:.0f}"


def _why(found: Certificate) -> str:
    if found.grade in ("B", "C") and found.excess is not None:
        higher = f"printed digits are {found.excess:.1e} above our objective value"
        return f"{higher}; {found.case.why}" if found.case.why else higher
    return found.case.why


def nist_dict(solved: Solved) -> dict[str, Any]:
    return vars(solved)


def nist_table(solved: Sequence[Solved]) -> Table:
    """One row a problem; under an engine, digits from start 1 and start 2."""
    from rich.table import Table

    engines = _names(s.engine for s in solved)
    found = Table(title="NIST StRD: digits of the worst parameter from start 1 / start 2")
    for name in ("problem", "level", *engines):
        found.add_column(name)
    for problem in _names(s.problem for s in solved):
        own = [s for s in solved if s.problem == problem]
        cells = []
        for engine in engines:
            by_start = [s for s in own if s.engine == engine]
            cells.append(" / ".join(f"{s.digits:.1f}" for s in by_start) or "-")
        found.add_row(problem, own[0].level, *cells)
    return found


def _names(items: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(items))


def summary(outcomes: Sequence[Outcome]) -> str:
    """What came of all cases, in a line."""
    certificates = [item for item in outcomes if isinstance(item, Certificate)]
    lost = [item.case.name for item in certificates if not item.holds]
    missing = len(outcomes) - len(certificates)
    said = [counted(certificates)] if certificates else []
    if missing:
        said.append(f"{missing} not judged, their data are not here")
    if certificates:
        said.append(f"no longer as certified: {', '.join(lost)}" if lost else "every grade holds")
    return "; ".join(said)


def counted(certificates: Sequence[Certificate]) -> str:
    """How many results of how many sources, by grade."""
    papers = _names(item.case.paper.split(",")[0] for item in certificates)
    counts = {grade: sum(c.grade == grade for c in certificates) for grade in GRADES}
    grades = ", ".join(f"{n} {grade}" for grade, n in counts.items())
    return f"{len(certificates)} published results of {len(papers)} sources: {grades}"


def page(outcomes: Sequence[Outcome], solved: Sequence[Solved]) -> str:
    """docs/certified.md."""
    certificates = [item for item in outcomes if isinstance(item, Certificate)]
    lines = [
        "# Certified fits",
        "",
        f"Written by `{_COMMAND}`; a test compares it with what the fits give today.",
        "",
        f"{counted(certificates)}. Printed digits are taken as a box, half a unit of the last "
        "digit wide on both sides; an objective value at the printed parameters is the lowest in "
        "that box.",
        "",
        "| grade | meaning |",
        "|---|---|",
        *(f"| {grade} | {meaning} |" for grade, meaning in GRADES.items()),
        "",
        "`digits` is -log10 of the relative difference of published and ours. Engines are the "
        f"two that we let agree, and to how many digits ({_SURE}+: to {_SURE} or more).",
    ]
    for item in certificates:
        lines += ["", *_section(item)]
    return "\n".join([*lines, "", *_nist_page(solved)]) + "\n"


def _section(found: Certificate) -> list[str]:
    case, solution = found.case, found.solution
    why = _why(found)
    data = f"`{case.data}`, {solution.rows} rows" if case.data else "none but what is printed"
    engines = f" Engines: {_engines(found)}." if solution.engines else ""
    return [
        f"## {case.name}: {found.grade}",
        "",
        f"{case.paper}. Digits: {case.read}. Data: {data}.",
        f"Law: `{case.law}`. Objective: {case.objective}.{engines}",
        *([f"Why: {why}."] if why else []),
        "",
        "| | published | ours | digits |",
        "|---|---|---|---|",
        *(f"| {name} | {text} | {ours} | {d:.1f} |" for name, text, ours, d in pairs(found)),
    ]


def _nist_page(solved: Sequence[Solved]) -> list[str]:
    engines = _names(s.engine for s in solved)
    lines = [
        "## NIST StRD",
        "",
        f"{SOURCE}. Each engine from NIST's own two starts, and no other; certified to 11 digits. "
        "Digits of the worst parameter, rounded down to 9+, 6+ or none.",
        "",
        f"| problem | level | {' | '.join(engines)} |",
        f"|---|---|{'---|' * len(engines)}",
    ]
    for problem in _names(s.problem for s in solved):
        own = [s for s in solved if s.problem == problem]
        cells = [
            " / ".join(_class(s.digits) for s in own if s.engine == engine) or "-"
            for engine in engines
        ]
        lines.append(f"| {problem} | {own[0].level} | {' | '.join(cells)} |")
    return [
        *lines,
        "",
        "`none`: the engine ended elsewhere. `-`: no parameter is linear, so there is nothing to "
        "project.",
    ]


def _class(digits: float) -> str:
    return "9+" if digits >= 9 else "6+" if digits >= 6 else "none"
