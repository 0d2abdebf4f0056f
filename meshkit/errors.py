"""What can go wrong, by kind.

Domain code raises one of these where the kind is known; `meshkit.status` turns
it into a gRPC status at the edge. The module imports the standard library only,
so that domains may use it.
"""

# ruff: noqa: N818 - the kinds are named as gRPC names them

from __future__ import annotations

from dataclasses import dataclass
from typing import Self


class MeshError(Exception):
    """An error with a kind (its class), a reason and facts about it.

    `reason` is UPPER_SNAKE and part of the contract of an RPC. `message` is for
    people who operate the mesh; a guest never reads it. `metadata` goes over the
    wire, so it holds no phone number, no secret and no free text.
    """

    def __init__(
        self,
        reason: str,
        message: str = "",
        *,
        retry_after: float | None = None,
        **metadata: object,
    ) -> None:
        """`retry_after` is in seconds: when it makes sense to ask again."""
        super().__init__(reason, message)
        self.reason = reason
        self.message = message or reason.replace("_", " ").capitalize() + "."
        self.metadata = {key: str(value) for key, value in metadata.items()}
        self.retry_after = retry_after

    def __str__(self) -> str:
        return f"{self.reason}: {self.message}"


@dataclass(frozen=True)
class Violation:
    """One field of a request that breaks a rule."""

    field: str
    """Path of the field as the wire names it, such as `items[3].check_in_date`."""
    description: str


class InvalidArgument(MeshError):
    """The request can never succeed as it is, whatever the state of the system."""

    def __init__(
        self,
        reason: str,
        message: str = "",
        *,
        violations: tuple[Violation, ...] = (),
        retry_after: float | None = None,
        **metadata: object,
    ) -> None:
        super().__init__(reason, message, retry_after=retry_after, **metadata)
        self.violations = violations

    @classmethod
    def field(
        cls, field: str, description: str, reason: str = "INVALID_REQUEST", **metadata: object
    ) -> Self:
        """The error for one bad field."""
        error = cls(reason, f"{field}: {description}", violations=(Violation(field, description),))
        error.metadata = {key: str(value) for key, value in metadata.items()}
        return error


class NotFound(MeshError):
    """The thing does not exist, or belongs to somebody else."""


class AlreadyExists(MeshError):
    """The thing to be created exists."""


class PermissionDenied(MeshError):
    """The caller is known and may not do this."""


class Unauthenticated(MeshError):
    """The caller is not known."""


class FailedPrecondition(MeshError):
    """The state of the system forbids it; asking again changes nothing by itself."""


class Aborted(MeshError):
    """Somebody else was faster; the caller may read again and decide anew."""


class ResourceExhausted(MeshError):
    """A bound is reached; later it may work."""


class Unavailable(MeshError):
    """Something needed is away; the same request may be sent again."""


class DeadlineExceeded(MeshError):
    """The time was over before the answer; whether it happened is unknown."""


class Unimplemented(MeshError):
    """The operation is not offered."""


class Internal(MeshError):
    """A bug or a broken invariant of ours."""
