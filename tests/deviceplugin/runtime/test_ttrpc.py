import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from numalocal_deviceplugin.errors import BindingRefused, CallFailed, ConnectionLost
from numalocal_deviceplugin.runtime.ttrpc import Connection
from numalocal_deviceplugin.wire import nri_v1alpha1_pb2 as nri

from ..fake_runtime import LIMIT_S, PLUGIN, PLUGIN_SERVICE, RUNTIME, Answer, Session
from ..waiting import PATIENCE_S, until

RELEASE = threading.Event()
BUDGETS: list[float] = []


def refuse(payload: bytes, budget_s: float) -> bytes:
    raise BindingRefused("pod a/b: cannot be bound; delete it")


def crash(payload: bytes, budget_s: float) -> bytes:
    raise ZeroDivisionError("our mistake")


def wait(payload: bytes, budget_s: float) -> bytes:
    RELEASE.wait(PATIENCE_S)
    return b"late"


def echo(payload: bytes, budget_s: float) -> bytes:
    BUDGETS.append(budget_s)
    return payload


def parse(payload: bytes, budget_s: float) -> bytes:
    return nri.SynchronizeRequest.FromString(payload).SerializeToString()


def quote(payload: bytes, budget_s: float) -> bytes:
    raise BindingRefused(f"pod {payload.decode(errors='surrogatepass')} is odd")


def swell(payload: bytes, budget_s: float) -> bytes:
    return bytes(5 << 20)


METHODS = {
    f"{PLUGIN_SERVICE}/{handler.__name__}": handler
    for handler in (refuse, crash, wait, echo, parse, quote, swell)
}


@pytest.fixture
def ends() -> Iterator[tuple[Connection, Session]]:
    RELEASE.clear()
    ours, theirs = socket.socketpair()
    connection, session = Connection(ours, METHODS), Session(theirs)
    yield connection, session
    RELEASE.set()
    connection.close()
    session.close()


def test_a_request_is_answered_with_its_stream_id(ends: tuple[Connection, Session]) -> None:
    _, session = ends

    assert [session.call("echo", b"hello") for _ in range(3)] == [
        Answer(stream, 0, "", b"hello") for stream in (1, 3, 5)
    ]


def test_a_refusal_reaches_the_caller_as_its_sentence(ends: tuple[Connection, Session]) -> None:
    _, session = ends

    answer = session.call("refuse")

    assert (answer.code, answer.message) == (9, "pod a/b: cannot be bound; delete it")


def test_a_mistake_of_ours_is_answered_and_not_waited_out(
    ends: tuple[Connection, Session], caplog: pytest.LogCaptureFixture
) -> None:
    _, session = ends

    answer = session.call("crash")

    assert (answer.code, answer.message) == (
        13,
        f"{PLUGIN_SERVICE}/crash: the agent made a mistake; see its log",
    )
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.parametrize("service", [PLUGIN_SERVICE, "some.Other"])
def test_an_unknown_method_is_unimplemented(ends: tuple[Connection, Session], service: str) -> None:
    _, session = ends

    session.ask("RunPodSandbox", service=service)

    answer = session.answer()
    assert (answer.code, answer.message) == (12, f"{service}/RunPodSandbox is not implemented")


def test_a_payload_that_cannot_be_read_is_the_callers_mistake(
    ends: tuple[Connection, Session],
) -> None:
    _, session = ends

    assert session.call("parse", b"\xff").code == 3


def test_a_request_that_cannot_be_read_is_answered(ends: tuple[Connection, Session]) -> None:
    _, session = ends

    session.send(PLUGIN, 1, 1, b"\xff")

    assert session.answer().code == 3


@pytest.mark.parametrize("piece", [1, 7, 4096])
def test_a_request_may_come_in_pieces_of_any_size(
    ends: tuple[Connection, Session], piece: int
) -> None:
    _, session = ends

    assert session.call("echo", b"x" * 500, piece=piece).payload == b"x" * 500


