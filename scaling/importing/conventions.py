"""What the columns count and in which unit: checked against each other, converted where sure.

N against exact counts from configurations, D against steps x batch, C against 6 N D, the first loss
against that of a guess among the vocabulary. What is only likely is told, and left.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from scaling import schema
from scaling.errors import InputError
from scaling.importers.columns import NAMES
from scaling.importing.mapping import CONVENTIONS
from scaling.units import UNSTATED

AGREES = 0.02
EXACTLY = 1e-3
FEW = 1e5  # a column of which nothing is above counts no parameters or tokens one by one
_SCALES = {1e3: "thousands", 1e6: "millions", 1e9: "billions", 1e12: "trillions"}
_COMPUTE = {
    1e9: "GFLOPs", 1e12: "TFLOPs", 1e15: "PFLOPs", 1e18: "EFLOPs", 1e21: "ZFLOPs",
    8.64e19: "petaFLOP/s-days",
}  # fmt: skip
_LIKELY = (0.5, 3.0)  # C / 6ND: attention and vocabulary add to 1, sparse models take from it


@dataclass(frozen=True)
class Settled:
    """A table whose conventions are settled, and in words what was converted and what was found."""

    df: pd.DataFrame
    kinds: Mapping[str, str]
    conversions: tuple[str, ...]
    found: tuple[str, ...]


def kinds_given(pairs: Mapping[str, str]) -> dict[str, str]:
    """`--kind N=total,L=bits_per_byte` as conventions."""
    found = {}
    for name, kind in pairs.items():
        full = name if name.endswith("_kind") else f"{name}_kind"
        if full not in CONVENTIONS:
            raise InputError(f"--kind {name}={kind}: valid are N, D, C and L")
        column = schema.find(full)
        if column is not None and kind not in column.values and not column.others:
            raise InputError(f"--kind {name}={kind}: valid are {', '.join(column.values)}")
        found[full] = kind
    return found


def settle(
    df: pd.DataFrame,
    named: Mapping[str, str],
    given: Mapping[str, str],
    *,
    tool: bool,
    sure: Collection[str] = (),
) -> Settled:
    """named: conventions that columns' names or rows state; given: by the user, over all others;
    tool: the source is a known tool's, whose losses are nats per token; sure: columns whose unit
    somebody has said."""
    conversions: list[str] = []
    found: list[str] = []
    kinds: dict[str, str] = {"N_kind": UNSTATED, "D_kind": "tokens", "C_kind": UNSTATED,
                             "L_kind": "nats_per_token" if tool else UNSTATED}  # fmt: skip
    df = df.copy()
    df, kinds["N_kind"] = _parameters(df, {**named, **given}, conversions, found)
    df = _tokens(df, conversions, found)
    df, kinds["C_kind"] = _compute(df, conversions, found)
    if kinds["L_kind"] == "nats_per_token" and "L_kind" not in {**named, **given}:
        found.append("the loss is taken to be nats per token, as this tool logs it; "
                     "--kind L=... says otherwise")  # fmt: skip
    _refuse_few(df, sure)
    kinds |= {k: v for k, v in named.items() if k != "N_kind" and v}
    kinds |= {k: v for k, v in given.items() if k != "N_kind"}
    if given.get("N_kind", kinds["N_kind"]) != kinds["N_kind"]:
        found.append(f"--kind N={given['N_kind']} is of the N that was logged; N in the table is "
                     f"{kinds['N_kind']}")  # fmt: skip
    found += _mixed(df)
    found += _first_loss(df)
    return Settled(df, kinds, tuple(conversions), tuple(found))


def _parameters(
    df: pd.DataFrame, named: Mapping[str, str], conversions: list[str], found: list[str]
) -> tuple[pd.DataFrame, str]:
    """N and N_total from what was logged and what configurations give."""
    counted = df["counted_N"].notna()
    kind = named.get("N_kind") or UNSTATED
    if counted.any():
        body, whole = df["counted_N"], df["counted_N_total"]
        # Of two logged counts the one whose kind is known; others are often rounded.
        first, second = ("N", "N_total") if kind == "non_embedding" else ("N_total", "N")
        logged = df[first].fillna(df[second])
        both = counted & logged.notna()
        what = f"{int(counted.sum())} of {len(df)} runs"
        agrees = {
            "non_embedding": _near(logged[both], body[both], EXACTLY),
            "total": _near(logged[both], whole[both], EXACTLY),
        }
        if not both.any():
            conversions.append(f"N and N_total of {what} are counted from their configurations")
        for name, share in agrees.items():
            if both.any() and share.all():
                found.append(f"the N that was logged is {name.replace('_', '-')}: {what} agree "
                             "with the counts from their configurations")  # fmt: skip
        if both.any() and not any(share.all() for share in agrees.values()):
            ratio = (logged[both] / whole[both]).median()
            found.append(f"the N that was logged is {ratio:.4g} x all parameters by the "
                         "configuration (median): it is neither count, and is left as it is"
                         )  # fmt: skip
            return df, kind
        if both.any() and not agrees["non_embedding"].all():
            conversions.append(f"N of {what} is set to the count without tables")
        rest = ~counted & (df["N"].notna() | df["N_total"].notna())
        if not rest.any():
            df["N"], df["N_total"] = df["N"].where(~counted, body), whole.where(counted)
            df.loc[counted, "N"] = body[counted]
            return df, "non_embedding"
        kind = next((name for name, share in agrees.items() if both.any() and share.all()), kind)
        if kind == UNSTATED:
            raise InputError(
                f"N is logged for {int(rest.sum())} runs, of a kind that nothing tells, and "
                f"counted from their configurations for {int(counted.sum())}: say what the logged "
                "one is, --kind N=total or --kind N=non_embedding"
            )
        ours, exact = ("N_total", whole) if kind == "total" else ("N", body)
        df["N"] = exact.fillna(df[ours]).fillna(df["N"])
        found.append(f"{int(rest.sum())} runs have no configuration to count N from: N is {kind}")
        return df, kind
    if df["N"].isna().all() and df["N_total"].notna().any():
        df["N"] = df["N_total"]
        conversions.append("N is the count of all parameters: nothing tells how many are in tables")
        return df, "total"
    return df, kind


def _tokens(df: pd.DataFrame, conversions: list[str], found: list[str]) -> pd.DataFrame:
    """D against steps x batch."""
    made = df["steps"] * df["batch_tokens"]
    ratio = (df["D"] / made).replace([np.inf], np.nan).dropna()
    if ratio.empty or not (ratio > 0).any():
        return df
    middle = float(ratio.median())
    if abs(middle - 1) <= AGREES:
        found.append(f"D is steps x batch_tokens, to {abs(ratio - 1).max():.1%}")
        return df
    for scale, name in _SCALES.items():
        if abs(middle * scale - 1) <= AGREES:
            conversions.append(
                f"D was in {name}: steps x batch_tokens is {scale:.0e} times as much"
            )
            return df.assign(D=df["D"] * scale)
    found.append(f"D is {middle:.4g} x steps x batch_tokens (median): devices or accumulated "
                 "batches may be missing from one of them")  # fmt: skip
    return df


def _compute(
    df: pd.DataFrame, conversions: list[str], found: list[str]
) -> tuple[pd.DataFrame, str]:
    """C against 6 N D."""
    df["C_6ND"] = 6 * df["N"] * df["D"]
    ratio = (df["C"] / df["C_6ND"]).dropna()
    ratio = ratio[ratio > 0]
    if ratio.empty:
        return df, UNSTATED
    if not _likely(ratio):
        scaled = _rescaled(df, ratio)
        if scaled is not None:
            df, told = scaled
            df["C_6ND"] = 6 * df["N"] * df["D"]
            ratio = (df["C"] / df["C_6ND"]).dropna()
            conversions.append(f"{told}: C / 6ND is {ratio.median():.3g} so")
    low, middle, high = ratio.min(), ratio.median(), ratio.max()
    told = f"C / 6ND is {middle:.3g} (from {low:.3g} to {high:.3g})"
    if (abs(ratio - 1) <= AGREES / 2).all():
        found.append("C is 6ND in every run, to 1 %")
        return df, "6ND"
    whole = (df["C"] / (6 * df["N_total"] * df["D"])).dropna()
    if len(whole) and (abs(whole - 1) <= AGREES / 2).all():
        found.append("C is 6 N_total D, which is not the 6ND of N")
        return df, UNSTATED
    if _likely(ratio) and high / low > 1 + AGREES:
        found.append(f"{told}: counted")
        return df, "counted"
    found.append(f"{told}: neither 6ND nor a count that one would expect; --kind C=... names it")
    return df, UNSTATED


def _rescaled(df: pd.DataFrame, ratio: pd.Series) -> tuple[pd.DataFrame, str] | None:
    """The one column that can be no count as it stands in the unit in which C / 6ND is likely."""
    few = next((name for name in ("D", "N") if df[name].max() < FEW), None)
    if few == "D" and df["N"].max() < FEW:
        return None  # of two units one product tells nothing
    if few is not None:
        for scale, name in _SCALES.items():
            if _likely(ratio / scale):
                return df.assign(**{few: df[few] * scale}), f"{few} was in {name}"
        return None
    for scale, name in _COMPUTE.items():
        if _likely(ratio * scale):
            return df.assign(C=df["C"] * scale), f"C was in {name}"
    return None


def _first_loss(df: pd.DataFrame) -> Sequence[str]:
    """A model that has learned nothing guesses among its vocabulary: its loss is ln V in nats."""
    known = df[df["vocab"].notna() & df["first_loss"].notna()]
    if known.empty:
        return ()
    ratio = float((known["first_loss"] / np.log(known["vocab"])).median())
    if abs(ratio - 1) <= 0.08:
        return ("losses begin near ln of the vocabulary: they are nats per token",)
    if abs(ratio * math.log(2) - 1) <= 0.05:
        return ("losses begin near log2 of the vocabulary: they seem to be bits; "
                "--map loss=\"... * 0.6931\" makes them nats",)  # fmt: skip
    return ()


def _mixed(df: pd.DataFrame) -> Sequence[str]:
    """Counts of a few runs in another unit than the others'."""
    return [
        f"{name} is below 1e5 in {few} of {len(df)} rows and up to {df[name].max():.4g} in others: "
        "are they in another unit?"
        for name in ("N", "D")
        if (few := int((df[name] < FEW).sum())) and df[name].max() > FEW * 100
    ]


def _refuse_few(df: pd.DataFrame, sure: Collection[str]) -> None:
    """Raise InputError for counts that are none, in a unit that nothing tells."""
    counted = {"N": df["counted_N"], "D": df["steps"] * df["batch_tokens"]}
    for name, exact in counted.items():
        told = name in sure or exact.notna().any()
        if df[name].max() < (NAMES[name].low if told else FEW):
            what = "parameters" if name == "N" else "tokens"
            raise InputError(
                f"{name} runs from {df[name].min():.4g} to {df[name].max():.4g}: few for a count "
                f"of {what}, and nothing tells the unit; say it, "
                f'such as --map {name}="... * 1e6", or "... * 1" for so few'
            )


def _near(one: pd.Series, other: pd.Series, tolerance: float) -> pd.Series:
    return (one - other).abs() <= tolerance * other


def _likely(ratio: pd.Series) -> bool:
    return bool(_LIKELY[0] <= ratio.median() <= _LIKELY[1])
