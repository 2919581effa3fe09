"""Keep the webhook's certificate: fill the chart's Secret, tell the API server, serve with it."""

import asyncio
import base64
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final

from kubernetes.client.exceptions import ApiException

from numalocal_operator.api.connection import JSON, STRATEGIC, Connection
from numalocal_operator.api.gate import NotLeading
from numalocal_operator.config import Webhook
from numalocal_operator.webhook.authority import Credentials, authority, renewed

LOOK_S: Final = 60.0
"""How often the Secret is looked at: another replica may have renewed it."""
RETRY_S: Final = 2.0
"""When to look again after what failed, and where there is nothing yet that could be served."""
SETTLE_S: Final = 5.0
"""How long the API server may take to call with a bundle that it has been told."""
_CONFLICT: Final = 409
_TIMEOUT_S: Final = 10.0
_CONFIGURATIONS: Final = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"

_log = logging.getLogger(__name__)

Serve = Callable[[Credentials], None]


class Keeper:
    """One round after another, on every replica: the leader writes, all serve what is written."""

    def __init__(
        self,
        place: Webhook,
        serve: Serve,
        connection: Connection,
        leads: Callable[[], bool],
    ) -> None:
        self._place = place
        self._serve = serve
        self._leads = leads
        self._told: bytes | None = None
        self._connection = connection
        self._secret_path = f"/api/v1/namespaces/{place.namespace}/secrets/{place.secret}"
        self._configuration_path = f"{_CONFIGURATIONS}/{place.configuration}"

    async def run(self) -> None:
        """Work for ever; cancel it to end."""
        while True:
            try:
                wait_s = await asyncio.to_thread(self.round, datetime.now(UTC))
            except Exception as error:  # the next round may do better
                sentence = " ".join(str(error).split())[:500]
                _log.warning("certificate not kept", extra={"err": sentence, "retry_s": RETRY_S})
                wait_s = RETRY_S
            await asyncio.sleep(wait_s)

    def round(self, now: datetime) -> float:
        """Look once, and do what is to be done; give the seconds until the next look.

        What a new authority has signed is served a round later, as the API server is told of the
        authority first, and the old one, in whose name is served until then, beside it.
        """
        held = self._held(now)
        if held is None:
            return RETRY_S
        told, self._told = self._told, authority(held)
        if told not in (None, self._told):
            return SETTLE_S
        self._serve(held)
        return LOOK_S

    def _held(self, now: datetime) -> Credentials | None:
        """Give what is to be served; None where there is nothing yet."""
        if not self._place.managed and self._leads():
            with suppress(NotLeading):
                return self._kept(now)
        held = _credentials(self._secret())
        if not (held.leaf and held.leaf_key):
            return None
        # Who leads writes the Secret first: what its authority has signed is not known before it
        # has told the API server as well.
        known = self._place.managed or _bundle(self._webhooks()) == held.ca_bundle
        return held if known else None

    def _kept(self, now: datetime) -> Credentials:
        while True:
            secret = self._secret()
            held = _credentials(secret)
            webhooks = self._webhooks()
            made = renewed(held, self._place.hosts, now, known=_bundle(webhooks))
            if made is not None and not self._write(secret, made):
                continue  # another replica was first: what it wrote is as good
            if made is not None:
                _log.info("certificate renewed", extra={"secret": self._place.secret})
            self._tell(webhooks, (made or held).ca_bundle)
            return made or held

    def _secret(self) -> dict[str, Any]:
        return self._call("GET", self._secret_path)

    def _write(self, secret: dict[str, Any], made: Credentials) -> bool:
        data = {name: base64.b64encode(pem).decode("ascii") for name, pem in made.data().items()}
        try:
            self._call("PUT", self._secret_path, {**secret, "data": data})
        except ApiException as error:
            if error.status == _CONFLICT:
                return False
            raise
        return True

    def _webhooks(self) -> list[dict[str, Any]]:
        return list(self._call("GET", self._configuration_path)["webhooks"])

    def _tell(self, webhooks: Sequence[Mapping[str, Any]], bundle: bytes) -> None:
        """Write the bundle into every webhook of the configuration that has another."""
        told = base64.b64encode(bundle).decode("ascii")
        stale = [
            {"name": one["name"], "clientConfig": {"caBundle": told}}
            for one in webhooks
            if one["clientConfig"].get("caBundle") != told
        ]
        if stale:
            self._call("PATCH", self._configuration_path, {"webhooks": stale}, kind=STRATEGIC)

    def _call(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, *, kind: str = JSON
    ) -> dict[str, Any]:
        return self._connection.call(method, path, body, kind=kind, timeout_s=_TIMEOUT_S)


def _bundle(webhooks: Sequence[Mapping[str, Any]]) -> bytes:
    """Give what the API server has been told: it outlives what the Secret has lost."""
    told = [one["clientConfig"].get("caBundle") for one in webhooks]
    return base64.b64decode(told[0]) if told and told[0] else b""


def _credentials(secret: dict[str, Any]) -> Credentials:
    """Read the Secret's fields; what is no base64 is not there."""
    data = {}
    for name, text in (secret.get("data") or {}).items():
        try:
            data[name] = base64.b64decode(text, validate=True)
        except ValueError:
            continue
    return Credentials.of(data)