def test_a_long_answer_is_sent_in_pieces_that_the_runtime_takes(
    ends: tuple[Connection, Session],
) -> None:
    _, session = ends

    assert session.call("echo", b"x" * 100_000).payload == b"x" * 100_000
    assert max(session.pieces) == 4096


def test_a_handler_that_waits_holds_up_no_other(ends: tuple[Connection, Session]) -> None:
    _, session = ends
    slow = session.ask("wait")

    quick = session.call("echo", b"now")

    assert quick.payload == b"now"
    RELEASE.set()
    assert session.answer() == Answer(slow, 0, "", b"late")


def test_requests_beyond_those_under_way_wait_in_the_socket_and_are_all_answered(
    ends: tuple[Connection, Session],
) -> None:
    _, session = ends
    slow = [session.ask("wait") for _ in range(4)]
    with ThreadPoolExecutor(1) as pool:
        sent = pool.submit(lambda: [session.ask("parse") for _ in range(20_000)])
        with pytest.raises(TimeoutError):
            sent.result(0.3)  # the socket is full, and nobody reads from it

        RELEASE.set()

        answered = [session.answer().stream for _ in range(20_004)]
        assert sorted(answered) == sorted([*slow, *sent.result()])


def test_a_runtime_that_reads_no_answers_can_still_be_left(
    ends: tuple[Connection, Session],
) -> None:
    connection, session = ends
    session.sock.settimeout(0.3)

    def ask_for_ever() -> None:
        while True:
            session.ask("echo", b"x" * 4000)

    with pytest.raises(TimeoutError):
        ask_for_ever()

    connection.close()

    assert connection.wait_closed(PATIENCE_S)


def test_two_requests_with_one_stream_id_are_two_requests(ends: tuple[Connection, Session]) -> None:
    _, session = ends
    stream = session.ask("echo", b"one")
    session._next_stream = stream

    session.ask("echo", b"two")

    assert {session.answer().payload, session.answer().payload} == {b"one", b"two"}


@pytest.mark.parametrize(
    "payload",
    [b"\xed\xa0\x80", b"\0\x1b[31m\n", b"x" * 3_000_000],
    ids=["no text", "a terminal's", "very long"],
)
def test_an_error_is_one_line_whatever_a_caller_wrote_into_it(
    ends: tuple[Connection, Session], payload: bytes
) -> None:
    _, session = ends

    answer = session.call("quote", payload)

    assert answer.code == 9
    assert answer.message.isprintable()
    assert answer.message.startswith("pod ")
    assert len(answer.message) <= 2000


def test_an_answer_that_is_too_long_is_an_error_that_the_caller_hears_of(
    ends: tuple[Connection, Session],
) -> None:
    _, session = ends

    answer = session.call("swell")

    assert (answer.code, answer.payload) == (13, b"")
    assert "longer than the 4194304" in answer.message


def test_a_handler_is_told_the_callers_limit(ends: tuple[Connection, Session]) -> None:
    _, session = ends
    BUDGETS.clear()

    session.call("echo")

    (left_s,) = BUDGETS
    assert LIMIT_S - 1 < left_s <= LIMIT_S


def test_time_that_a_request_waits_for_a_worker_is_the_callers_too(
    ends: tuple[Connection, Session],
) -> None:
    connection, session = ends
    BUDGETS.clear()
    held = [session.ask("wait") for _ in range(4)]
    late = session.ask("echo")
    until(lambda: connection._unanswered == len(held) + 1, "all have come")
    time.sleep(0.3)

    RELEASE.set()

    assert {session.answer().stream for _ in range(5)} == {*held, late}
    (left_s,) = BUDGETS
    assert 0 <= left_s < LIMIT_S - 0.25


def test_frames_of_no_use_are_passed_over(ends: tuple[Connection, Session]) -> None:
    _, session = ends

    session.send(PLUGIN, 1, 3, b"stream data")
    session.send(7, 1, 1, b"a connection that nobody opened")
    session.send(RUNTIME, 99, 2, b"")  # an answer that nobody waits for

    assert session.call("echo", b"still here").payload == b"still here"


