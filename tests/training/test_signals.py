"""Signals only set flags; a second stop signal goes to the handlers of before, which come back in the end."""

from __future__ import annotations

import hashlib
import signal
import threading
from collections.abc import Callable

import pytest
from signalled import TABLE, send

from gpurnn.signals import SAVE, STOPS, held, unwinding
from gpurnn.training.signals import SignalWatch

pytestmark = pytest.mark.usefixtures("default_signals")


class ElsewhereError(Exception):
    """Raised by the handler of before."""


def own(number: int, frame: object) -> None:
    raise ElsewhereError(signal.Signals(number).name)


def test_the_table() -> None:
    """What the terminal, the shell and the schedulers send before they kill, and what asks for a checkpoint."""
    assert [number.name[3:] for number in STOPS] == ["INT", "TERM", "HUP", "QUIT", "XCPU", "USR2"]
    assert SAVE is signal.SIGUSR1


@pytest.mark.parametrize("number", STOPS)
def test_asks_for_a_stop(number: signal.Signals) -> None:
    with SignalWatch() as watch:
        assert (watch.stop_signal, watch.exit_code, watch.stopping()) == (None, None, False)
        send(number)
        assert (watch.stop_signal, watch.exit_code, watch.stopping()) == (number, 128 + number, True)
        assert not watch.at_once
        assert not watch.take_checkpoint_request()


@pytest.mark.parametrize("second", STOPS)
@pytest.mark.parametrize("first", STOPS)
def test_a_second_one_does_what_it_did_before(first: signal.Signals, second: signal.Signals) -> None:
    for number in STOPS:
        signal.signal(number, own)
    with SignalWatch() as watch:
        send(first)
        with pytest.raises(ElsewhereError, match=second.name):
            send(second)
        assert watch.at_once
        assert watch.exit_code == 128 + first


def test_a_second_interrupt_is_one_of_the_keyboard() -> None:
    with SignalWatch() as watch:
        send(signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            send(signal.SIGINT)
        assert watch.at_once


def test_each_checkpoint_request_is_taken_once() -> None:
    with SignalWatch() as watch:
        assert not watch.take_checkpoint_request()
        for _ in range(3):
            send(SAVE)
        assert watch.take_checkpoint_request()
        assert not watch.take_checkpoint_request()
        assert watch.stop_signal is None


@pytest.mark.parametrize("context", [SignalWatch, held, unwinding])
def test_the_handlers_of_before_come_back_after_an_error_too(context: Callable) -> None:
    signal.signal(signal.SIGTERM, own)
    before = [signal.getsignal(number) for number in TABLE]
    with pytest.raises(ZeroDivisionError), context():
        assert all(signal.getsignal(number) != each for number, each in zip(TABLE, before, strict=True))
        raise ZeroDivisionError
    assert [signal.getsignal(number) for number in TABLE] == before


@pytest.mark.parametrize("number", TABLE)
@pytest.mark.parametrize("context", [SignalWatch, held, unwinding])
def test_an_ignored_signal_stays_ignored(context: Callable, number: signal.Signals) -> None:
    signal.signal(number, signal.SIG_IGN)
    with context() as watch:
        send(number)
        assert not isinstance(watch, SignalWatch) or (watch.stop_signal is None and not watch.take_checkpoint_request())
        assert signal.getsignal(number) is signal.SIG_IGN
    assert signal.getsignal(number) is signal.SIG_IGN


@pytest.mark.parametrize("context", [SignalWatch, held, unwinding])
def test_another_thread_watches_nothing(context: Callable) -> None:
    seen = []

    def work() -> None:
        with context():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [signal.default_int_handler]


def test_a_signal_in_a_long_call_of_c_or_to_another_thread_counts() -> None:
    """The handler runs in the main thread once the call is over; the flag is there for the next look."""
    with SignalWatch() as watch:
        sender = threading.Thread(target=lambda: signal.pthread_kill(threading.get_ident(), signal.SIGHUP))
        sender.start()
        hashlib.pbkdf2_hmac("sha256", b"a", b"b", 20_000)
        sender.join()
        assert watch.stop_signal == signal.SIGHUP


@pytest.mark.parametrize("number", STOPS)
def test_unwinding_ends_with_the_code_even_where_the_exception_is_lost(
    number: signal.Signals, capfd: pytest.CaptureFixture[str]
) -> None:
    left = []

    def swallowed() -> None:
        try:
            send(number)
        except SystemExit:
            left.append("here")

    def replaced() -> None:
        try:
            send(number)
        finally:
            raise ElsewhereError

    for work in (lambda: send(number), swallowed, replaced):
        with pytest.raises(SystemExit) as ended, unwinding("nothing is there"):
            send(SAVE)  # which asks nothing of a command
            work()
        assert ended.value.code == 128 + number
        assert capfd.readouterr().err == f"gpurnn: stopped by {number.name}; nothing is there\n"
    assert left == ["here"]


@pytest.mark.parametrize("number", TABLE)
def test_held_signals_arrive_at_the_end(number: signal.Signals) -> None:
    signal.signal(number, own)
    seen = []
    with pytest.raises(ElsewhereError, match=number.name), held():
        send(number)
        seen.append("went on")
    assert seen == ["went on"]
