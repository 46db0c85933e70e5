"""Laws on another library's arrays: JAX's, with the derivatives that it finds there."""

from __future__ import annotations

import numpy as np
import pytest
from batteries import laws as battery

from scaling import laws
from scaling.fit.build import build
from scaling.fit.objective import squared
from scaling.laws.traced import Traced

jax = pytest.importorskip("jax", reason="needs scaling-laws[bayes]")

UNTRACEABLE = {"m4"}  # it iterates until its values say to stop


@pytest.mark.parametrize("name", sorted(set(laws.names()) - UNTRACEABLE))
def test_a_law_is_the_same_on_jaxs_arrays(name: str) -> None:
    law = laws.get(name)
    x = {k: v for k, v in battery.design(law).items() if k in law.variables}
    truth = battery.truth(law)
    problem, coordinates = build(law, x, np.abs(law.predict(**x, **truth)), squared(), "loss")
    u = coordinates.encode({k: np.float64(v) for k, v in truth.items()})
    with jax.enable_x64(True):
        seen = np.asarray(problem.model(Traced(jax.numpy.asarray(u)[None])).value)
    assert seen == pytest.approx(problem.model(u[None]), rel=1e-10)


def test_jax_differentiates_a_law_as_its_own_form_does() -> None:
    law = laws.get("pnorm")
    x = battery.design(law)
    truth = battery.truth(law)
    problem, coordinates = build(law, x, law.predict(**x, **truth), squared(), "log_loss")
    u = coordinates.encode({k: np.float64(v) for k, v in truth.items()})
    with jax.enable_x64(True):
        slope = jax.jacobian(lambda v: problem.model(Traced(v[None])).value[0])(
            jax.numpy.asarray(u)
        )
        assert np.asarray(slope) == pytest.approx(problem.jacobian(u), rel=1e-8, abs=1e-12)


def test_what_the_other_library_does_not_know_is_a_type_error() -> None:
    with pytest.raises(TypeError):
        np.unwrap(Traced(jax.numpy.ones(3)), discont=object())
    with pytest.raises(TypeError):
        np.add.reduce(Traced(jax.numpy.ones(3)))
