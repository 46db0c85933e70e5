"""The posterior of a law's parameters: NUTS (NumPyro) on the problem that the engines solve.

Likelihood: residuals are independent, Student's t with the objective's nu (4), or normal for
squared ones, of a scale that is unknown in every group of rows and alike between groups. Priors:
`scaling.fit.priors`; exponents or E that groups draw from one population have a mean with the
published prior and a spread around it of gamma's shape 2, which keeps off 0 (Chung et al. 2013,
Psychometrika 78), with the published spread as its mean. So a group with few runs leans on the
others (Gelman et al., Bayesian Data Analysis, 3rd ed., chapter 5).

The law is evaluated on JAX's arrays (`scaling.laws.traced`). The sampler's space is unbounded and
whitened by the curvature at the posterior's mode, where chains need few steps.

JAX and NumPyro (extra `bayes`) are imported when a posterior is asked for, not with this file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from scaling.errors import InputError
from scaling.fit.build import Coordinates
from scaling.fit.diagnose import Chains
from scaling.fit.priors import priors_of
from scaling.fit.problem import Array, Problem
from scaling.laws.traced import Traced

CHAINS = 4
_WARMUP = 500  # steps of each chain that adapt it and are thrown away
_STEPS = 1000  # draws of each chain at least: fewer would be no faster, and say less of the chains
_ACCEPT = 0.95
_DEPTH = (6, 8)  # at most 2^depth - 1 leapfrog steps a draw, while adapting and after
_WIDE = 1.5  # standard deviation of the chains' starts, in whitened units: wider than the posterior
# ln of the noise as a part of the loss: mean, sd, and sd between groups
_NOISE = (float(np.log(0.005)), 1.5, 0.5)
_SCALES = 0.3  # sd of ln spreads and ln noise that the sampler starts with
_FARTHEST = 4.0  # prior scales from its middle: where the search for the mode starts at most
_FLATTEST = 1e-4  # curvature below this is none
_STEP = 1e-4  # of the differences that make a curvature: cheaper than compiling its derivative
_NORMAL = 1.4826  # standard deviation over median size, of normal residuals
_LEAST_NOISE = 1e-4
_EDGE = 1e-6


@dataclass(frozen=True, eq=False)
class Posterior:
    """Draws u [draws, p] in a problem's coordinates, their mean [p], and how the chains went."""

    u: Array
    mean: Array
    chains: Chains


