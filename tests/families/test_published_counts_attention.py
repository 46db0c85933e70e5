"""Parameter counts in print, to the digit."""

from __future__ import annotations

import pytest

from scaling.families import transformer, vit

# timm 1.0: vit_tiny, small, base, large _patch16_224 (1,000 classes); torchvision's vit_b_16 and
# vit_l_16 have the same 86,567,656 and 304,326,632.
VIT = {"Ti": 5_717_416, "S": 22_050_664, "B": 86_567_656, "L": 304_326_632}


@pytest.mark.parametrize(("preset", "count"), VIT.items())
def test_vit(preset: str, count: int) -> None:
    shape = vit.from_dials(preset=preset, image=224, channels=3, classes=1000)
    assert shape.N == shape.N_total == count


def test_gpt2_small() -> None:
    # Radford et al. 2019; Hugging Face's `openai-community/gpt2` has 124,439,808.
    shape = transformer.from_dials(
        width=768, depth=12, heads=12, context=1024, vocab=50257,
        mlp="gelu", norm="layer", positions="learned", bias=True, tied=True,
    )  # fmt: skip
    assert shape.N_total == 124_439_808
    # 12 blocks of 12 w^2 + 13 w, and the last norm's 2 w: neither tokens nor positions.
    assert shape.N == 12 * (12 * 768**2 + 13 * 768) + 2 * 768
