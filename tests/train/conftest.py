"""Each program is compiled once for all tests here, as it is once for all runs on a machine."""

from __future__ import annotations

from collections.abc import Iterator

import jax
import pytest

from scaling.sweep.run import prepare_jax


@pytest.fixture(scope="package", autouse=True)
def compilation_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    before = jax.config.jax_compilation_cache_dir
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SCALING_CACHE", str(tmp_path_factory.mktemp("cache")))
        prepare_jax()
        yield
    jax.config.update("jax_compilation_cache_dir", before)
