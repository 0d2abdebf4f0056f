"""The few calls to the Kubernetes API that a pod of ours makes."""

import base64
import json
import os
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

SECONDS = 10.0


class ClusterError(Exception):
    """Why the cluster did not do it, in a sentence."""


class Cluster:
    """The cluster this process runs in, as its service account may use it."""

    def __init__(self, service_account: Path, environ: Mapping[str, str] = os.environ) -> None:
        host = environ.get("KUBERNETES_SERVICE_HOST", "")
        port = environ.get("KUBERNETES_SERVICE_PORT", "443")
        try:
            self._token = (service_account / "token").read_text().strip()
            namespace = (service_account / "namespace").read_text().strip()
            self._tls = ssl.create_default_context(cafile=str(service_account / "ca.crt"))
        except OSError as error:
            raise ClusterError(f"this is no pod with a service account: {error}") from None
        shown = f"[{host}]" if ":" in host else host
        self._url = f"https://{shown}:{port}/api/v1/namespaces/{namespace}/secrets"

    def secret(self, name: str) -> dict[str, bytes] | None:
        """What a secret holds; None when there is none."""
        found = self._ask("GET", f"/{name}", absent=404)
        if found is None:
            return None
        return {key: base64.b64decode(value) for key, value in found.get("data", {}).items()}

    def create_secret(self, name: str, content: Mapping[str, bytes]) -> None:
        """A new secret; one that is there is left as it is."""
        self._ask("POST", "", _manifest(name, content), absent=409)

    def replace_secret(self, name: str, content: Mapping[str, bytes]) -> None:
        """The secret holds `content` from now on."""
        self._ask("PUT", f"/{name}", _manifest(name, content))

    def _ask(
        self, method: str, path: str, body: object = None, *, absent: int = 0
    ) -> dict[str, Any] | None:
        """The answer; None for the status `absent`."""
        request = urllib.request.Request(  # noqa: S310 - the scheme is https, see above
            self._url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Authorization": f"Bearer {self._token}",
                "Content-Type": "application/json",
            },
        )
        try:
            with urllib.request.urlopen(request, timeout=SECONDS, context=self._tls) as answer:  # noqa: S310
                return dict(json.load(answer))
        except urllib.error.HTTPError as error:
            if error.code == absent:
                return None
            raise ClusterError(f"{method} {path or 'secret'} was refused: {error.code}") from None
        except (OSError, ValueError) as error:
            raise ClusterError(f"the Kubernetes API does not answer: {error}") from None


def _manifest(name: str, content: Mapping[str, bytes]) -> dict[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/tls",
        "metadata": {"name": name, "labels": {"app.kubernetes.io/name": "conserje"}},
        "data": {key: base64.b64encode(value).decode() for key, value in content.items()},
    }
