"""The command `models`: the families, their ladders, and one model's layers. `scaling.cli` takes
it in."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scaling.commands import completion
from scaling.errors import InputError
from scaling.terminal import number, show, show_json

if TYPE_CHECKING:
    from rich.table import Table

    from scaling.families import Shape
    from scaling.families.layers import Layer

app = typer.Typer()
models_app = typer.Typer(help="The model families that grids know.", invoke_without_command=True)
app.add_typer(models_app, name="models")

# What the data usually set where a family was published: ImageNet's images, GPT-2's text, CoCa's.
USUAL = {"image": 224, "channels": 3, "classes": 1000, "vocab": 50_257, "context": 1024}
USUAL_PAIR = {**USUAL, "vocab": 64_000, "context": 64}

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Name = Annotated[
    str,
    typer.Argument(
        help="A family; `scaling models` lists them.", autocompletion=completion.families
    ),
]
Dials = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="DIAL=VALUE", help="A dial, or what data set (image=28, classes=10)."
    ),
]
Count = Annotated[str, typer.Option("--count", help="What a size counts: N or N_total.")]


@models_app.callback()
def list_models(context: typer.Context, as_json: JsonOption = False) -> None:
    """List the families with their dials. `scaling models show NAME` tells all about a model."""
    if context.invoked_subcommand is not None:
        return
    from scaling import families

    rows: list[dict[str, Any]] = []
    for name in families.names():
        family = families.get(name)
        rows.append(
            {
                "family": name,
                "D_counts": f"{family.UNIT}s",
                "dials": list(family.DIALS),
                "sized": list(family.SIZED),
                "data": list(family.DATA),
                "what": " ".join(str(family.__doc__).split("\n\n")[0].split()).rstrip("."),
            }
        )
    if as_json:
        show_json(rows)
        return
    lines: list[tuple[str, ...]] = []
    for r in rows:
        # What the size sets is starred.
        dials = ", ".join(f"{dial}*" if dial in r["sized"] else dial for dial in r["dials"])
        lines += [(r["family"], r["D_counts"], r["what"]), ("", "", f"dials: {dials}")]
    show(
        _table(("family", "D counts", "what it is"), lines),
        "* set by the size, unless given",
        "scaling models show NAME --size 25.6M: one model, layer by layer",
        "scaling models ladder NAME --from 1e5 --to 1e8: sizes in equal ratios",
    )


@models_app.command("show")
def show_model(
    name: Name,
    size: Annotated[
        str | None, typer.Option("--size", help="Parameters: the nearest buildable model.")
    ] = None,
    settings: Dials = None,
    count: Count = "N",
    batch: Annotated[
        int, typer.Option("--batch", min=1, help="Units of D in the step whose memory is told.")
    ] = 1,
    as_json: JsonOption = False,
) -> None:
    """Print a model's layers: shape, parameters, FLOPs, activations, receptive field."""
    dims, dials = _settings(name, settings)
    shape = _build(name, size, count, dims, dials)
    facts = _facts(name, shape, batch)
    if as_json:
        show_json({**facts, "layers": [_layer(layer) for layer in shape.layers()]})
        return
    show(_layer_table(shape.layers()), *_summary(facts))


@models_app.command("ladder")
def ladder(
    name: Name,
    first: Annotated[str, typer.Option("--from", help="The smallest size.")],
    last: Annotated[str, typer.Option("--to", help="The largest size.")],
    rungs: Annotated[int, typer.Option("--rungs", min=2, help="How many sizes.")] = 7,
    settings: Dials = None,
    count: Count = "N",
    as_json: JsonOption = False,
) -> None:
    """Print buildable models whose sizes grow in equal ratios."""
    dims, dials = _settings(name, settings)
    low, high = number(first), number(last)
    if not 0 < low < high:
        raise InputError(f"--from {low:g} --to {high:g}: sizes must be positive and grow")
    found = []
    for n in range(rungs):
        size = low * (high / low) ** (n / (rungs - 1))
        shape = _build(name, str(size), count, dims, dials)
        found.append({"asked": size, **_facts(name, shape, 1)})
    if as_json:
        show_json(found)
        return
    varied = [
        key
        for key in found[0]["config"]
        if len({json.dumps(rung["config"][key]) for rung in found}) > 1
    ]
    lines = [
        (
            f"{rung['asked']:,.0f}",
            f"{rung[count]:,}",
            f"{rung[count] / rung['asked'] - 1:+.1%}",
            f"{rung['training_flops']:.3g}",
            *(str(rung["config"][key]) for key in varied),
        )
        for rung in found
    ]
    unit = found[0]["unit"]
    show(_table(("asked", count, "off", f"training FLOPs / {unit}", *varied), lines, text=0))


