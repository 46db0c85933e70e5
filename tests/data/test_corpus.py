"""Loading, the cache and its failures, and views of a corpus."""

from __future__ import annotations

import json
import multiprocessing
import shutil
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from scaling.data import Corpus, corpus, load
from scaling.errors import InputError


def _fingerprint(source: str, cache: Path) -> str:
    return load(source, cache=cache).fingerprint


def test_corpus_is_a_memory_map_with_facts(folder: Path, cache: Path) -> None:
    found = load(f"{folder}/*.txt", cache=cache)
    assert isinstance(found.train, np.memmap)
    assert found.train.dtype == np.uint8
    assert not found.train.flags.writeable
    assert json.loads(json.dumps(found.facts)) == found.facts
    assert found.facts["documents"] == {"train": 27, "held_out": 3}
    assert found.facts["bytes_per_token"] == 1.0
    assert found.facts["tokens"] == {"train": len(found.train), "held_out": len(found.held_out)}


def test_names_and_places_of_files_do_not_matter(folder: Path, cache: Path) -> None:
    first = load(f"{folder}/*.txt", cache=cache)
    for n, path in enumerate(sorted(folder.iterdir())):
        path.rename(folder / f"{99 - n}.md")
    second = load(f"{folder}/*.md", cache=cache)
    assert first == second
    assert second.name == second.facts["source"] == f"{folder}/*.md"
    assert len(list(cache.iterdir())) == 1


def test_contents_and_options_give_another_fingerprint(folder: Path, cache: Path) -> None:
    source = f"{folder}/*.txt"
    loaded = [
        load(source, cache=cache),
        load(source, cache=cache, held_out=0.2),
        load(source, cache=cache, tokenizer="bpe:300"),
    ]
    (folder / "00.txt").write_text("entirely other words")
    loaded.append(load(source, cache=cache))
    assert len({c.fingerprint for c in loaded}) == 4
    assert loaded[2].vocab == 300
    assert loaded[2].train.dtype == np.uint16
    assert loaded[2].facts["bytes_per_token"] > 1


@pytest.mark.parametrize("harm", ["flip", "cut", "no-facts", "half-json", "empty", "foreign"])
def test_a_damaged_entry_is_rebuilt(folder: Path, cache: Path, harm: str) -> None:
    source = f"{folder}/*.txt"
    good = load(source, cache=cache)
    expected = np.array(good.train)
    (entry,) = cache.iterdir()
    tokens, facts = entry / "train.npy", entry / "entry.json"
    raw = tokens.read_bytes()
    if harm == "flip":
        tokens.write_bytes(raw[:-9] + bytes([raw[-9] ^ 1]) + raw[-8:])
    elif harm == "cut":
        tokens.write_bytes(raw[:-9])
    elif harm == "no-facts":
        facts.unlink()
    elif harm == "half-json":
        facts.write_text(facts.read_text()[:50])
    elif harm == "empty":
        shutil.rmtree(entry)
        entry.mkdir()
    else:
        facts.write_text("[1]")
    again = load(source, cache=cache)
    assert again == good
    assert np.array_equal(again.train, expected)
    assert [path.name for path in cache.iterdir()] == [entry.name]


def test_two_processes_at_once(folder: Path, cache: Path) -> None:
    # Spawned, as the executors do: a fork would share the parent's state.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        found = set(pool.map(_fingerprint, [f"{folder}/*.txt"] * 4, [cache] * 4))
    assert len(found) == 1
    assert len(list(cache.iterdir())) == 1


def test_a_cache_that_cannot_be_written(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match=r"cannot be written.*\$SCALING_CACHE"):
        load(f"{folder}/*.txt", cache=tmp_path / "file" / "cache")


def test_a_full_disk_leaves_nothing_behind(
    folder: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("numpy.save", full)
        with pytest.raises(InputError, match="No space left on device"):
            load(f"{folder}/*.txt", cache=cache)
    assert not list(cache.iterdir())
    load(f"{folder}/*.txt", cache=cache)


def test_default_cache_folder(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SCALING_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert corpus.cache_folder() == tmp_path / "xdg" / "scaling"
    monkeypatch.setenv("SCALING_CACHE", str(tmp_path / "own"))
    load(f"{folder}/*.txt")
    assert len(list((tmp_path / "own" / "data").iterdir())) == 1


def test_too_short_text_says_how_much_is_needed(folder: Path, cache: Path) -> None:
    with pytest.raises(InputError, match=r"only [\d,]+ tokens in the held-out part.*4,096"):
        load(f"{folder}/0*.txt", cache=cache)


def test_take_is_a_view_of_the_first_tokens(folder: Path, cache: Path) -> None:
    whole = load(f"{folder}/*.txt", cache=cache)
    part = whole.take(5000)
    assert np.shares_memory(part.train, whole.train)
    assert len(part.train) == part.train_offsets[-1] == 5000
    assert (np.diff(part.train_offsets) > 0).all()
    assert part.held_out is whole.held_out
    assert part != whole
    assert part == whole.take(5000)
    assert whole.take(len(whole.train)) is whole
    for n in (0, -1, len(whole.train) + 1):
        with pytest.raises(InputError, match="training tokens"):
            whole.take(n)


def test_equal_corpora_are_equal_values(folder: Path, cache: Path) -> None:
    first: Corpus = load(f"{folder}/*.txt", cache=cache)
    assert first == load(f"{folder}/*.txt", cache=cache)
    assert "memmap" not in repr(first)
