"""Kumar's laws of precision."""

from __future__ import annotations

import numpy as np
import pytest

from scaling import laws
from scaling.laws import published

N, D = 2.2e8, 2.6e10


def test_endless_bits_are_hoffmanns_law() -> None:
    p = published["kumar2024_precision"].params
    bits = {"P_w": 400.0, "P_a": 400.0, "P_kv": 400.0}
    plain = 2.7648 + 4299 / N**0.4965 + 18060 / D**0.4965
    assert float(laws.get("precision").predict(N=N, D=D, **bits, **p)) == pytest.approx(plain)


def test_parts_by_hand() -> None:
    p = published["kumar2024_precision"].params
    kept = 1.0
    for gamma, n, P in ((2.6745, 0.3037, 4), (2.2102, 1.4072, 6), (0.9578, 2.4185, 5)):
        kept *= 1 - np.exp(n - P / gamma)
    expected = 2.7648 + 4299 / (N * kept) ** 0.4965 + 18060 / D**0.4965
    found = laws.get("precision").predict(N=N, D=D, P_w=4.0, P_a=6.0, P_kv=5.0, **p)
    assert float(found) == pytest.approx(expected, rel=1e-12)


def test_quantization_hurts_more_after_more_tokens_and_less_in_more_bits() -> None:
    p = published["kumar2024_quantization"].params
    law = laws.get("quantization")
    few, many = (float(law.predict(N=N, D=d, P_post=3.0, **p)) for d in (D, 10 * D))
    assert many / few == pytest.approx(10**0.5068)
    assert float(law.predict(N=N, D=D, P_post=4.0, **p)) == pytest.approx(few * np.exp(-1 / 0.5907))


def test_no_damage_where_training_was_in_the_bits_of_serving() -> None:
    p = {**published["kumar2024_precision"].params, **published["kumar2024_quantization"].params}
    p |= {"C_w": 0.9, "C_a": 0.8, "C_kv": 0.7}
    bits = {"P_w": 4.0, "P_a": 8.0, "P_kv": 8.0}
    trained = {name: p[name] for name in laws.get("precision").params}
    same = laws.get("precision_quantized").predict(N=N, D=D, **bits, P_post=4.0, **p)
    assert float(same) == pytest.approx(
        float(laws.get("precision").predict(N=N, D=D, **bits, **trained))
    )
    worse = laws.get("precision_quantized").predict(N=N, D=D, **bits, P_post=3.0, **p)
    assert float(worse) > float(same)
