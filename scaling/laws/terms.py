"""Pieces that laws share: sums of power laws with exact second derivatives, and safe functions.

Most laws are ln(E + sum of terms), each term the exponential of something smooth.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from scaling.laws.law import Array, Feature, Form, Jet


def sum_core(y: tuple[Array, ...]) -> Jet:
    """ln(E + e^z1 + e^z2 + ...): y[0] is E, a bound-able number; the others are logs."""
    terms = [np.exp(z) for z in y[1:]]
    loss = sum(terms, y[0])
    e = 1 / loss
    parts = [term / loss for term in terms]
    hessian = {(0, 0): -e * e}
    for k, q in enumerate(parts, 1):
        hessian[0, k] = -e * q
        for j, p in enumerate(parts[: k - 1], 1):
            hessian[j, k] = -p * q
        hessian[k, k] = q * (1 - q)
    return Jet(np.log(loss), (e, *parts), hessian)


def sum_form(*terms: Feature, offset: str = "E") -> Form:
    """E plus power laws, one a feature."""
    return Form((Feature(offset), *terms), sum_core)


def above(offset: Array, inner: Jet) -> Jet:
    """ln(E + e^G) by E and by the inner variables of G, which come after E."""
    term = np.exp(inner.value)
    loss = offset + term
    e, s = 1 / loss, term / loss
    size = len(inner.gradient)
    hessian = {(0, 0): -e * e}
    for j, g in enumerate(inner.gradient, 1):
        hessian[0, j] = -e * s * g
    for k in range(size):
        for j in range(k + 1):
            own = s * inner.hessian[j, k] if (j, k) in inner.hessian else 0.0
            both = s * (1 - s) * inner.gradient[j] * inner.gradient[k]
            hessian[j + 1, k + 1] = own + both
    return Jet(np.log(loss), (e, *(s * g for g in inner.gradient)), hessian)


def least(a: Any, b: Any) -> Any:
    """The smaller, by real parts: complex steps pass through."""
    return np.where(np.real(a) < np.real(b), a, b)


def softplus(v: Any) -> Any:
    """ln(1 + e^v) without overflow, for real or complex v."""
    positive = np.real(v) > 0
    return np.where(positive, v, 0) + np.log1p(np.exp(np.where(positive, -v, v)))


def sigmoid(v: Any) -> Any:
    """1 / (1 + e^-v) without overflow, for real or complex v."""
    small = np.exp(np.where(np.real(v) > 0, -v, v))
    return np.where(np.real(v) > 0, 1, small) / (1 + small)
