import pytest
from kubernetes.client.exceptions import ApiException

from numalocal_operator.api.answers import is_lasting, reason, sentence


def test_the_reason_of_an_answer_is_that_of_its_status_object() -> None:
    error = ApiException(status=409, reason="Conflict")
    assert reason(error) == ""
    for body, found in (('{"reason": "AlreadyExists"}', "AlreadyExists"), ("[]", ""), ("x", "")):
        error.body = body
        assert reason(error) == found


def test_an_answer_that_is_no_status_is_told_by_its_code() -> None:
    """A proxy in between may answer with a page of HTML."""
    error = ApiException(status=403, reason="Forbidden")
    error.body = "<html>"

    assert sentence(error) == "403 Forbidden"


@pytest.mark.parametrize(
    ("error", "lasting", "said"),
    [
        (ApiException(403, "Forbidden"), True, "403 Forbidden"),
        (ApiException(503, "Busy"), False, "503 Busy"),
        (ApiException(429, "Too Many"), False, "429 Too Many"),
        (OSError("refused"), False, "OSError: the API server cannot be reached"),
    ],
    ids=str,
)
def test_what_will_be_refused_again_is_told_from_what_is_of_the_moment(
    error: Exception, *, lasting: bool, said: str
) -> None:
    """An address in memory or a port must not make two sentences of one."""
    assert (is_lasting(error), sentence(error)) == (lasting, said)
