"""Being asked to stop: by whom, what is told, and what is forgotten."""

from __future__ import annotations

import pickle
import signal
import threading
from collections.abc import Iterator

import pytest

from scaling.train import stopping


@pytest.fixture(autouse=True)
def unasked() -> Iterator[None]:
    stopping.clear()
    yield
    stopping.clear()


def test_the_first_reason_is_told() -> None:
    assert stopping.asked() is None
    stopping.ask("the time is up")
    stopping.ask("again")
    assert stopping.asked() == "the time is up"
    assert stopping.saves()
    stopping.clear()
    assert stopping.asked() is None


def test_work_that_is_anothers_is_let_go_of_and_the_process_still_stops() -> None:
    stopping.ask("signal SIGTERM")
    stopping.ask("taken over", save=False)
    assert stopping.asked() == "taken over"
    assert not stopping.saves()
    stopping.clear(process=False)  # the next piece of work
    assert stopping.asked() == "signal SIGTERM"
    assert stopping.saves()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_ask_inside_and_do_as_before_outside(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with stopping.catch():
        signal.raise_signal(number)
        assert stopping.asked() == f"signal {number.name}"
    assert signal.getsignal(number) is before


def test_a_second_ctrl_c_does_not_wait() -> None:
    # A shell's background job begins with SIGINT ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with stopping.catch(signal.SIGINT):
            signal.raise_signal(signal.SIGINT)
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)


def test_around_training_a_signal_ends_at_once_and_inside_it_asks() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with stopping.ended_by(signal.SIGTERM):
        with stopping.catch():
            signal.raise_signal(signal.SIGTERM)
        assert stopping.asked() == "signal SIGTERM"
        with pytest.raises(stopping.Stopped, match="signal SIGTERM"):
            signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_thread_catches_nothing_and_breaks_nothing() -> None:
    inside: list[bool] = []

    def work() -> None:
        with stopping.catch():
            inside.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert inside == [True]


def test_stopped_travels() -> None:
    error = pickle.loads(pickle.dumps(stopping.Stopped("signal SIGTERM", True)))
    assert (str(error), error.why, error.saved) == ("signal SIGTERM", "signal SIGTERM", True)