def posterior(
    problem: Problem,
    coordinates: Coordinates,
    population: frozenset[str],
    start: Array,
    draws: int,
    seed: int,
) -> Posterior:
    """Draws from the posterior, all groups at once.

    population: coordinates (exponents, E) that the groups draw from one population. start [p]:
    where the mode is looked for. Raises InputError where JAX or NumPyro is not installed, for a law
    that can't be traced, and for a population of anything else.
    """
    try:
        import jax
        from numpyro.diagnostics import effective_sample_size, split_gelman_rubin
        from numpyro.infer import MCMC, NUTS
    except ImportError as error:
        raise InputError(
            f"draws of kind posterior need {error.name}: pip install 'scaling-laws[bayes]'"
        ) from None
    model = _Model(problem, coordinates, population)
    steps = max(-(-draws // CHAINS), _STEPS)
    with jax.enable_x64(True):
        space = _whitened(model, start)

        def potential(z: Any) -> Any:
            v, slope = space.placed(z)
            return -model.log_density(v) - slope

        kernel = NUTS(
            potential_fn=jax.jit(potential),
            target_accept_prob=_ACCEPT,
            max_tree_depth=_DEPTH,
            dense_mass=True,
        )
        sampler = MCMC(
            kernel,
            num_warmup=_WARMUP,
            num_samples=steps,
            num_chains=CHAINS,
            chain_method="vectorized",
            progress_bar=False,
        )
        starts = np.random.default_rng(seed).normal(size=(CHAINS, model.dimension))
        sampler.run(
            jax.random.PRNGKey(seed), init_params=_WIDE * starts, extra_fields=("diverging",)
        )
        z = np.asarray(sampler.get_samples(group_by_chain=True))
        diverged = int(np.asarray(sampler.get_extra_fields()["diverging"]).sum())
        placed = jax.jit(jax.vmap(lambda z: model.coordinates(space.placed(z)[0])))
        u = np.asarray(placed(z.reshape(-1, model.dimension)))
    chains = Chains(
        chains=CHAINS,
        steps=steps,
        r_hat=float(np.max(split_gelman_rubin(z))),
        effective=float(np.min(effective_sample_size(z))),
        divergences=diverged,
        prior=tuple(model.priors.told.values()),
    )
    kept = np.linspace(0, len(u) - 1, draws).astype(np.intp)
    return Posterior(u[kept], u.mean(axis=0), chains)


@dataclass(frozen=True, eq=False)
class _Whitened:
    """From the sampler's space z, normal and independent as far as curvature tells, to v.

    mode: of v, given the scales: the populations' spreads and the noise, at the end of v.
    curvature [free, free]: there, of minus the log density but for what populations say. ties
    [t, free], apart [t]: slope and value of each tied coordinate's logarithm less its population's
    mean; spreads [t]: which spread is its.

    Narrow populations bind their groups to each other, wide ones leave them to their rows. So where
    groups are, and how far they may stray, follows from the spreads of the same draw: in
    coordinates that know of one spread alone, or of none, chains stick where spreads are small.
    """

    mode: Array
    curvature: Array
    ties: Array
    apart: Array
    spreads: NDArray[np.intp]

    def placed(self, z: Any) -> tuple[Any, Any]:
        """v, and ln |dv/dz| up to a constant."""
        import jax.numpy as jnp
        from jax.scipy.linalg import cho_solve, solve_triangular

        free = len(self.curvature)
        scales = self.mode[free:] + _SCALES * z[free:]
        if len(self.ties) == 0:
            root = np.linalg.inv(np.linalg.cholesky(self.curvature)).T
            return jnp.concatenate([self.mode[:free] + root @ z[:free], scales]), 0.0
        held = jnp.exp(-2 * scales[self.spreads])
        before = np.exp(-2 * self.mode[free:][self.spreads])
        root = jnp.linalg.cholesky(self.curvature + self.ties.T @ (held[:, None] * self.ties))
        moved = cho_solve((root, True), self.ties.T @ (self.apart * (before - held)))
        strayed = solve_triangular(root, z[:free], lower=True, trans=1)
        v = jnp.concatenate([self.mode[:free] + moved + strayed, scales])
        return v, -jnp.log(jnp.diag(root)).sum()


def _whitened(model: _Model, start: Array) -> _Whitened:
    """Where the density is highest given the scales, and how it bends there.

    Populations' spreads are held where they start, and the noise is set once to what the first mode
    leaves. Over the scales too there is no mode worth the name: spreads and the noise of a group
    with few runs would shrink to nothing.
    """
    import jax

    v = model.start(start)
    free = model.dimension - model.count - model.among
    gradient = jax.jit(jax.value_and_grad(lambda v: -model.log_density(v)))

    def told(part: Array) -> tuple[float, Array]:
        value, slope = gradient(np.concatenate([part, v[free:]]))
        return float(value), np.asarray(slope)[:free]

    def bent(part: Array) -> Array:
        steps = _STEP * np.eye(free)
        rises = [told(part + step)[1] - told(part - step)[1] for step in steps]
        return np.array(rises) / (2 * _STEP)

    try:
        for _ in range(2):
            v[:free] = minimize(told, v[:free], jac=True, hess=bent, method="trust-exact").x
            v = model.with_noise(v)
    except (TypeError, AttributeError) as error:
        law = model.law.name
        raise InputError(f"law {law} has no posterior here: JAX can't trace it ({error})") from None
    ties, apart, spreads = model.ties(v)
    tied = ties / np.exp(v[free:][spreads])[:, None]
    values, vectors = np.linalg.eigh(bent(v[:free]) - tied.T @ tied)
    curvature = (vectors * np.maximum(np.abs(values), _FLATTEST)) @ vectors.T
    return _Whitened(v, curvature, ties, apart, spreads)


class _Model:
    """The log posterior over an unbounded space v, and the coordinates that a v stands for.

    v holds each coordinate's place in its box on an unbounded scale; then, for what groups draw
    from a population, the mean and the ln spread of its logarithm; then ln noise of every group.
    Methods with arrays of JAX want its 64-bit mode.
    """

    def __init__(
        self, problem: Problem, coordinates: Coordinates, population: frozenset[str]
    ) -> None:
        self.problem, self.law, groups = problem, coordinates.law, coordinates.groups
        self.priors = priors_of(coordinates)
        self.number = groups.number
        self.parts = coordinates.where()  # [groups, own]: position of each group's coordinates
        logs = dict(zip(coordinates.names, self.priors.logs, strict=True))
        wrong = sorted(name for name in population if not logs.get(name, False))
        if wrong:
            able = ", ".join(name for name, log in logs.items() if log) or "none"
            raise InputError(
                f"share {', '.join(wrong)}: groups can draw from one population only what "
                f"published fits tell the spread of; of law {self.law.name}: {able}"
            )
        self.shared = np.array([name in population for name in coordinates.names])
        self.among, self.count = int(self.shared.sum()), len(groups.names)
        self.dimension = problem.size + 2 * self.among + self.count
        self.low, self.high = np.isfinite(problem.lower), np.isfinite(problem.upper)
        self.unit = 1.0 if problem.on == "log_loss" else float(np.abs(problem.loss).mean())

    def _split(self, v: Any) -> tuple[Any, Any, Any, Any]:
        """Places of coordinates, populations' means and ln spreads, ln noises."""
        p, k = self.problem.size, self.among
        return v[:p], v[p : p + k], v[p + k : p + 2 * k], v[p + 2 * k :]

    def coordinates(self, v: Any) -> Any:
        """u [p] from v."""
        return self._mapped(self._split(v)[0])[0]

    def _mapped(self, place: Any) -> tuple[Any, Any]:
        """u [p] from its places, and ln du/dv."""
        import jax.numpy as jnp
        from jax.nn import log_sigmoid

        both, one = self.low & self.high, self.low ^ self.high
        lower = np.where(self.low, self.problem.lower, 0.0)
        upper = np.where(self.high, self.problem.upper, 0.0)
        width = np.where(both, upper - lower, 1.0)
        power = jnp.exp(jnp.where(one, place, 0.0))
        part = log_sigmoid(place)
        u = jnp.where(self.low, lower + power, jnp.where(self.high, upper - power, place))
        u = jnp.where(both, lower + width * jnp.exp(part), u)
        slope = jnp.where(both, jnp.log(width) + part + log_sigmoid(-place), one * place)
        return u, slope

    def log_density(self, v: Any) -> Any:
        """ln posterior density of v, up to a constant."""
        import jax.numpy as jnp

        place, mean, ln_spread, ln_noise = self._split(v)
        u, slope = self._mapped(place)
        priors, shared = self.priors, self.shared
        own = u[self.parts]  # [groups, own]
        ln = jnp.log(jnp.where(priors.logs, own, 1.0))
        quantity = jnp.where(priors.logs, ln, own @ priors.lift.T + priors.offset)
        apart = _student(quantity, priors.location, priors.scale, priors.freedom)
        among = -0.5 * ((ln[:, shared] - mean) / jnp.exp(ln_spread)) ** 2 - ln_spread
        total = slope.sum() - ln.sum() + apart[:, ~shared].sum() + among.sum()
        scale = priors.scale[shared]
        total += _student(mean, priors.location[shared], scale, priors.freedom[shared]).sum()
        total += (2 * ln_spread - 2 * jnp.exp(ln_spread) / scale).sum()
        return total + self._noise(ln_noise) + self._likelihood(u, ln_noise[self.number])

    def ties(self, v: Array) -> tuple[Array, Array, NDArray[np.intp]]:
        """Slopes [t, places and means] and values [t] at v of every ln coordinate less the mean of
        the population that it is drawn from, and the population of each [t]."""
        place, mean, *_ = self._split(v)
        u, slope = map(np.asarray, self._mapped(place))
        at, spreads = self.parts[:, self.shared].ravel(), np.tile(np.arange(self.among), self.count)
        row, slopes = np.arange(len(at)), np.zeros((len(at), len(place) + self.among))
        slopes[row, at] = np.exp(slope[at]) / u[at]
        slopes[row, len(place) + spreads] = -1.0
        return slopes, np.log(u[at]) - mean[spreads], spreads

    def _noise(self, ln_noise: Any) -> Any:
        """Normal around a common level, which is normal itself."""
        location, common, between = _NOISE
        covariance = common**2 + between**2 * np.eye(self.count)
        far = ln_noise - np.log(self.unit) - location
        return -0.5 * far @ np.linalg.inv(covariance) @ far

    def _likelihood(self, u: Any, ln_noise: Any) -> Any:
        """A row of weight w has 1/sqrt(w) of the noise; one of weight 0 says nothing."""
        import jax.numpy as jnp

        problem = self.problem
        residual = problem.model(Traced(u[None])).value[0] - problem.target
        residual = residual * np.sqrt(problem.weights) / jnp.exp(ln_noise)
        nu = problem.objective.nu
        normal = problem.objective.name == "squared"
        each = -0.5 * residual**2 if normal else -0.5 * (nu + 1) * jnp.log1p(residual**2 / nu)
        return jnp.where(problem.weights > 0, each - ln_noise, 0.0).sum()

    def start(self, u: Array) -> Array:
        """v near u [p], not farther from what is believed than the search should start."""
        priors = self.priors
        own = u[self.parts]
        low, high = (priors.location + side * _FARTHEST * priors.scale for side in (-1, 1))
        ln = np.clip(np.log(np.where(priors.logs, np.maximum(own, 1e-300), 1.0)), low, high)
        own = np.where(priors.logs, np.exp(np.where(priors.logs, ln, 0.0)), own)
        heights = own @ priors.lift.T + priors.offset
        near = np.array(u)
        near[self.parts] = np.where(priors.logs, own, own + np.clip(heights, low, high) - heights)
        mean, spread = ln[:, self.shared].mean(axis=0), priors.scale[self.shared] / 4
        ln_noise = np.zeros(self.count)
        return self.with_noise(np.concatenate([self._placed(near), mean, np.log(spread), ln_noise]))

    def with_noise(self, v: Array) -> Array:
        """v with the noise that its residuals have, the same for all groups."""
        missed = np.abs(self.problem.residuals(np.asarray(self.coordinates(v))))
        rows, p = self.problem.rows, self.problem.size
        noise = _NORMAL * float(np.median(missed)) * np.sqrt(rows / max(rows - p, 1))
        found = v.copy()
        found[self.dimension - self.count :] = np.log(max(noise, _LEAST_NOISE * self.unit))
        return found

    def _placed(self, u: Array) -> Array:
        """The inverse of `_mapped`, kept off the edges of the box."""
        both = self.low & self.high
        lower = np.where(self.low, self.problem.lower, 0.0)
        upper = np.where(self.high, self.problem.upper, 0.0)
        part = np.clip((u - lower) / np.where(both, upper - lower, 1.0), _EDGE, 1 - _EDGE)
        inward = np.maximum(np.where(self.low, u - lower, upper - u), _EDGE)
        one = np.where(self.low ^ self.high, np.log(inward), u)
        return np.asarray(np.where(both, np.log(part / (1 - part)), one))


def _student(value: Any, location: Array, scale: Array, freedom: Array) -> Any:
    """ln density of Student's t, up to a constant."""
    import jax.numpy as jnp

    return -0.5 * (freedom + 1) * jnp.log1p(((value - location) / scale) ** 2 / freedom)