def _settings(name: str, given: list[str] | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the data set, and the family's dials, from DIAL=VALUE."""
    from scaling import families

    family = families.get(name)
    usual = USUAL_PAIR if family.UNIT == "pair" else USUAL
    dims: dict[str, Any] = {key: usual[key] for key in family.DATA}
    dials: dict[str, Any] = {}
    for text in given or []:
        key, equals, value = text.partition("=")
        if not equals:
            raise InputError(f"--set {text!r} is not DIAL=VALUE")
        if key not in (*family.DATA, *family.DIALS):
            valid = ", ".join((*family.DIALS, *family.DATA))
            raise InputError(f"--set {key}: {name} has no such dial; valid: {valid}")
        (dims if key in family.DATA else dials)[key] = _value(value)
    return dims, dials


def _value(text: str) -> Any:
    """A dial's value as TOML would read it; a bare word is a text."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _build(
    name: str, size: str | None, count: str, dims: dict[str, Any], dials: dict[str, Any]
) -> Shape:
    from scaling import families

    if count not in ("N", "N_total"):
        raise InputError(f"--count {count}: valid: N, N_total")
    family = families.get(name)
    if size is None:
        return family.from_dials(**dims, **dials)
    return family.from_size(number(size), count=count, **dims, **dials)


def _facts(name: str, shape: Shape, batch: int) -> dict[str, Any]:
    from scaling import families

    return {
        "family": name,
        "unit": families.get(name).UNIT,
        "config": shape.to_dict(),
        "N": shape.N,
        "N_active": shape.N_active,
        "N_total": shape.N_total,
        "parameters": shape.parameters(),
        "forward_flops": sum(shape.forward_flops().values()),
        "training_flops": shape.training_flops(),
        "memory_bytes": shape.memory_bytes(batch),
        "batch": batch,
        "receptive_field": getattr(shape, "receptive_field", None),
    }


def _layer(layer: Layer) -> dict[str, Any]:
    field = layer.receptive
    return {
        "name": layer.name,
        "kind": layer.kind,
        "out": list(layer.out),
        "parameters": layer.parameters,
        "flops": layer.flops,
        "backward_flops": layer.backward_flops,
        "activation_bytes": 4 * layer.saved,
        "receptive_field": field and {"size": field.size, "stride": field.stride},
    }


def _layer_table(layers: tuple[Layer, ...]) -> Table:
    lines: list[tuple[str, ...]] = [
        (
            layer.name,
            layer.kind,
            " x ".join(map(str, layer.out)),
            f"{layer.parameters:,}" if layer.parameters else "",
            f"{layer.flops:,}" if layer.flops else "",
            f"{4 * layer.saved / 1024:,.1f}" if layer.saved else "",
            f"{layer.receptive.size} / {layer.receptive.stride}" if layer.receptive else "",
        )
        for layer in layers
    ]
    heads = (
        "layer", "kind", "output", "parameters", "FLOPs forward", "activations (KiB)",
        "receptive field / stride (px)",
    )  # fmt: skip
    return _table(heads, lines, text=3)


def _summary(facts: dict[str, Any]) -> list[str]:
    config = ", ".join(f"{k} = {v}" for k, v in facts["config"].items())
    groups = ", ".join(f"{group} {n:,}" for group, n in facts["parameters"].items())
    active = f", active {facts['N_active']:,}" if facts["N_active"] != facts["N"] else ""
    field = facts["receptive_field"]
    unit = facts["unit"]
    return [
        f"{facts['family']}: {config}",
        f"parameters: N {facts['N']:,} (without vocabulary tables){active}, N_total "
        f"{facts['N_total']:,}: {groups}",
        f"FLOPs for one {unit}, of products and convolutions (a multiply-add is two): "
        f"forward {facts['forward_flops']:,}, training {facts['training_flops']:,}",
        f"memory of a training step over {facts['batch']:,} {unit}{'s' * (facts['batch'] > 1)}, "
        f"float32, predicted: {facts['memory_bytes'] / 1e6:,.1f} MB",
        *([f"receptive field: {field} pixels a side, theoretical"] if field else []),
        "layers are counted for one example (a sequence of tokens, or an image)",
    ]


def _table(heads: tuple[str, ...], lines: list[tuple[str, ...]], *, text: int = 9) -> Table:
    """The first `text` columns are words, the others numbers."""
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    for n, head in enumerate(heads):
        last = n == len(heads) - 1
        table.add_column(head, justify="left" if n < text else "right", no_wrap=not last)
    for line in lines:
        table.add_row(*line)
    return table
