"""One ttrpc connection to the container runtime: it calls us, and we call it, at the same time."""

import contextlib
import logging
import socket
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

from google.protobuf.message import DecodeError

from numalocal.errors import NumalocalError
from numalocal.problems import printable
from numalocal_deviceplugin.errors import CallFailed, ConnectionLost, FrameInvalid
from numalocal_deviceplugin.runtime import frames
from numalocal_deviceplugin.wire import ttrpc_pb2

log = logging.getLogger(__name__)

Handler = Callable[[bytes, float], bytes]
"""Answer a request's payload within so many seconds; NumalocalError is an error to the caller."""

# Status codes, the same as gRPC's.
INVALID_ARGUMENT: Final = 3
FAILED_PRECONDITION: Final = 9
UNIMPLEMENTED: Final = 12
INTERNAL: Final = 13

NO_LIMIT_S: Final = 60.0
"""What a handler is given where the caller sets no limit."""

_RECEIVE_BYTES = 65536
_WORKERS = 4
_MOST_UNANSWERED = 16
"""Requests at a time; the runtime makes one after another, and its socket holds back any more."""
_MOST_SAID = 2000
"""Characters of a status; an event of a pod shows the first thousand."""


class Connection:
    """Serve requests and make calls on one socket until either side closes it.

    `methods` maps `service/method` to its handler.  The reader thread never runs a handler: one
    that waits would keep back the very answer it waits for.  Every handler runs in a worker, and
    answers may go out in any order.
    """

    def __init__(self, sock: socket.socket, methods: Mapping[str, Handler]) -> None:
        self._socket = sock
        self._methods = methods
        self._workers = ThreadPoolExecutor(_WORKERS, thread_name_prefix="nri-handler")
        self._answered = threading.Condition()
        self._unanswered = 0
        self._send_lock = threading.Lock()
        self._lock = threading.Lock()
        self._waiting: dict[int, Future[bytes]] = {}
        self._next_stream = 1
        self._closed = threading.Event()
        self._reader = threading.Thread(target=self._read, name="nri-reader", daemon=True)
        self._reader.start()

    def call(self, service: str, method: str, payload: bytes, *, timeout_s: float) -> bytes:
        """Call the runtime and wait for the payload of its answer.

        Raises:
            CallFailed: where it answers with an error status, or not in time.
            ConnectionLost: where the connection ends before the answer.
        """
        stream, answer = self._open()
        request = ttrpc_pb2.Request(
            service=service, method=method, payload=payload, timeout_nano=int(timeout_s * 1e9)
        )
        try:
            self._send(frames.RUNTIME_CONNECTION, stream, frames.REQUEST, request)
            return answer.result(timeout_s)
        except TimeoutError as error:
            raise CallFailed(f"{method}: no answer within {timeout_s:g} s") from error
        except OSError as error:
            raise ConnectionLost(f"{method}: {error}") from error
        finally:
            with self._lock:
                self._waiting.pop(stream, None)

    def wait_closed(self, timeout_s: float | None = None) -> bool:
        """Wait until the connection has ended; False where it still stands after the time."""
        return self._closed.wait(timeout_s)

    def wait_answered(self, timeout_s: float) -> bool:
        """Wait until every request that has come is answered; False where that takes longer.

        Nor is it ever, once the connection has ended: what waits for a worker then is dropped.
        """
        with self._answered:
            self._answered.wait_for(
                lambda: self._unanswered == 0 or self._closed.is_set(), timeout_s
            )
            return self._unanswered == 0

    def hang_up(self) -> None:
        """Begin to end the connection, and wait for nothing."""
        with contextlib.suppress(OSError):  # the other side was first
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """End the connection; calls that wait fail with ConnectionLost.

        No handler of ours goes on for longer than this: it must not undo what the next connection
        says.
        """
        self.hang_up()
        self._reader.join()
        self._workers.shutdown(wait=True)

    def _open(self) -> tuple[int, "Future[bytes]"]:
        """Reserve the next stream id: odd, ascending, and never used twice."""
        answer: Future[bytes] = Future()
        with self._lock:
            if self._closed.is_set():
                raise ConnectionLost("the connection to the container runtime has ended")
            stream = self._next_stream
            self._next_stream += 2
            self._waiting[stream] = answer
        return stream, answer

    def _read(self) -> None:
        decoder = frames.Decoder()
        try:
            while data := self._socket.recv(_RECEIVE_BYTES):
                for frame in decoder.feed(data):
                    self._dispatch(frame)
        except (OSError, FrameInvalid, DecodeError) as error:
            log.warning("nri connection failed", extra={"err": str(error)})
        finally:
            self._end()

    def _end(self) -> None:
        with self._lock:
            self._closed.set()
            waiting = tuple(self._waiting.values())
            self._waiting.clear()
        for answer in waiting:
            answer.set_exception(ConnectionLost("the container runtime closed the connection"))
        self._workers.shutdown(wait=False, cancel_futures=True)
        with self._answered:
            self._answered.notify_all()
        self._socket.close()

    def _dispatch(self, frame: frames.Frame) -> None:
        match frame.connection, frame.kind:
            case frames.PLUGIN_CONNECTION, frames.REQUEST:
                self._submit(frame)
            case frames.RUNTIME_CONNECTION, frames.RESPONSE:
                self._settle(frame)
            case _:
                log.debug("frame ignored", extra={"conn": frame.connection, "kind": frame.kind})

    def _submit(self, frame: frames.Frame) -> None:
        came_s = time.monotonic()
        with self._answered:  # no handler waits for the reader, so this ends
            self._answered.wait_for(lambda: self._unanswered < _MOST_UNANSWERED)
            self._unanswered += 1
        self._workers.submit(self._serve, frame, came_s)

    def _settle(self, frame: frames.Frame) -> None:
        response = ttrpc_pb2.Response.FromString(frame.body)
        with self._lock:
            answer = self._waiting.pop(frame.stream, None)
        if answer is None:
            return
        if response.status.code:
            answer.set_exception(CallFailed(response.status.message))
        else:
            answer.set_result(response.payload)

    def _serve(self, frame: frames.Frame, came_s: float) -> None:
        try:
            self._reply(frame.stream, self._answer(frame.body, came_s))
        except FrameInvalid as error:
            self._reply(frame.stream, _status(INTERNAL, str(error)))
        finally:
            with self._answered:
                self._unanswered -= 1
                self._answered.notify_all()

    def _reply(self, stream: int, response: ttrpc_pb2.Response) -> None:
        try:
            self._send(frames.PLUGIN_CONNECTION, stream, frames.RESPONSE, response)
        except OSError as error:
            log.warning("nri answer not sent", extra={"err": str(error)})

    def _answer(self, body: bytes, came_s: float) -> ttrpc_pb2.Response:
        try:
            request = ttrpc_pb2.Request.FromString(body)
        except DecodeError as error:
            return _status(INVALID_ARGUMENT, f"the request is not a ttrpc request: {error}")
        name = f"{request.service}/{request.method}"
        handler = self._methods.get(name)
        if handler is None:
            return _status(UNIMPLEMENTED, f"{name} is not implemented")
        try:
            return ttrpc_pb2.Response(payload=handler(request.payload, _left_s(request, came_s)))
        except NumalocalError as error:
            return _status(FAILED_PRECONDITION, str(error))
        except DecodeError as error:
            return _status(INVALID_ARGUMENT, f"{name}: the payload cannot be read: {error}")
        except Exception:  # the caller must hear of a mistake of ours, or it waits out its limit
            log.exception("handler failed", extra={"method": name})
            return _status(INTERNAL, f"{name}: the agent made a mistake; see its log")

    def _send(
        self, connection: int, stream: int, kind: int, body: ttrpc_pb2.Request | ttrpc_pb2.Response
    ) -> None:
        frame = frames.Frame(
            connection=connection, stream=stream, kind=kind, body=body.SerializeToString()
        )
        data = frames.encode(frame)
        with self._send_lock:  # pieces of two messages must not mix
            self._socket.sendall(data)


def _left_s(request: ttrpc_pb2.Request, came_s: float) -> float:
    """Give what is left of the caller's time: it runs while a request waits for a worker, too."""
    limit_s = request.timeout_nano / 1e9 if request.timeout_nano > 0 else NO_LIMIT_S
    return max(0.0, limit_s - (time.monotonic() - came_s))


def _status(code: int, message: str) -> ttrpc_pb2.Response:
    """Say an error in one line that protobuf takes, however much of a caller's text is in it."""
    said = printable(message, _MOST_SAID)
    return ttrpc_pb2.Response(status=ttrpc_pb2.Status(code=code, message=said))
