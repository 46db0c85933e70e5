"""Mixtures of data: the loss on a domain as a function of what is trained on.

References: Ye et al. 2024 (arXiv:2403.16952); BiMix, Ge et al. 2024 (arXiv:2405.14908); Shukor et
al. 2025 (arXiv:2507.09404). These papers print no constants that carry over: they belong to a mix
of corpora.

A law has a fixed number of variables, so the laws of all domains at once come from functions of the
number of domains, `exponential(domains)`, `additive(domains)` and `joint(domains)`; the registry
holds two and three domains of the first, and two of the others. Shares sum to 1: h1, h2, ... are
columns, the last domain's share is what is left, and h is the mix, loss that of one domain. (In
Ye's law a common shift of all t is the same as another k, so the last domain's t is 0.)
"""

from __future__ import annotations

from typing import Any

import numpy as np

from scaling.laws.law import Array, Law, Linear, Param, Seeds, Values, exponent, log, positive

_SHARE = (0.02, 0.95)
_EXPONENT = Param(1e-4, 2.0, "linear", tuple(np.geomspace(0.08, 1.2, 8).tolist()))
_WEIGHT = Param(0.0, np.inf, "log", (0.1, 0.4, 1.6))
_POWER = Param(1e-3, 5.0, "linear", (0.2, 0.6, 1.5))


def _columns(domains: int) -> tuple[str, ...]:
    return tuple(f"h{i}" for i in range(1, domains))


def _shares(values: Values, domains: int) -> list[Any]:
    given = [values[name] for name in _columns(domains)]
    return [*given, 1 - sum(given)]


def _ranges(domains: int) -> dict[str, tuple[float, float]]:
    """Shares such that the last domain has something left."""
    return dict.fromkeys(_columns(domains), (0.02, 0.95 / (domains - 1)))


def exponential(domains: int) -> Law:
    """Ye's law of the loss on one domain: c + k exp(sum_j t_j h_j)."""
    columns = _columns(domains)
    slopes = tuple(f"t{i}" for i in range(1, domains))

    def predict(**v: Any) -> Any:
        return v["c"] + v["k"] * np.exp(
            sum(v[t] * v[h] for t, h in zip(slopes, columns, strict=True))
        )

    return Law(
        name=f"mixture_exponential_{domains}",
        formula="c + k*exp("
        + " + ".join(f"{t}*{h}" for t, h in zip(slopes, columns, strict=True))
        + ")",
        predict=predict,
        params={
            "c": positive(),
            "k": log(),
            **dict.fromkeys(slopes, Param(-50.0, 50.0, "linear", (-6.0, -2.5, -1.0, 0.5, 1.5))),
        },
        variables=columns,
        linear=("c", "k"),
        reference="Ye et al. 2024, arXiv:2403.16952",
        meaning={
            "c": "loss that no mixture takes away",
            "k": "what a mixture of the last domain alone adds to it",
            **{
                t: f"what {h} does to the loss: below 0 where it helps"
                for t, h in zip(slopes, columns, strict=True)
            },
            **{h: f"share of domain {h[1:]} in training" for h in columns},
        },
        ranges=_ranges(domains),
        own_units=columns,
    )


def _domain_term(v: Values, shares: list[Any]) -> Any:
    return 1 / sum(v[f"C{i}"] * h ** v[f"g{i}"] for i, h in enumerate(shares, start=1))


def _mixed(v: Values, shares: list[Any], x: str) -> Any:
    """The amplitude of a term: (sum_i C_i h_i)^g."""
    return sum(v[f"{x}{i}"] * h for i, h in enumerate(shares, start=1)) ** v[f"g{x}"]


def _domain_params(domains: int) -> dict[str, Param]:
    numbers = range(1, domains + 1)
    return {
        **{f"C{i}": _WEIGHT for i in numbers},
        **{f"g{i}": _POWER for i in numbers},
    }


def _meaning(domains: int, *amplitudes: str) -> dict[str, str]:
    numbers = range(1, domains + 1)
    return {
        "loss": "loss on one domain",
        **{f"C{i}": f"what a share of domain {i} counts for" for i in numbers},
        **{f"g{i}": f"power of the share of domain {i}" for i in numbers},
        **{f"{x}{i}": f"what domain {i} adds to {x}" for x in amplitudes for i in numbers},
        **{f"g{x}": f"power of what the domains add up to in {x}" for x in amplitudes},
        **{h: f"share of domain {h[1:]} in training" for h in _columns(domains)},
    }