def test_a_call_gets_the_payload_of_its_answer(ends: tuple[Connection, Session]) -> None:
    connection, session = ends
    with ThreadPoolExecutor(1) as pool:
        for stream in (1, 3):
            answer = pool.submit(connection.call, "svc", "Method", b"in", timeout_s=PATIENCE_S)
            request = session.request()
            session.reply(request.stream, b"out")

            assert answer.result() == b"out"
            assert (request.service, request.method, request.payload) == ("svc", "Method", b"in")
            assert request.stream == stream


def test_a_call_that_is_refused_raises_the_sentence(ends: tuple[Connection, Session]) -> None:
    connection, session = ends
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(connection.call, "svc", "Method", b"", timeout_s=PATIENCE_S)
        session.reply(session.request().stream, code=2, message="plugin index taken")

        with pytest.raises(CallFailed, match="plugin index taken"):
            answer.result()


def test_a_call_without_an_answer_ends_in_time(ends: tuple[Connection, Session]) -> None:
    connection, session = ends

    with pytest.raises(CallFailed, match=r"Method: no answer within 0\.02 s"):
        connection.call("svc", "Method", b"", timeout_s=0.02)

    session.reply(session.request().stream, b"too late")
    assert session.call("echo", b"unharmed").payload == b"unharmed"


def test_requests_are_served_while_a_call_waits(ends: tuple[Connection, Session]) -> None:
    connection, session = ends
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(connection.call, "svc", "RegisterPlugin", b"", timeout_s=PATIENCE_S)
        request = session.request()

        assert session.call("echo", b"configure").payload == b"configure"

        session.reply(request.stream)
        assert answer.result() == b""


def test_the_end_of_the_connection_fails_calls_that_wait(
    ends: tuple[Connection, Session],
) -> None:
    connection, session = ends
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(connection.call, "svc", "Method", b"", timeout_s=PATIENCE_S)
        session.request()
        session.close()

        with pytest.raises(ConnectionLost):
            answer.result()
    assert connection.wait_closed(PATIENCE_S)


def test_a_call_after_the_end_fails_at_once(ends: tuple[Connection, Session]) -> None:
    connection, session = ends
    session.close()
    assert connection.wait_closed(PATIENCE_S)

    with pytest.raises(ConnectionLost):
        connection.call("svc", "Method", b"", timeout_s=PATIENCE_S)


def test_an_answer_after_the_runtime_went_harms_nothing(
    ends: tuple[Connection, Session],
) -> None:
    connection, session = ends
    session.ask("wait")
    session.ask("echo")
    assert session.answer().payload == b""  # the one that waits has begun
    session.close()
    assert connection.wait_closed(PATIENCE_S)

    RELEASE.set()


@pytest.mark.parametrize(
    "garbage",
    [b"\xff" * 64, bytes.fromhex("00000002 0000000c 00000002 00000001 02 00 ffff")],
    ids=["no frame", "no response"],
)
def test_bytes_that_are_not_the_protocol_end_the_connection(
    ends: tuple[Connection, Session], garbage: bytes
) -> None:
    connection, session = ends

    session.sock.sendall(garbage)

    assert connection.wait_closed(PATIENCE_S)


def test_closing_is_seen_by_the_runtime_and_may_be_repeated(
    ends: tuple[Connection, Session],
) -> None:
    connection, session = ends

    connection.close()
    connection.close()

    with pytest.raises(EOFError):
        session.answer()


def test_nobody_waits_for_answers_of_a_connection_that_has_ended(
    ends: tuple[Connection, Session],
) -> None:
    connection, session = ends
    for _ in range(8):  # of which four wait for a worker, and are dropped
        session.ask("wait")
    until(lambda: connection._unanswered == 8, "all have come")
    session.close()
    assert connection.wait_closed(PATIENCE_S)

    started_s = time.monotonic()
    assert not connection.wait_answered(2 * PATIENCE_S)
    assert time.monotonic() - started_s < PATIENCE_S
