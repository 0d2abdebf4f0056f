"""Errors as the Graph API answers them.

HTTP statuses are Meta's own: throttling is 400, not 429, so a client must read `code`.
Source: "Error codes" of the Cloud API documentation and `tests/data/meta/error_responses`.
"""

import secrets
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Kind:
    """What a code looks like on the wire."""

    title: str
    status: int = 400
    type: str = "OAuthException"
    transient: bool = False


PARAMETER_INVALID = 100
TOKEN_MISSING = 104
TOKEN_INVALID = 190
REQUIRED_MISSING = 131008
VALUE_INVALID = 131009
PAIR_LIMIT = 131056

KINDS = {
    1: Kind("An unknown error has occurred", 500, transient=True),
    2: Kind("Service temporarily unavailable", 503, "GraphMethodException", transient=True),
    3: Kind("Application does not have the capability to make this API call", 403),
    4: Kind("Application request limit reached", transient=True),
    10: Kind("Application does not have permission for this action", 403),
    PARAMETER_INVALID: Kind("Invalid parameter"),
    TOKEN_MISSING: Kind("An access token is required to request this resource", 401),
    TOKEN_INVALID: Kind("Invalid OAuth access token", 401),
    368: Kind("Temporarily blocked for policies violations", 403),
    80007: Kind("Business request limit reached for WhatsApp Business Account", transient=True),
    130429: Kind("Rate limit hit"),
    130472: Kind("User's number is part of an experiment"),
    130497: Kind("Business account is restricted from messaging users in this country", 403),
    131000: Kind("Something went wrong", 500),
    131005: Kind("Access denied", 403),
    REQUIRED_MISSING: Kind("Required parameter is missing"),
    VALUE_INVALID: Kind("Parameter value is not valid"),
    131016: Kind("Service unavailable", 500),
    131021: Kind("Recipient cannot be sender"),
    131026: Kind("Message undeliverable"),
    131030: Kind("Recipient phone number not in allowed list"),
    131031: Kind("Business Account locked", 403),
    131042: Kind("Business eligibility payment issue"),
    131045: Kind("Incorrect certificate", 500),
    131047: Kind("Re-engagement message"),
    131048: Kind("Spam rate limit hit"),
    131049: Kind("This message was not delivered to maintain healthy ecosystem engagement"),
    131050: Kind("User has stopped marketing messages"),
    131051: Kind("Message type is not supported"),
    131052: Kind("Media download error"),
    131053: Kind("Media upload error"),
    PAIR_LIMIT: Kind("(Business Account, Consumer Account) pair rate limit hit"),
    131057: Kind("Business Account is in maintenance mode", 500),
    131062: Kind("Business-scoped user id is not allowed here"),
    132000: Kind("Template Param Count Mismatch"),
    132001: Kind("Template does not exist", 404),
    132015: Kind("Template is Paused"),
    133004: Kind("Server is temporarily unavailable", 503),
    133010: Kind("Phone number not registered"),
}

# Codes of the Graph API itself carry no details of WhatsApp.
_PLAIN = frozenset({1, 2, 3, 4, 10, TOKEN_MISSING, TOKEN_INVALID})


class GraphError(Exception):
    """A refusal, with the code that a client must act upon.

    `details` is the sentence Meta puts beside it; `subcode` and `status` override what the
    code usually comes with.
    """

    def __init__(
        self, code: int, details: str = "", *, subcode: int | None = None, status: int | None = None
    ) -> None:
        super().__init__(code, details)
        self.code = code
        self.details = details
        self.subcode = subcode
        self.kind = KINDS.get(code, Kind("An error on demand"))
        self.status = status or self.kind.status

    def body(self) -> dict[str, Any]:
        """The JSON body of the answer."""
        error: dict[str, Any] = {
            "message": self._message(),
            "type": self.kind.type,
            "code": self.code,
            "fbtrace_id": "A" + secrets.token_urlsafe(16),
        }
        if self.subcode is not None:
            error["error_subcode"] = self.subcode
        if self.kind.transient:
            error["is_transient"] = True
        if self.details and self.code not in _PLAIN:
            error["error_data"] = {"messaging_product": "whatsapp", "details": self.details}
        return {"error": error}

    def as_status_error(self) -> dict[str, Any]:
        """The same error as an entry of `statuses[].errors[]`."""
        return {
            "code": self.code,
            "title": self.kind.title,
            "message": self.kind.title,
            "error_data": {"details": self.details or self.kind.title},
            "href": "https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes/",
        }

    def _message(self) -> str:
        return self.kind.title if self.code in _PLAIN else f"(#{self.code}) {self.kind.title}"


def no_such_object(object_id: str) -> GraphError:
    """The refusal of an id that nothing has, or that the token may not see."""
    return GraphError(
        PARAMETER_INVALID,
        f"Object with ID '{object_id}' does not exist, cannot be loaded due to missing "
        "permissions, or does not support this operation",
        subcode=33,
    )
