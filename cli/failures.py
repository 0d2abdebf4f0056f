"""How the command tells that a call has failed."""

import re
import sys
from collections.abc import Mapping
from typing import cast

import grpc

from meshkit.errors import InvalidArgument, MeshError
from meshkit.status import from_rpc_error, to_grpc_code

NEXT = {
    "ACCOUNT_UNKNOWN": "`conserje account list` shows those that something is said of",
    "APP_UNKNOWN": "`conserje app list` shows those there are",
    "CLOSURE_UNKNOWN": "`conserje room list HOTEL` shows those there are",
    "CONVERSATION_UNKNOWN": "`conserje conversations list HOTEL` shows those there are",
    "CREDENTIAL_UNKNOWN": "`conserje token list` and `conserje app list` show those there are",
    "DEAD_LETTER_UNKNOWN": "`conserje dead-letters list HOTEL` shows those there are",
    "IDENTIFIER_UNKNOWN": "`conserje number list HOTEL` shows what the hotel is found by",
    "INVENTORY_CHANGED": "`conserje inventory export HOTEL` has it as it is, with its etag",
    "LOCK_UNKNOWN": "`conserje lock list HOTEL` shows the live ones",
    "MEDIA_UNKNOWN": "`conserje media list HOTEL` shows those there are",
    "MESSAGE_UNKNOWN": "give a wamid, or the code of a reservation that a guest was told",
    "NUMBER_TAKEN": "`conserje number move HOTEL NUMBER --to OTHER` gives it to another hotel",
    "NUMBER_UNKNOWN": "`conserje number list HOTEL` shows those that are the hotel's",
    "PMS_NOT_CONNECTED": "`conserje pms set HOTEL` connects one",
    "PORTFOLIO_UNKNOWN": "`conserje portfolio list` shows those there are",
    "PROPERTY_UNKNOWN": "`conserje inventory import HOTEL FILE` says what the hotel sells",
    "RATE_PLAN_UNKNOWN": "`conserje inventory export HOTEL` shows those there are",
    "RESERVATION_PENDING": "`--forced` erases all the same",
    "RESERVATION_UNKNOWN": "`conserje reservation list HOTEL` shows those there are",
    "ROOM_TYPE_UNKNOWN": "`conserje inventory show HOTEL` shows those there are",
    "ROOM_UNKNOWN": "`conserje inventory show HOTEL` shows those there are",
    "SEND_NOT_FOUND": "`conserje sends list HOTEL` and `conserje sends held HOTEL` show them",
    "TEMPLATE_UNKNOWN": "`conserje template sync HOTEL NUMBER` reads them from Meta",
    "TENANT_DELETED": "`conserje tenant restore HOTEL` brings it back",
    "TENANT_EXISTS": "`conserje tenant edit HOTEL --from FILE` changes that hotel",
    "TENANT_UNKNOWN": "`conserje tenant list` shows those there are",
}
"""What to type when a service refuses or does not find what it was asked for, by its reason."""


def tell(error: grpc.RpcError, target: str, typed: Mapping[str, str] | None = None) -> int:
    """Prints code, reason, message, fields and what else the server said; returns 1.

    `typed` has how the command's arguments are typed, by the field that each fills.
    """
    print("\n".join(describe(error, target, typed)), file=sys.stderr)
    return 1


def describe(
    error: grpc.RpcError, target: str, typed: Mapping[str, str] | None = None
) -> list[str]:
    """The lines of an error, the most important first."""
    known = from_rpc_error(cast(grpc.aio.AioRpcError, error))
    lines = [f"{to_grpc_code(known).name} {known.reason}".strip()]
    fields = _fields(known, typed or {})
    if known.message and not fields:
        lines.append(f"  {known.message}")
    lines += [f"  {name}: {value}" for name, value in sorted(known.metadata.items())]
    lines += fields
    if known.reason in NEXT:
        lines.append(f"  {NEXT[known.reason]}")
    if known.retry_after is not None:
        lines.append(f"  may be tried again after {known.retry_after:g} s")
    if known.reason == "DEADLINE_EXCEEDED":
        lines.append(
            f"  {target} did not answer in time; whether it has done what was asked is not known: "
            "look before you ask again"
        )
    if known.reason == "UNAVAILABLE":
        lines.append(f"  nobody answers at {target}; `conserje doctor` may say why")
    return lines


def _fields(error: MeshError, typed: Mapping[str, str]) -> list[str]:
    if not isinstance(error, InvalidArgument):
        return []
    return [
        f"  {_argument(one.field, typed)}: {_worded(one.description, typed)}"
        for one in error.violations
    ]


def _argument(field: str, typed: Mapping[str, str]) -> str:
    """What was typed for a field, or for what it is in; the field where nothing was."""
    parts = re.sub(r"\[[^]]*\]", "", field).split(".")
    return next((typed[one] for one in reversed(parts) if one in typed), field)


def _worded(description: str, typed: Mapping[str, str]) -> str:
    """What is wrong, with other fields told as they are typed; one word may be just a word."""
    return re.sub(r"\w+_\w+", lambda found: typed.get(found[0], found[0]), description)
