"""The published tables behind the certified fits: where each comes from, and our form of it.

No table ships with the project. One is read from a folder (`--data`), as the normalised CSV or as
the original file, or downloaded from its own public repository at a fixed commit and checked
against its SHA-256. Sets that exist only as pickles, notebooks, literals in source files or folders
of small files are read from a folder alone: nothing downloaded is ever unpickled or run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pandas as pd

from scaling.errors import InputError
from scaling.table import read_table

HOST = "https://raw.githubusercontent.com"
_DROPPED = 5  # highest losses, which the replication of Chinchilla leaves out
_SEQUENCE = 2048  # tokens of a sequence in the StepLaw runs


@dataclass(frozen=True)
class Original:
    """One file of a public repository. file: its name in a folder of originals."""

    file: str
    repo: str
    commit: str
    path: str
    sha256: str

    @property
    def url(self) -> str:
        return f"{HOST}/{self.repo}/{self.commit}/{self.path}"


@dataclass(frozen=True)
class Published:
    """A published table. file: the normalised CSV; licence: as its repository states it."""

    name: str
    home: str
    licence: str
    originals: tuple[Original, ...] = ()
    normalise: Callable[[Sequence[pd.DataFrame]], pd.DataFrame] | None = None

    @property
    def file(self) -> str:
        return f"{self.name}.csv"


def _chinchilla(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    (raw,) = parts
    N, C, loss = raw["Model Size"], raw["Training FLOP"], raw["loss"]
    used = (loss < loss.nlargest(_DROPPED).min()).astype(int)
    return pd.DataFrame({"N": N, "D": C / (6 * N), "C": C, "loss": loss, "used": used})


def _isoflops(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """The Llama-3 points of the collection, which the certified fits use."""
    raw = pd.concat(parts).sort_values("experiment", kind="stable", ignore_index=True)
    kept = ["source", "dataset", "model", "condition", "experiment", "tokens", "params", "budget"]
    names = {"tokens": "D", "params": "N", "budget": "C"}
    return raw[[*kept, "loss"]].rename(columns=names)


def _tao(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    (raw,) = parts
    N = raw["Non_vocab_parameters"] + raw["vocab_size"] * raw["embed_dim"]
    C = raw["FLOPs"]
    return raw.assign(N=N, C=C, D=C / (6 * N), loss=raw["Lossu"])


def _steplaw(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    (raw,) = parts
    renamed = raw.rename(columns={"smooth loss": "smooth_loss"})
    return renamed.assign(bs_tokens=_SEQUENCE * renamed["bs"])


def _as_is(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    (raw,) = parts
    return raw


def _clark(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    (raw,) = parts
    last = raw.sort_values("step", kind="stable").groupby("hyper_id", as_index=False).last()
    return last[last["router_type"].isin(["RL-R", "S-Base", "Dense"])].reset_index(drop=True)


_ATHENA = partial(
    Original,
    repo="Open-Athena/scaling-law-analysis",
    commit="3e0656ee3dce1a2c89aa67691920f5eb9d30f0fc",
)
_STEPLAW = partial(
    Original, repo="step-law/steplaw", commit="32a8f4cc50247695fb56cc6c9117abdf67c97763"
)

TABLES: dict[str, Published] = {
    item.name: item
    for item in (
        Published(
            "chinchilla_epoch",
            "epoch-research/analyzing-chinchilla",
            "none stated",
            (
                Original(
                    "chinchilla-epoch.csv",
                    "epoch-research/analyzing-chinchilla",
                    "92258837425e1b5f2851d624287f0120583a3d0e",
                    "data/svg_extracted_data.csv",
                    "193478df4e90f040016431996c45682659306840ecdadf83cfb9cd5ca0aa1b30",
                ),
            ),
            _chinchilla,
        ),
        Published(
            "isoflops_openathena",
            "Open-Athena/scaling-law-analysis",
            "none stated",
            (
                _ATHENA(
                    file="isoflops-llama3.csv",
                    path="data/isoflops/extract/llama_3/isoflops.csv",
                    sha256="9450f8829778ce8bfb51cc9b18ef121ef18f0c81758cd8fbe74d9dcf0545a692",
                ),
            ),
            _isoflops,
        ),
        Published(
            "tao_vocab",
            "sail-sg/scaling-with-vocab",
            "none stated",
            (
                Original(
                    "tao-vocab.csv",
                    "sail-sg/scaling-with-vocab",
                    "6701cc202af8b075a46eef8e9d263b3f2ebe012c",
                    "exp_data.csv",
                    "6571e877469a44cb50b2d05e1fa485587369ee1c47941a4b3b2bfef80496f1b2",
                ),
            ),
            _tao,
        ),
        Published(
            "steplaw_dense",
            "step-law/steplaw",
            "none stated",
            (
                _STEPLAW(
                    file="steplaw-dense.csv",
                    path="data/dense_lr_bs_loss.csv",
                    sha256="9e46181076c04d450294d75dfe6f72adc416e231e154a07b337e378f9410002c",
                ),
            ),
            _steplaw,
        ),
        Published(
            "steplaw_bootstrap_params",
            "step-law/steplaw",
            "none stated",
            (
                _STEPLAW(
                    file="steplaw-bootstraps.csv",
                    path="data/1004_fitted_lr_bs_scaling_model_parameters.csv",
                    sha256="2252afbba5530e6ba6167e8101bd2b9082a018a58cb5922cc8672891a7f4336c",
                ),
            ),
            _as_is,
        ),
        Published(
            "clark_routing_final",
            "google-deepmind/scaling_laws_for_routing",
            "Apache-2.0",
            (
                Original(
                    "clark-routing.csv.gz",
                    "google-deepmind/scaling_laws_for_routing",
                    "42da0c392b127df2c01fa7b705f72396050d05e5",
                    "data/curves.csv.gz",
                    "c03e7531add85e594f368d33bac4a0220280be858a7ed12d147cf73af6a3819f",
                ),
            ),
            _clark,
        ),
        Published("porian_optima", "formll/resolving-scaling-law-discrepancies", "MIT-style file"),
        Published("muennighoff_dataconstrained", "huggingface/datablations", "Apache-2.0"),
        Published("gadre_overtraining", "mlfoundations/scaling", "MIT"),
        Published("parscale", "QwenLM/ParScale", "none stated"),
        Published("multipowerlaw_curves", "thu-yao-01-luo/MultiPowerLaw", "MIT"),
    )
}


def load(name: str, folder: Path | None = None) -> pd.DataFrame:
    """The table in our columns: from `folder` where one is given, else by download. One without
    rows for the name "": of cases that need no data.

    Raises InputError where the folder holds neither form, where the set cannot be downloaded, or
    where what came is not what its checksum says.
    """
    if not name:
        return pd.DataFrame()
    table = TABLES[name]
    if folder is None:
        paths = [_download(table, original) for original in table.originals]
    elif (folder / table.file).is_file():
        return read_table(folder / table.file)
    else:
        paths = [folder / original.file for original in table.originals]
    missing = [path.name for path in paths if not path.is_file()]
    if table.normalise is None or missing:
        raise InputError(_told(table, folder, missing))
    return table.normalise([pd.read_csv(path) for path in paths])


def _told(table: Published, folder: Path | None, missing: Sequence[str]) -> str:
    if folder is not None:
        either = f" nor {', '.join(missing)}" if missing else ""
        return f"{folder}: holds neither {table.file}{either}; the data are from {table.home}"
    return (
        f"{table.name} is not downloaded: {table.home} has it in no plain table. Make {table.file} "
        "from it and name the folder with --data"
    )


def _download(table: Published, original: Original) -> Path:
    """The file in the user's cache, fetched once; its SHA-256 is checked every time."""
    import pooch
    import requests

    pooch.get_logger().setLevel("ERROR")
    try:
        found = pooch.retrieve(
            original.url,
            known_hash=f"sha256:{original.sha256}",
            fname=f"{original.sha256[:16]}-{original.file}",
            path=pooch.os_cache("scaling"),
        )
    except (requests.RequestException, OSError, ValueError) as error:
        raise InputError(
            f"{table.name}: {original.url} could not be had ({error}); put {original.file} or "
            f"{table.file} into a folder and name it with --data"
        ) from None
    return Path(found)
