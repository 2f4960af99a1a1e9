"""Signals only set flags; the second SIGINT interrupts; the old handlers come back."""

import os
import signal
import threading
from collections.abc import Iterator

import pytest

from gpurnn.training.signals import SignalWatch


@pytest.fixture(autouse=True)
def default_handlers() -> Iterator[None]:
    numbers = {
        signal.SIGINT: signal.default_int_handler,
        signal.SIGTERM: signal.SIG_DFL,
        signal.SIGUSR1: signal.SIG_DFL,
    }
    before = {number: signal.signal(number, handler) for number, handler in numbers.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def send(number: signal.Signals) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_asks_for_a_stop(number: signal.Signals, code: int) -> None:
    with SignalWatch() as watch:
        assert (watch.stop_signal, watch.exit_code) == (None, None)
        send(number)
        assert (watch.stop_signal, watch.exit_code) == (number, code)
        assert not watch.take_checkpoint_request()


def test_the_second_interrupt_is_at_once() -> None:
    with SignalWatch() as watch:
        send(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            send(signal.SIGINT)
        assert watch.exit_code == 130


def test_the_first_stop_signal_counts_and_sigterm_never_interrupts() -> None:
    with SignalWatch() as watch:
        for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGINT):
            send(number)
        assert watch.exit_code == 143


def test_each_checkpoint_request_is_taken_once() -> None:
    with SignalWatch() as watch:
        assert not watch.take_checkpoint_request()
        send(signal.SIGUSR1)
        assert watch.take_checkpoint_request()
        assert not watch.take_checkpoint_request()
        assert watch.stop_signal is None


def test_the_handlers_of_before_come_back_after_an_error_too() -> None:
    def own(number: int, frame: object) -> None:
        raise AssertionError

    signal.signal(signal.SIGTERM, own)
    with pytest.raises(ZeroDivisionError), SignalWatch():
        assert signal.getsignal(signal.SIGTERM) is not own
        raise ZeroDivisionError
    assert signal.getsignal(signal.SIGTERM) is own
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL


def test_an_ignored_signal_stays_ignored() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with SignalWatch() as watch:
        send(signal.SIGINT)
        assert watch.stop_signal is None
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_another_thread_watches_nothing() -> None:
    seen = []

    def work() -> None:
        with SignalWatch():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [signal.default_int_handler]
