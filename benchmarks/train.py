"""Work per second: our engine against the usual Flax loop (a) and PyTorch eager (b).

    python benchmarks/train.py [--widths 24,64,128] [--rounds 5] [--seconds 2] [--json]
    python benchmarks/train.py --families all

Of the language model by width, or of the families named, each at three sizes (`setting.SIZES`). The
unit of work is the family's: tokens, images, image-text pairs. Every configuration is built once in
processes of its own, which then wait; a round gives each of them one window of a few seconds,
nothing else running, in an order that alternates. Ratios are taken within a round; the median over
rounds is printed with its range. Run it on a quiet machine.
"""

from __future__ import annotations

import importlib.util
import json
from statistics import median
from typing import Annotated, Any

import typer
from processes import alternate, pinned, teams, whole
from rich.console import Console
from rich.table import Table
from setting import SIZES, Setting, image_setting, text_setting

from scaling.devices import cores
from scaling.sweep.work import machine

TORCH_HINT = "PyTorch is not installed, (b) is left out: pip install 'scaling-laws[bench]'"
LABELS = {
    "engine": "our engine, one pinned process a core",
    "flax": "(a) usual Flax loop, one process, all cores",
    "torch": "(b) PyTorch eager, one process, all cores",
    "flax_pinned": "(a) usual Flax loop, one pinned process a core",
    "torch_pinned": "(b) PyTorch eager, one pinned process a core",
}


def main(
    widths: Annotated[
        str, typer.Option(help="Widths of the language model, separated by commas.")
    ] = "24,64,128",
    families: Annotated[
        str,
        typer.Option(help=f"Families instead, separated by commas: {', '.join(SIZES)}; or all."),
    ] = "",
    rounds: Annotated[int, typer.Option(min=1, help="Windows of each configuration.")] = 5,
    seconds: Annotated[float, typer.Option(min=0.01, help="Length of a window.")] = 2.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Measure training speed at several sizes."""
    with_torch = importlib.util.find_spec("torch") is not None
    names = list(SIZES) if families == "all" else [f for f in families.split(",") if f]
    if unknown := [name for name in names if name not in SIZES]:
        raise typer.BadParameter(
            f"{unknown[0]!r}; valid: {', '.join(SIZES)}, all", param_hint="families"
        )
    settings = [image_setting(name, size) for name in names for size in SIZES[name]]
    if not names or families == "all":
        settings += [text_setting(int(width)) for width in widths.split(",")]
    sizes = [measure(setting, rounds, seconds, with_torch) for setting in settings]
    report = {
        "machine": machine(),
        "cores": len(cores()),
        "rounds": rounds,
        "seconds": seconds,
        "note": "" if with_torch else TORCH_HINT,
        "sizes": sizes,
    }
    if as_json:
        print(json.dumps(report, indent=1))
    else:
        show(report)


def measure(setting: Setting, rounds: int, seconds: float, with_torch: bool) -> dict[str, Any]:
    """Rates, ratios and share of the best GEMM rate of one shape."""
    if with_torch:
        with teams({"check": ("same_model", setting, whole())}):
            pass
    baselines = ("flax", "torch") if with_torch else ("flax",)
    plans = {
        "engine": ("engine", setting, pinned()),
        **{name: (name, setting, whole()) for name in baselines},
        **{f"{name}_pinned": (name, setting, pinned()) for name in baselines},
        "gemm": ("gemm", None, pinned()[:1]),
    }
    with teams(plans) as started:
        rates = alternate(started, rounds, seconds)
    peak = max(rates.pop("gemm")) * len(cores())
    flops = setting.shape.training_flops()
    return {
        "family": setting.family,
        "width": setting.shape.width,
        "unit": setting.unit,
        "N": setting.shape.N,
        "N_total": setting.shape.N_total,
        "flops_per_unit": flops,
        "gemm_flops_per_second": peak,
        "configurations": {
            name: {
                "per_second": spread(per_round),
                "share_of_gemm": median(per_round) * flops / peak,
                "engine_over_this": spread(
                    [e / r for e, r in zip(rates["engine"], per_round, strict=True)]
                ),
            }
            for name, per_round in rates.items()
        },
    }


def spread(values: list[float]) -> dict[str, float]:
    return {"median": median(values), "min": min(values), "max": max(values)}


def show(report: dict[str, Any]) -> None:
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=120)
    if report["note"]:
        console.print(report["note"], soft_wrap=True, markup=False)
    for size in report["sizes"]:
        table = Table(
            title=f"{size['family']}, width {size['width']}, {size['N_total']:,} parameters",
            box=None,
            title_justify="left",
            pad_edge=False,
        )
        table.add_column("configuration", no_wrap=True)
        for name in (f"{size['unit']}s/s", "of best GEMM", "engine is faster by", "min to max"):
            table.add_column(name, justify="right", no_wrap=True)
        for name, row in size["configurations"].items():
            ratio = row["engine_over_this"]
            table.add_row(
                LABELS[name],
                f"{row['per_second']['median']:,.0f}",
                f"{row['share_of_gemm']:.0%}",
                "" if name == "engine" else f"{ratio['median']:.2f}x",
                "" if name == "engine" else f"{ratio['min']:.2f} to {ratio['max']:.2f}",
            )
        console.print(table)
        console.print()
    peak = max(size["gemm_flops_per_second"] for size in report["sizes"])
    console.print(
        f"{report['machine']}, {report['cores']} used; {report['rounds']} rounds of windows of "
        f"{report['seconds']:g} s, medians of ratios within a round. Best float32 GEMM: "
        f"{peak / 1e9:.0f} GFLOP/s (one pinned core times {report['cores']}); FLOPs counted from "
        "the model.",
        soft_wrap=True,
    )


if __name__ == "__main__":
    typer.run(main)
