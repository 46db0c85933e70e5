"""The published tables: names, homes, commits, checksums, licences, conventions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import partial

import pandas as pd

from scaling.errors import InputError
from scaling.published import normalise

HOST = "https://raw.githubusercontent.com"


@dataclass(frozen=True)
class Original:
    """One file of a public repository. file: its name in a folder of originals; size: in bytes."""

    file: str
    repo: str
    commit: str
    path: str
    sha256: str
    size: int

    @property
    def url(self) -> str:
        return f"{HOST}/{self.repo}/{self.commit}/{self.path}"


@dataclass(frozen=True)
class Published:
    """A published table.

    name: as `scaling data get` takes it; stem: of the normalised CSV. licence: as its repository
    states it. kinds: the conventions that its source states; others are unstated. command: what to
    ask of it first, FILE standing for the table's file.
    """

    name: str
    stem: str
    about: str
    home: str
    licence: str
    originals: tuple[Original, ...] = ()
    normalise: Callable[[Sequence[pd.DataFrame]], pd.DataFrame] | None = None
    kinds: Mapping[str, str] = field(default_factory=dict)
    command: str = "scaling table summarise FILE"

    @property
    def file(self) -> str:
        return f"{self.stem}.csv"

    @property
    def size(self) -> int | None:
        """Bytes to download; None for a set that is read from a folder alone."""
        return sum(original.size for original in self.originals) if self.originals else None


_ATHENA = partial(
    Original,
    repo="Open-Athena/scaling-law-analysis",
    commit="3e0656ee3dce1a2c89aa67691920f5eb9d30f0fc",
)
_STEPLAW = partial(
    Original, repo="step-law/steplaw", commit="32a8f4cc50247695fb56cc6c9117abdf67c97763"
)
_ISOFLOPS = partial(Published, home="Open-Athena/scaling-law-analysis", licence="none stated")
_TEXT = {"D_kind": "tokens", "L_kind": "nats_per_token"}

_ALL = (
    Published(
        "chinchilla-epoch",
        "chinchilla_epoch",
        "245 runs of Chinchilla (Hoffmann et al. 2022), read off figure 4 by Epoch",
        "epoch-research/analyzing-chinchilla",
        "none stated",
        (
            Original(
                "chinchilla-epoch.csv",
                "epoch-research/analyzing-chinchilla",
                "92258837425e1b5f2851d624287f0120583a3d0e",
                "data/svg_extracted_data.csv",
                "193478df4e90f040016431996c45682659306840ecdadf83cfb9cd5ca0aa1b30",
                23224,
            ),
        ),
        normalise.chinchilla,
        {**_TEXT, "C_kind": "6ND"},  # D is C / 6N: the figure has no tokens
        "scaling fit FILE --law chinchilla --where 'used == 1'",
    ),
    _ISOFLOPS(
        name="isoflops-openathena",
        stem="isoflops_openathena",
        about="isoFLOP points of Llama 3; the normalised table also has Chinchilla's and Marin's",
        originals=(
            _ATHENA(
                file="isoflops-llama3.csv",
                path="data/isoflops/extract/llama_3/isoflops.csv",
                sha256="9450f8829778ce8bfb51cc9b18ef121ef18f0c81758cd8fbe74d9dcf0545a692",
                size=30434,
            ),
        ),
        normalise=normalise.isoflops,
        command="scaling methods FILE --where \"experiment == 'llama_3__raw_loss'\"",
    ),
    _ISOFLOPS(
        name="isoflops-chinchilla",
        stem="isoflops_chinchilla",
        about="isoFLOP points of Chinchilla",
        originals=(
            _ATHENA(
                file="isoflops-chinchilla.csv",
                path="data/isoflops/extract/epochai_chinchilla/isoflops.csv",
                sha256="80688eb2f47e41a3f3e37d094a00d29b3fb3a9fd2f4107125e60e9521fed81e7",
                size=18925,
            ),
        ),
        normalise=normalise.isoflops,
        command="scaling methods FILE",
    ),
    _ISOFLOPS(
        name="isoflops-marin",
        stem="isoflops_marin",
        about="isoFLOP points of Marin, on two mixtures of data",
        originals=(
            _ATHENA(
                file="isoflops-marin.csv",
                path="data/isoflops/extract/marin_202603/isoflops.csv",
                sha256="f2c307ac8152f0df9b2be720bfc5958fdc54688de152e3294cec12da34cfa7f2",
                size=31162,
            ),
        ),
        normalise=normalise.isoflops,
        command="scaling methods FILE --where \"dataset == 'dclm'\"",
    ),
    Published(
        "tao-vocab",
        "tao_vocab",
        "1,200 points over vocabularies (Tao et al. 2024); unigram-normalised loss",
        "sail-sg/scaling-with-vocab",
        "none stated",
        (
            Original(
                "tao-vocab.csv",
                "sail-sg/scaling-with-vocab",
                "6701cc202af8b075a46eef8e9d263b3f2ebe012c",
                "exp_data.csv",
                "6571e877469a44cb50b2d05e1fa485587369ee1c47941a4b3b2bfef80496f1b2",
                97273,
            ),
        ),
        normalise.tao,
        {"N_kind": "total", "D_kind": "tokens", "C_kind": "6ND"},  # D is C / 6N
    ),
    Published(
        "steplaw-dense",
        "steplaw_dense",
        "1,911 runs over learning rate and batch at 17 sizes and lengths (Li et al. 2025)",
        "step-law/steplaw",
        "none stated",
        (
            _STEPLAW(
                file="steplaw-dense.csv",
                path="data/dense_lr_bs_loss.csv",
                sha256="9e46181076c04d450294d75dfe6f72adc416e231e154a07b337e378f9410002c",
                size=344476,
            ),
        ),
        normalise.steplaw,
        _TEXT,
        "scaling rates FILE --columns learning_rate=lr,batch_tokens=bs_tokens",
    ),
    Published(
        "steplaw-bootstraps",
        "steplaw_bootstrap_params",
        "1,000 bootstrapped coefficients of Step Law; no runs",
        "step-law/steplaw",
        "none stated",
        (
            _STEPLAW(
                file="steplaw-bootstraps.csv",
                path="data/1004_fitted_lr_bs_scaling_model_parameters.csv",
                sha256="2252afbba5530e6ba6167e8101bd2b9082a018a58cb5922cc8672891a7f4336c",
                size=97581,
            ),
        ),
        normalise.as_is,
    ),
    Published(
        "clark-routing",
        "clark_routing_final",
        "routed and dense language models (Clark et al. 2022), each at its last step",
        "google-deepmind/scaling_laws_for_routing",
        "Apache-2.0",
        (
            Original(
                "clark-routing.csv.gz",
                "google-deepmind/scaling_laws_for_routing",
                "42da0c392b127df2c01fa7b705f72396050d05e5",
                "data/curves.csv.gz",
                "c03e7531add85e594f368d33bac4a0220280be858a7ed12d147cf73af6a3819f",
                336608,
            ),
        ),
        normalise.clark,
        {"L_kind": "nats_per_token"},
        "scaling fit FILE --law routed --columns "
        "N=dense_parameter_count,K=num_experts,L=loss_validation",
    ),
    Published(
        "porian-isoflop",
        "porian_isoflop",
        "1,745 isoFLOP points in 15 stages from Kaplan to Chinchilla (Porian et al. 2024)",
        "formll/resolving-scaling-law-discrepancies",
        "MIT-style file",
        kinds=_TEXT,
        command="scaling methods FILE --where \"stage == 'rw/base/short/chinchilla/standard/val'\"",
    ),
    Published(
        "porian-optima",
        "porian_optima",
        "177 compute-optimal sizes by stage and budget (Porian et al. 2024)",
        "formll/resolving-scaling-law-discrepancies",
        "MIT-style file",
    ),
    Published(
        "muennighoff",
        "muennighoff_dataconstrained",
        "182 runs on repeated data (Muennighoff et al. 2023)",
        "huggingface/datablations",
        "Apache-2.0",
        kinds=_TEXT,
        command="scaling fit FILE --law muennighoff",
    ),
    Published(
        "gadre",
        "gadre_overtraining",
        "104 over-trained models with their errors on tasks (Gadre et al. 2024)",
        "mlfoundations/scaling",
        "MIT",
        kinds={**_TEXT, "N_kind": "total", "C_kind": "6ND"},  # N_noembed stands beside N
        command="scaling fit FILE --law gadre --where \"dataset == 'c4_original'\"",
    ),
    Published(
        "parscale",
        "parscale",
        "24 models of parallel streams (Chen et al. 2025)",
        "QwenLM/ParScale",
        "none stated",
        kinds={"L_kind": "nats_per_token"},
        command="scaling fit FILE --law parscale",
    ),
    Published(
        "multipowerlaw",
        "multipowerlaw_curves",
        "27 loss curves under several schedules of the learning rate (Luo et al. 2025)",
        "thu-yao-01-luo/MultiPowerLaw",
        "MIT",
        kinds={"L_kind": "nats_per_token"},
    ),
)
TABLES: dict[str, Published] = {item.name: item for item in _ALL}
_BY_STEM = {item.stem: item for item in _ALL}


def find(name: str) -> Published:
    """The table of this name, or of the stem of its normalised file. Raises InputError, with the
    nearest names, for none."""
    found = TABLES.get(name) or _BY_STEM.get(name)
    if found is None:
        near = get_close_matches(name, TABLES, 2, 0.5)
        hint = f"nearest: {', '.join(near)}; " if near else ""
        raise InputError(f"no published table {name!r}; {hint}valid: {', '.join(TABLES)}")
    return found
