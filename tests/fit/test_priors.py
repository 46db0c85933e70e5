"""Priors of published fits: what they say, and of which coordinates."""

from __future__ import annotations

import numpy as np
import pytest
from batteries import laws as battery

from scaling import laws
from scaling.fit.build import Coordinates, build
from scaling.fit.objective import squared
from scaling.fit.priors import REFERENCE, priors_of, published_beliefs


def coordinates_of(name: str, **fixed: float) -> Coordinates:
    law = laws.get(name)
    x = {k: v for k, v in battery.design(law).items() if k in law.variables}
    loss = np.abs(law.predict(**x, **battery.truth(law)))
    return build(law, x, loss, squared(), "log_loss", fixed)[1]


def test_published_fits_lie_inside_what_they_make_us_believe() -> None:
    beliefs = published_beliefs()
    fit = laws.published["besiroglu2024"].params
    quantities = {
        "E": fit["E"],
        "alpha": fit["alpha"],
        "beta": fit["beta"],
        "height of N": fit["A"] / REFERENCE["N"] ** fit["alpha"],
        "height of D": fit["B"] / REFERENCE["D"] ** fit["beta"],
    }
    assert set(beliefs) == set(quantities)
    for name, value in quantities.items():
        belief = beliefs[name]
        assert abs(np.log(value) - belief.location) < 1.5 * belief.scale, name
        assert belief.freedom == 7  # eight fits
    assert str(beliefs["alpha"]).startswith("0.3 [")


@pytest.mark.parametrize("fixed", [{}, {"alpha": 0.3}, {"E": 1.7}])
def test_heights_are_where_the_law_puts_them(fixed: dict[str, float]) -> None:
    """The quantity of A is the logarithm of its term at N = 1e9, wherever the rows lie."""
    coordinates = coordinates_of("chinchilla", **fixed)
    params = {"E": 1.7, "A": 400.0, "B": 410.0, "alpha": 0.3, "beta": 0.28}
    priors = priors_of(coordinates)
    quantity = priors.lift @ coordinates.encode(params) + priors.offset
    i = coordinates.names.index("A")
    assert quantity[i] == pytest.approx(np.log(400.0 / 1e9**0.3))
    assert set(priors.told) == set(coordinates.names)


def test_only_powers_of_n_and_d_under_an_e_are_spoken_of() -> None:
    assert not priors_of(coordinates_of("kaplan")).told
    assert not priors_of(coordinates_of("m2")).told
    told = priors_of(coordinates_of("pnorm")).told
    assert set(told) == {"E", "A", "B", "alpha", "beta"}  # and k is weak
    tied = priors_of(coordinates_of("chinchilla_tied"))
    assert set(tied.told) == {"E", "A", "B", "alpha"}
