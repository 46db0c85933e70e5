"""Our form of each published table: its columns by our names, and what its paper leaves out."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

_DROPPED = 5  # highest losses, which the replication of Chinchilla leaves out
_SEQUENCE = 2048  # tokens of a sequence in the StepLaw runs


def chinchilla(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    (raw,) = parts
    N, C, loss = raw["Model Size"], raw["Training FLOP"], raw["loss"]
    used = (loss < loss.nlargest(_DROPPED).min()).astype(int)
    return pd.DataFrame({"N": N, "D": C / (6 * N), "C": C, "loss": loss, "used": used})


def isoflops(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """The Llama-3 points of the collection, which the certified fits use."""
    raw = pd.concat(parts).sort_values("experiment", kind="stable", ignore_index=True)
    kept = ["source", "dataset", "model", "condition", "experiment", "tokens", "params", "budget"]
    names = {"tokens": "D", "params": "N", "budget": "C"}
    return raw[[*kept, "loss"]].rename(columns=names)


def tao(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    (raw,) = parts
    N = raw["Non_vocab_parameters"] + raw["vocab_size"] * raw["embed_dim"]
    C = raw["FLOPs"]
    return raw.assign(N=N, C=C, D=C / (6 * N), loss=raw["Lossu"])


def steplaw(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    (raw,) = parts
    renamed = raw.rename(columns={"smooth loss": "smooth_loss"})
    return renamed.assign(bs_tokens=_SEQUENCE * renamed["bs"])


def as_is(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    (raw,) = parts
    return raw


def clark(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    (raw,) = parts
    last = raw.sort_values("step", kind="stable").groupby("hyper_id", as_index=False).last()
    return last[last["router_type"].isin(["RL-R", "S-Base", "Dense"])].reset_index(drop=True)
