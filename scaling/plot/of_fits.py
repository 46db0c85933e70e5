"""Figures of one fitted law."""

from __future__ import annotations

from matplotlib.figure import Figure

from scaling.fit.profile import profile as profiled
from scaling.forecast import forecast as forecast_at
from scaling.plot.contours import AHEAD, contours
from scaling.plot.entry import FIT, Entry, Source
from scaling.plot.envelope import envelope
from scaling.plot.forecast import forecast
from scaling.plot.frontier import frontier
from scaling.plot.isoflop import isoflop
from scaling.plot.pairs import pairs
from scaling.plot.profile import profile
from scaling.plot.regret import regret
from scaling.plot.residuals import residuals
from scaling.plot.slices import slices

_ASKED = 6  # quantities that are profiled unless they are named
_TEXT = "runs/text-proof --n N_total"


def _profiles(source: Source) -> Figure:
    """Of the quantities asked for; else of the free parameters and the exponents of the optimum."""
    fit = source.fit()
    free = [name for name in (*fit.params, *fit.exponents()) if name not in fit.fixed]
    asked = source.quantities or [(name, {}) for name in free[:_ASKED]]
    return profile([profiled(fit, name, at) for name, at in asked])


def _forecast(source: Source) -> Figure:
    fit = source.fit()
    return forecast(forecast_at(fit, compute=AHEAD * fit.c_max))


def _regret(source: Source) -> Figure:
    fit = source.fit()
    return regret(fit, AHEAD * fit.c_max)


OF_FITS = (
    Entry(
        "contours",
        FIT,
        "L(N, D) as contours, with the runs, isoFLOP lines and the frontier",
        "The fitted loss over size and tokens. The shaded area is that among the runs: contours "
        "are solid there, and dashed where the law is extrapolated. Dotted lines are of equal "
        "compute; the blue one is the best split of each, its band the 90 % interval of the best "
        "size. The star is the best split of ten times the largest run's compute.",
        lambda source: contours(source.fit()),
        _TEXT,
    ),
    Entry(
        "envelope",
        FIT,
        "loss against compute, a line a size, and the lower envelope",
        "Held-out loss of the pilots against the compute of one full run, joined by size; "
        "the wide line is the best that any of them reaches with at most so much compute, the thin "
        "one the law's frontier with its 90 % band.",
        lambda source: envelope(source.fit()),
        _TEXT,
    ),
    Entry(
        "forecast",
        FIT,
        "one forecast: loss, size and length with intervals, and its reach",
        "What to train with ten times the largest run's compute, and how sure that is: the loss of "
        "one run, size and tokens with 90 % intervals (pale: all sizes within .5 % of the best "
        "loss), and the budget beside the compute of the runs behind it.",
        _forecast,
        _TEXT,
    ),
    Entry(
        "frontier",
        FIT,
        "the least loss a budget buys, and the N and D that reach it",
        "The least loss that a budget buys (left), and the size and tokens that reach it "
        "(right), with 90 % bands. Left of the dotted line lie the runs fitted; right of it all is "
        "forecast. A run off the optimal split lies above the line, and so may a target.",
        lambda source: frontier(source.fit()),
        _TEXT,
    ),
    Entry(
        "isoflop",
        FIT,
        "loss against N at equal compute, with the optima",
        "Loss against size at equal compute. Filled markers are runs trained at that "
        "budget; open ones are no runs but each size's loss, interpolated between its two runs on "
        "either side of the budget. Curves are the fitted law, solid where size and tokens lie "
        "inside the data, dashed beyond, with 90 % bands; stars are its optima, with the 90 % "
        "interval of their size.",
        lambda source: isoflop(source.fit()),
        _TEXT,
    ),
    Entry(
        "pairs",
        FIT,
        "the draws of each pair of parameters: which trade off",
        "Draws of the fit: on the diagonal each parameter's histogram, below it each pair with the "
        "contours that hold 50 and 90 % of the draws, above it their correlation. A narrow ridge "
        "means that the data fix a combination of the two, and neither alone.",
        lambda source: pairs(source.fit()),
        _TEXT,
    ),
    Entry(
        "profile",
        FIT,
        "the profile likelihood of parameters and forecasts",
        "How much worse the best fit becomes when one quantity is held at a value: a curve that "
        "crosses the dashed threshold on both sides is an interval, one that stays below it is a "
        "quantity that these data do not fix (an arrow).",
        _profiles,
        f"{_TEXT} --profile E --profile a --profile N_opt@1e18",
        frozenset({"profile"}),
    ),
    Entry(
        "regret",
        FIT,
        "what each size is expected to waste at a budget",
        "The share of ten times the largest run's compute that training another size than the "
        "best wastes, by that size over the best: the mean over draws, and the central 90 % of "
        "them. Shaded, if there are such: sizes within .5 % of the best loss in 90 % of the draws.",
        _regret,
        _TEXT,
    ),
    Entry(
        "residuals",
        FIT,
        "observed over fitted loss against N, D and loss",
        "Observed loss above the fitted law, in percent, run by run. A trend "
        "with size or tokens would be a fault of the law; the scatter at one point is the seeds'.",
        lambda source: residuals(source.fit()),
        _TEXT,
    ),
    Entry(
        "slices",
        FIT,
        "L(N) at fixed D, L(D) at fixed N, L(C) at the best split",
        "Slices of the fitted surface: loss against size at fixed tokens, against tokens at fixed "
        "size, and against compute at the best size and tokens, where no run may lie below but by "
        "noise. Solid inside the data, dashed beyond; 90 % bands.",
        lambda source: slices(source.fit()),
        _TEXT,
    ),
)
