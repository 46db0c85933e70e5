"""Figures, one file each: a function of values that returns a matplotlib Figure.

Every function takes `ax`: the axes to draw on (a sequence where the figure has several panels), or
None for a new figure. Nothing touches pyplot; `style.save` writes the same bytes every time.
"""

from scaling.plot.comparison import comparison
from scaling.plot.contours import contours
from scaling.plot.cost import cost
from scaling.plot.coverage import coverage
from scaling.plot.depth import depth
from scaling.plot.design import design
from scaling.plot.envelope import envelope
from scaling.plot.extrapolation import extrapolation
from scaling.plot.families import families
from scaling.plot.fitted import Fitted
from scaling.plot.forecast import forecast
from scaling.plot.frontier import frontier
from scaling.plot.gradients import gradients
from scaling.plot.isoflop import isoflop
from scaling.plot.landscape import landscape
from scaling.plot.loss_curves import loss_curves
from scaling.plot.overfitting import overfitting
from scaling.plot.pairs import pairs
from scaling.plot.profile import profile
from scaling.plot.proof import proof
from scaling.plot.rates import rates
from scaling.plot.receptive import receptive
from scaling.plot.regret import regret
from scaling.plot.residuals import residuals
from scaling.plot.rollout import rollout
from scaling.plot.sensitivity import sensitivity
from scaling.plot.slices import slices
from scaling.plot.style import save, writable
from scaling.plot.telemetry import telemetry
from scaling.plot.versus import versus

__all__ = [
    "Fitted",
    "comparison",
    "contours",
    "cost",
    "coverage",
    "depth",
    "design",
    "envelope",
    "extrapolation",
    "families",
    "forecast",
    "frontier",
    "gradients",
    "isoflop",
    "landscape",
    "loss_curves",
    "overfitting",
    "pairs",
    "profile",
    "proof",
    "rates",
    "receptive",
    "regret",
    "residuals",
    "rollout",
    "save",
    "sensitivity",
    "slices",
    "telemetry",
    "versus",
    "writable",
]
