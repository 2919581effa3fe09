"""What the API server answers with where it does not do what it is asked for."""

import json
from typing import Final

from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from numalocal.errors import NumalocalError

NOT_FOUND: Final = 404
CONFLICT: Final = 409

TROUBLE: Final = (ApiException, HTTPError, OSError)
"""Kinds of errors that a network and a busy API server bring."""

_LASTING: Final = (400, 401, 403, 404, 405, 413, 422)
"""Statuses of a call that is wrong, or not allowed; others come of the moment."""


class Refused(NumalocalError):
    """The API server refuses an object for what it is: malformed, over quota, against a policy."""


class NameTaken(NumalocalError):
    """There is an object of that kind and name."""


class Contended(NumalocalError):
    """Another write, as that of a quota, came between: the same call may do in a moment."""


def sentence(error: Exception) -> str:
    """Give the message of the Status object that the API server answers with, or what there is."""
    if not isinstance(error, ApiException):
        return f"{type(error).__name__}: the API server cannot be reached"
    try:
        return str(json.loads(error.body or "")["message"])
    except (ValueError, TypeError, KeyError):
        return f"{error.status} {error.reason}"


def reason(error: ApiException) -> str:
    """Give the reason of the Status object that the API server answers with; empty without one."""
    try:
        return str(json.loads(error.body or "")["reason"])
    except (ValueError, TypeError, KeyError):
        return ""


def is_lasting(error: Exception) -> bool:
    """Tell whether the API server has understood a call and will refuse it again as it stands."""
    status = error.status if isinstance(error, ApiException) else None
    return status in _LASTING
