from itertools import islice

from numalocal_deviceplugin.backoff import delays


def test_waits_double_up_to_the_ceiling_and_never_end() -> None:
    assert list(islice(delays(0.5, 3), 6)) == [0.5, 1, 2, 3, 3, 3]


def test_a_first_wait_above_the_ceiling_is_cut() -> None:
    assert list(islice(delays(9, 3), 2)) == [3, 3]
