"""Figures of a study's folder, and of one run in it: what a table does not hold."""

from __future__ import annotations

from matplotlib.figure import Figure

from scaling.errors import InputError
from scaling.plot.cost import cost
from scaling.plot.depth import depth
from scaling.plot.entry import RUN, STUDY, Entry, Source
from scaling.plot.gradients import gradients
from scaling.plot.loss_curves import loss_curves
from scaling.plot.proof import proof
from scaling.plot.telemetry import telemetry


def _proof(source: Source) -> Figure:
    verdicts = source.verdicts
    if not verdicts:
        raise InputError(f"{source.name}: the forecast has no target")
    return proof(verdicts, kind=verdicts[0].l_kind)


OF_STUDIES = (
    Entry(
        "cost",
        STUDY,
        "predicted against measured seconds of every run",
        "Seconds that the plan predicted against seconds measured, a marker a cell.",
        lambda source: cost(source.records),
        "runs/text-proof",
    ),
    Entry(
        "depth",
        STUDY,
        "plain and residual nets by depth: loss, gradients, cost",
        "What depth does to nets with and without shortcuts: training loss and its course, cost, "
        "each block's gradient over the last one's, and what a position sees. Lines go through "
        "the means of seeds, whose runs are dots.",
        lambda source: depth(source.table, source.curves),
        "runs/depth",
    ),
    Entry(
        "gradients",
        RUN,
        "one run's gradient by block, and how it grows on its way back",
        "The norm of each block's gradient at up to six steps (dark first; stem and head are "
        "hollow), and the factor from each block to the one before at every step, with the 90 % "
        "interval of a regression over blocks: above 1 gradients explode, below 1 they vanish.",
        lambda source: gradients(source.run[0]),
        "runs/depth/cells/ac33ce2b66aef915",
    ),
    Entry(
        "loss_curves",
        STUDY,
        "training loss of every run, and its held-out loss",
        "Training loss (averaged over bins of tokens) and held-out loss where a run "
        "ended (markers). Runs of one size and seed share a trunk (solid) and leave it for a short "
        "cooldown (dotted), where the loss drops.",
        lambda source: loss_curves(source.table, source.curves),
        "runs/text-proof",
    ),
    Entry(
        "proof",
        STUDY,
        "each target's forecast, its interval, and what came out",
        "Each target's forecast with its 90 % interval, written before it was trained, and "
        "the held-out loss that came out.",
        _proof,
        "runs/vision",
    ),
    Entry(
        "telemetry",
        RUN,
        "one run: loss with findings, rate, logits, gradients by block",
        "What one run told of itself. Dotted lines mark where each finding began; blocks go from "
        "dark (first) to light (last).",
        lambda source: telemetry(*source.run),
        "runs/depth/cells/6da2feaa7fe14e4b",
    ),
)
