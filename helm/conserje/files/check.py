"""What `helm test` runs inside the cluster: the mesh as Meta and a probe would see it.

Standard library only. Arguments: the gateway's base URL, the base URLs of the operations ports,
and with --graph that of the fake Graph API of a trial, where a guest then writes to --number.
"""

import argparse
import hmac
import json
import os
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

PATIENCE_SECONDS = 60.0


def fetch(
    url: str, body: bytes | None = None, headers: dict[str, str] | None = None
) -> tuple[int, bytes]:
    """Status and body of one request."""
    request = urllib.request.Request(url, data=body, headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def check_health(base: str) -> str:
    status, body = fetch(f"{base}/readyz")
    return "" if status == 200 else f"{base}/readyz answered {status}: {body.decode()[:300]}"


def check_handshake(webhook: str, token: str) -> str:
    query = urllib.parse.urlencode(
        {"hub.mode": "subscribe", "hub.challenge": "4711", "hub.verify_token": token}
    )
    status, body = fetch(f"{webhook}?{query}")
    return "" if (status, body) == (200, b"4711") else f"the handshake was answered {status}"


def check_refusal(webhook: str) -> str:
    signature = "sha256=" + hmac.new(b"not the secret", b"{}", "sha256").hexdigest()
    status, _ = fetch(webhook, b"{}", {"X-Hub-Signature-256": signature})
    return "" if status == 401 else f"a wrong signature was answered {status} instead of 401"


def check_reply(graph: str, number: str) -> str:
    """A guest of the trial writes to a hotel's number and is answered."""
    guest = f"3460{time.time_ns() % 10**7:07d}"
    send = f"{graph}/control/guests/{guest}/send"
    message = json.dumps({"phone_number_id": number, "text": "hola"}).encode()
    status, body = fetch(send, message, {"Content-Type": "application/json"})
    if status != 200:
        return f"the fake Graph API took no message of a guest ({status}: {body.decode()[:300]})"
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end:
        status, body = fetch(f"{graph}/control/messages?to={guest}&wait=5")
        if status == 200 and json.loads(body)["messages"]:
            return ""
    return f"a guest who wrote got no answer within {PATIENCE_SECONDS:.0f} s"


def main() -> int:
    """0 when everything held; says each thing that did not."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("gateway")
    options.add_argument("operations", nargs="+")
    options.add_argument("--graph", default="")
    options.add_argument("--number", default="")
    told = options.parse_args()
    webhook = f"{told.gateway}/webhooks/whatsapp"
    checks = [check_health(base) for base in told.operations]
    checks += [check_handshake(webhook, os.environ["VERIFY_TOKEN"]), check_refusal(webhook)]
    if told.graph:
        checks.append(check_reply(told.graph, told.number))
    faults = [fault for fault in checks if fault]
    print("\n".join(faults) if faults else f"{len(checks)} checks held")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