def additive(domains: int) -> Law:
    """Shukor's additive law: the best mixture is the same at every N and D."""

    def predict(**v: Any) -> Any:
        term = _domain_term(v, _shares(v, domains))
        return v["E"] + term + v["A"] / v["N"] ** v["alpha"] + v["B"] / v["D"] ** v["beta"]

    columns = _columns(domains)
    return Law(
        name=f"mixture_additive_{domains}",
        formula="E + 1/sum_i(C_i h_i^g_i) + A/N^alpha + B/D^beta",
        predict=predict,
        params={
            "E": positive(),
            "A": log(),
            "B": log(),
            "alpha": _EXPONENT,
            "beta": _EXPONENT,
            **_domain_params(domains),
        },
        variables=("N", "D", *columns),
        linear=("E", "A", "B"),
        reference="Shukor et al. 2025, arXiv:2507.09404, eq. 2.4",
        meaning=_meaning(domains),
        ranges=_ranges(domains),
        own_units=columns,
    )


def joint(domains: int) -> Law:
    """Shukor's joint law: the mixture sets the amplitudes of N and D, which move the best one."""
    numbers = range(1, domains + 1)
    columns = _columns(domains)
    mixed = {f"{x}{i}": log() for x in ("A", "B") for i in numbers}

    def predict(**v: Any) -> Any:
        shares = _shares(v, domains)
        size = _mixed(v, shares, "A") / v["N"] ** v["alpha"]
        tokens = _mixed(v, shares, "B") / v["D"] ** v["beta"]
        return v["E"] + _domain_term(v, shares) + size + tokens

    def outer(x: Values, loss: Array) -> dict[str, Array]:
        few = np.geomspace(0.1, 1.0, 5)
        weights = {name: np.array(kind.grid) for name, kind in _domain_params(domains).items()}
        return {"alpha": few, "beta": few, **weights}

    def linear(x: Values, loss: Array, o: Values) -> Linear:
        """Linear in E, A_i and B_i where the powers of the mixed amplitudes are 1."""
        shares = _shares(x, domains)
        parts = [np.ones_like(loss)]
        parts += [h / x["N"] ** o["alpha"] for h in shares]
        parts += [h / x["D"] ** o["beta"] for h in shares]
        basis = np.stack(np.broadcast_arrays(*parts), axis=-1)
        return Linear(basis, loss - _domain_term({**x, **o}, shares), loss)

    def assemble(o: Values, c: Array) -> dict[str, Any]:
        amplitudes = {name: c[..., j] for j, name in enumerate(("E", *mixed))}
        return {**o, **amplitudes, "gA": 1.0, "gB": 1.0}

    return Law(
        name=f"mixture_joint_{domains}",
        formula="E + 1/sum_i(C_i h_i^g_i) + (sum_i A_i h_i)^gA/N^alpha + (sum_i B_i h_i)^gB/D^beta",
        predict=predict,
        params={
            "E": positive(),
            **mixed,
            "gA": _POWER,
            "gB": _POWER,
            "alpha": _EXPONENT,
            "beta": _EXPONENT,
            **_domain_params(domains),
        },
        variables=("N", "D", *columns),
        linear=("E",),
        reference="Shukor et al. 2025, arXiv:2507.09404, eq. 2.5",
        meaning=_meaning(domains, "A", "B"),
        ranges=_ranges(domains),
        own_units=columns,
        seeds=Seeds(outer, linear, assemble),
    )


def _bimix(h: Any, D: Any, *, alpha: Any, beta: Any, B: Any, C: Any) -> Any:
    return (B / D**beta + C) / h**alpha


bimix = Law(
    name="bimix",
    formula="(B/D^beta + C)/h^alpha",
    predict=_bimix,
    params={"alpha": exponent(), "beta": exponent(), "B": log(), "C": log()},
    variables=("h", "D"),
    linear=("B", "C"),
    reference="Ge et al. 2024, arXiv:2405.14908 (its A is taken up by B and C)",
    meaning={
        "loss": "loss on one domain",
        "h": "share of that domain in training",
        "alpha": "exponent of the share",
        "beta": "exponent of D",
        "C": "loss at endless training on that domain alone",
    },
    ranges={"h": _SHARE},
    own_units=("h",),
)

mixture_exponential_2 = exponential(2)
mixture_exponential_3 = exponential(3)
mixture_additive_2 = additive(2)
mixture_joint_2 = joint(2)
