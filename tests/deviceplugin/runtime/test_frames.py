import struct
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from numalocal_deviceplugin.errors import FrameInvalid
from numalocal_deviceplugin.runtime.frames import Decoder, Frame, encode

FRAMES = st.lists(
    st.builds(
        Frame,
        connection=st.sampled_from([1, 2]),
        stream=st.integers(1, 2**31),
        kind=st.sampled_from([1, 2]),
        body=st.binary(max_size=10_000),
    ),
    max_size=4,
)


def pieces(data: bytes) -> list[tuple[int, bytes]]:
    found = []
    while data:
        connection, length = struct.unpack(">II", data[:8])
        found.append((connection, data[8 : 8 + length]))
        data = data[8 + length :]
    return found


def test_a_small_frame_is_one_piece_with_both_headers() -> None:
    data = encode(Frame(connection=1, stream=3, kind=2, body=b"hi"))

    assert data == bytes.fromhex("00000001 0000000c 00000002 00000003 02 00") + b"hi"


@given(size=st.integers(0, 20_000))
def test_no_piece_is_longer_than_the_runtimes_buffer(size: int) -> None:
    data = encode(Frame(connection=2, stream=1, kind=1, body=b"x" * size))

    found = pieces(data)
    assert all(connection == 2 and len(piece) <= 4096 for connection, piece in found)
    assert sum(len(piece) for _, piece in found) == size + 10


@given(sent=FRAMES, cut=st.integers(1, 5000))
def test_frames_arrive_whole_and_in_order_however_the_bytes_are_cut(
    sent: list[Frame], cut: int
) -> None:
    data = b"".join(encode(frame) for frame in sent)
    decoder = Decoder()

    got = [frame for at in range(0, len(data), cut) for frame in decoder.feed(data[at : at + cut])]

    assert got == sent


def test_pieces_of_two_connections_may_alternate() -> None:
    one = pieces(encode(Frame(connection=1, stream=1, kind=1, body=b"a" * 6000)))
    two = pieces(encode(Frame(connection=2, stream=1, kind=2, body=b"b" * 6000)))
    mixed = [piece for pair in zip(one, two, strict=True) for piece in pair]
    data = b"".join(struct.pack(">II", conn, len(piece)) + piece for conn, piece in mixed)

    got = list(Decoder().feed(data))

    assert [(frame.connection, frame.body[:1], len(frame.body)) for frame in got] == [
        (1, b"a", 6000),
        (2, b"b", 6000),
    ]


def test_one_piece_may_hold_several_frames() -> None:
    inner = b"".join(struct.pack(">IIBB", 1, stream, 1, 0) + b"z" for stream in (1, 3))
    data = struct.pack(">II", 1, len(inner)) + inner

    assert [frame.stream for frame in Decoder().feed(data)] == [1, 3]


@pytest.mark.parametrize(
    ("count", "size"), [(10_000, 100), (100, 1 << 20)], ids=["many", "long ones"]
)
def test_pieces_of_connections_that_nobody_opened_are_dropped_and_cost_nothing(
    count: int, size: int
) -> None:
    frame = encode(Frame(connection=2, stream=7, kind=2, body=b"ours"))
    decoder = Decoder()

    tracemalloc.start()
    for connection in range(3, 3 + count):
        assert not list(decoder.feed(struct.pack(">II", connection << 8, size)))
        for at in range(0, size, 4096):
            assert not list(decoder.feed(bytes(min(4096, size - at))))
    kept_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert kept_bytes < 100_000
    assert [one.body for one in decoder.feed(frame)] == [b"ours"]


@given(cuts=st.lists(st.integers(1, 30), min_size=1), strangers=st.lists(st.integers(0, 9)))
def test_a_piece_may_come_byte_by_byte_between_those_of_strangers(
    cuts: list[int], strangers: list[int]
) -> None:
    sent = [Frame(connection=1, stream=n, kind=1, body=bytes([n]) * n) for n in strangers]
    data = b"".join(
        struct.pack(">II", number if number not in (1, 2) else 0, number)
        + b"?" * number
        + encode(frame)
        for number, frame in zip(strangers, sent, strict=True)
    )
    decoder, got, at = Decoder(), list[Frame](), 0

    while at < len(data):
        for cut in cuts:
            got += decoder.feed(data[at : at + cut])
            at += cut

    assert got == sent


def test_frames_that_are_never_complete_keep_one_on_each_connection_and_no_more() -> None:
    decoder, part = Decoder(), bytes(1 << 20)
    head = struct.pack(">IIBB", 4 << 20, 1, 1, 0)

    tracemalloc.start()
    for connection in (1, 2):
        list(decoder.feed(struct.pack(">II", connection, len(head)) + head))
        for _ in range(3):
            assert not list(decoder.feed(struct.pack(">II", connection, len(part)) + part))
    kept_bytes = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()

    assert kept_bytes < 9 << 20


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(struct.pack(">II", 1, 2**31), id="mux frame"),
        pytest.param(struct.pack(">II", 77, 2**31), id="mux frame of a stranger"),
        pytest.param(struct.pack(">IIIIBB", 1, 10, 2**31, 1, 1, 0), id="ttrpc body"),
    ],
)
def test_a_length_beyond_the_protocol_is_an_error(data: bytes) -> None:
    with pytest.raises(FrameInvalid, match="longer than"):
        list(Decoder().feed(data))


def test_a_body_too_long_to_send_is_an_error() -> None:
    with pytest.raises(FrameInvalid, match="4194304"):
        encode(Frame(connection=1, stream=1, kind=1, body=bytes(4194305)))
