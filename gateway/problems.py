"""Errors over HTTP as `application/problem+json` (RFC 9457).

They name no number and repeat nothing of the request: whoever is refused may
be anybody.
"""

from __future__ import annotations

import math

import orjson
from aiohttp import web

CONTENT_TYPE = "application/problem+json"
RETRY_AFTER = 2
"""Seconds. Meta has a schedule of its own; other callers get a number to go by."""


def problem(status: int, title: str, detail: str, **headers: str) -> web.Response:
    """An error response; `headers` are written with `_` for `-`."""
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    return web.Response(
        status=status,
        body=orjson.dumps(body),
        content_type=CONTENT_TYPE,
        headers={name.replace("_", "-"): value for name, value in headers.items()},
    )


def not_found() -> web.Response:
    """There is nothing at this address."""
    return problem(404, "Not found", "There is nothing at this address.")


def method_not_allowed() -> web.Response:
    """The webhook takes GET and POST."""
    detail = "The webhook takes GET for its registration and POST for what happened."
    return problem(405, "Method not allowed", detail, Allow="GET, POST")


def notices_are_posted() -> web.Response:
    """The address of notices takes POST."""
    return problem(405, "Method not allowed", "Notices are posted.", Allow="POST")


def notice_not_authentic() -> web.Response:
    """The signature is none of the hotel's, or there is no such hotel: nobody learns which."""
    detail = (
        "webhook-id, webhook-timestamp or webhook-signature is missing, is not this hotel's"
        " signature of this body, or is more than five minutes old."
    )
    return problem(401, "Not authentic", detail)


def notice_known() -> web.Response:
    """It has come before."""
    return problem(409, "Known", "It was received before under this id; nothing is done again.")


def too_many_notices(retry_after: float | None) -> web.Response:
    """One system tells more than it may."""
    seconds = str(math.ceil(retry_after or RETRY_AFTER))
    return problem(
        429,
        "Too many",
        "Send fewer notices: one tells of any number of changes.",
        Retry_After=seconds,
    )


def notice_not_taken() -> web.Response:
    """It was not taken in, or it is not known whether it was: send it again."""
    detail = "It is not confirmed that this was taken in; send it again."
    return problem(503, "Not taken", detail, Retry_After=str(RETRY_AFTER))


def unreadable_body() -> web.Response:
    """The body did not arrive whole."""
    return problem(400, "Body not received", "The body ended early or took too long.")


def unauthenticated() -> web.Response:
    """The signature is not the app's."""
    detail = "X-Hub-Signature-256 is missing, or it is not this app's signature of this body."
    return problem(401, "Not authentic", detail)


def forbidden() -> web.Response:
    """A registration that nobody here asked for."""
    detail = "hub.mode is not subscribe, or hub.verify_token is not the one set up here."
    return problem(403, "Registration refused", detail)


def foreign_account() -> web.Response:
    """An app brings what is of a business account that is not its own."""
    detail = "A business account in the body is another app's, or none of this one's."
    return problem(403, "Account refused", detail)


def too_large(limit: int) -> web.Response:
    """The body is bigger than any of Meta's."""
    return problem(413, "Body too large", f"A body has at most {limit} bytes.")


def not_configured() -> web.Response:
    """Without secrets nothing can be told to be authentic, so nothing is taken."""
    detail = "The app's secrets are not set up yet; send it again later."
    return problem(503, "Not ready", detail, Retry_After=str(RETRY_AFTER))


def unavailable() -> web.Response:
    """It was not stored, or it is not known whether it was: send it again."""
    detail = "It is not confirmed that this was stored; send it again."
    return problem(503, "Not stored", detail, Retry_After=str(RETRY_AFTER))
