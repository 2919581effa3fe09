from numalocal_operator.observing.refusals import REFUSED_S, Refusals

LLAMA = ("serving", "llama")


def test_a_refusal_counts_for_a_minute_and_one_generation_of_one_worker() -> None:
    clock = [0.0]
    refusals = Refusals(lambda: clock[0])

    refusals.note(LLAMA, 3, "admission")

    assert refusals.of(LLAMA, 3) == "admission"
    assert refusals.of(LLAMA, 4) == ""
    assert refusals.of(("serving", "other"), 3) == ""
    clock[0] = REFUSED_S
    assert refusals.of(LLAMA, 3) == ""


def test_refusals_that_are_over_are_forgotten() -> None:
    clock = [0.0]
    refusals = Refusals(lambda: clock[0])
    refusals.note(LLAMA, 3, "admission")
    clock[0] = REFUSED_S

    refusals.note(("serving", "other"), 1, "again")

    assert refusals._found.keys() == {("serving", "other")}
