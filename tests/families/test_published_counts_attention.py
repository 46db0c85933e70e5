"""Parameter counts in print, to the digit."""

from __future__ import annotations

import pytest

from scaling.families import vit

# timm 1.0: vit_tiny, small, base, large _patch16_224 (1,000 classes); torchvision's vit_b_16 and
# vit_l_16 have the same 86,567,656 and 304,326,632.
VIT = {"Ti": 5_717_416, "S": 22_050_664, "B": 86_567_656, "L": 304_326_632}


@pytest.mark.parametrize(("preset", "count"), VIT.items())
def test_vit(preset: str, count: int) -> None:
    shape = vit.from_dials(preset=preset, image=224, channels=3, classes=1000)
    assert shape.N == shape.N_total == count
