import pytest

from numalocal_operator.planning.quota import refused

SAID = (
    'Pod "llama-0" is invalid: spec.containers[0].resources.requests: Invalid value: "28": must be '
    "less than or equal to cpu limit of 1"
)


def test_a_pod_refused_for_a_limit_ranges_limit_says_the_way_out() -> None:
    assert refused(SAID) == (
        f"a LimitRange of the namespace sets a CPU limit below the CPU sets ({SAID}): say "
        "resources.limits.cpu of the engine's container in the template, 28 or more, or raise the "
        "LimitRange's default"
    )


@pytest.mark.parametrize(
    "said",
    [
        "",
        SAID.replace("cpu limit", "memory limit"),
        'pods "llama-0" is forbidden: exceeded quota: compute, requested: requests.cpu=28',
        'pods "llama-0" is forbidden: maximum cpu usage per Container is 4, but limit is 28',
    ],
)
def test_other_refusals_are_none_of_a_quota_of_the_kernel(said: str) -> None:
    assert refused(said) == ""
