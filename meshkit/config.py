"""Configuration from the environment: checked whole, at start, in one message.

A process has one frozen settings class. A field is read from
`CONSERJE_<PROCESS>_<FIELD>`, or from `CONSERJE_<FIELD>` when all processes
share it; `<VARIABLE>_FILE` names a file that holds the value instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_origin

import orjson
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic.config import JsonDict
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

PREFIX = "CONSERJE_"
FILE_SUFFIX = "_FILE"
PROCESSES = ("GATEWAY", "TENANT", "BOOKING", "MESSAGING")
TOOLS = ("SANDBOX", "GRAPH", "CLI", "TEST", "BENCH")
"""Programs around the mesh, whose variables may be set in the same environment."""
SHARED: JsonDict = {"shared": True}
"""Marks a field that all processes read from one variable."""
HIDDEN = "***"

SettingsT = TypeVar("SettingsT", bound="Settings")


def split_listen(value: str) -> tuple[str, int]:
    """`host:port` (`[::1]:80` for IPv6) in its two parts; ValueError when it is none."""
    host, colon, port = value.rpartition(":")
    if not colon or not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ValueError("must be host:port, such as 0.0.0.0:8080")
    return host.removeprefix("[").removesuffix("]"), int(port)


def _is_loopback(listen: str) -> bool:
    host, _ = split_listen(listen)
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _check_listen(value: str) -> str:
    split_listen(value)
    return value


Listen = Annotated[str, AfterValidator(_check_listen)]
"""An address to listen on; port 0 takes a free one, which the log line `listening` tells."""


class Settings(BaseModel):
    """What every process has."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    tls_folder: str = Field(
        default="",
        description="Folder with the certificate (tls.crt, tls.key) and its authority (ca.crt) "
        "for calls between processes; empty means plaintext, on loopback only.",
        json_schema_extra=SHARED,
    )
    insecure: bool = Field(
        default=False,
        description="Serve in plaintext on any address: whoever reaches the port may call all.",
        json_schema_extra=SHARED,
    )
    reflection: bool = Field(
        default=True,
        description="Whether the gRPC server describes itself to tools such as grpcurl.",
        json_schema_extra=SHARED,
    )
    # After the two that it is checked against.
    grpc_listen: Listen = Field(default="127.0.0.1:0", description="Where the gRPC server listens.")
    ops_listen: Listen = Field(
        default="127.0.0.1:0", description="Where probes and metrics are served over HTTP."
    )
    notice_seconds: float = Field(
        default=0.0,
        ge=0,
        le=120,
        description="How long a stopping process goes on serving, so that endpoints notice.",
    )
    drain_seconds: float = Field(
        default=10.0,
        ge=0,
        le=600,
        description="How long calls and workers may take to finish at a stop.",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO",
        description="The least important log lines to write.",
        json_schema_extra=SHARED,
    )
    otlp_endpoint: str = Field(
        default="",
        description="Base URL of the OTLP/HTTP collector for traces; empty switches export off.",
        json_schema_extra=SHARED,
    )
    trace_ratio: float = Field(
        default=0.01,
        ge=0,
        le=1,
        description="Share of traces that are sampled, decided where a trace starts.",
        json_schema_extra=SHARED,
    )

    @field_validator("grpc_listen")
    @classmethod
    def _plaintext_stays_at_home(cls, listen: str, others: ValidationInfo) -> str:
        known = others.data
        if known.get("tls_folder") or known.get("insecure") or _is_loopback(listen):
            return listen
        raise ValueError(
            f"without certificates a process serves on loopback only; name their folder with "
            f"{PREFIX}TLS_FOLDER, or set {PREFIX}INSECURE=true"
        )


class DatabaseSettings(BaseModel):
    """For a process that owns a Postgres database."""

    database_url: SecretStr = Field(description="The service's own database, as the app role.")
    owner_database_url: SecretStr | None = Field(
        default=None, description="The same database as its owner; needed by `migrate` only."
    )
    db_pool_size: int = Field(
        default=10, ge=1, le=200, description="Connections that are kept open."
    )
    db_pool_overflow: int = Field(
        default=10, ge=0, le=200, description="Further connections under pressure."
    )


class RedisSettings(BaseModel):
    """For a process that caches in Redis."""

    redis_url: SecretStr = Field(
        description="The Redis that all processes share; each has its own prefix.",
        json_schema_extra=SHARED,
    )


class TenantTarget(BaseModel):
    """For a process that calls the tenant service."""

    target_tenant: str = Field(
        description="gRPC target of the tenant service.", json_schema_extra=SHARED
    )


class BookingTarget(BaseModel):
    """For a process that calls the booking service."""

    target_booking: str = Field(
        description="gRPC target of the booking service.", json_schema_extra=SHARED
    )


class MessagingTarget(BaseModel):
    """For a process that calls the messaging service."""

    target_messaging: str = Field(
        description="gRPC target of the messaging service.", json_schema_extra=SHARED
    )


_SHARED_CLASSES: tuple[type[BaseModel], ...] = (
    Settings,
    RedisSettings,
    TenantTarget,
    BookingTarget,
    MessagingTarget,
)


class ConfigError(Exception):
    """Everything that is wrong with the configuration, a sentence each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


@dataclass(frozen=True)
class SettingDoc:
    """One line of the reference of settings."""

    variable: str
    type: str
    default: str | None
    """None when the setting is required."""
    sentence: str
    secret: bool


def describe(settings_class: type[Settings], name: str) -> list[SettingDoc]:
    """Every setting of a process, for the reference and for messages."""
    return [
        SettingDoc(
            variable=variable,
            type=_type_name(field),
            default=_default_text(field),
            sentence=field.description or "",
            secret=_is_secret(field),
        )
        for variable, (_, field) in _variables(settings_class, name).items()
    ]


def load(settings_class: type[SettingsT], name: str, environ: Mapping[str, str]) -> SettingsT:
    """The settings of process `name`; `ConfigError` with all problems at once."""
    variables = _variables(settings_class, name)
    problems = _unknown(variables, name, environ)
    values: dict[str, Any] = {}
    for variable, (attribute, field) in variables.items():
        try:
            text = _read(variable, environ)
            if text is not None:
                values[attribute] = _parse(text, field)
        except ValueError as error:
            problems.append(f"{variable}: {error}")
    try:
        settings = settings_class.model_validate(values)
    except ValidationError as error:
        problems += _explain(error, variables, values, problems)
    if problems:
        raise ConfigError(problems)
    return settings


def effective(settings: Settings, name: str) -> list[str]:
    """`VARIABLE=value` lines of what is in force, secrets hidden."""
    lines = []
    for variable, (attribute, field) in _variables(type(settings), name).items():
        value = getattr(settings, attribute)
        shown = HIDDEN if _is_secret(field) and value else value
        lines.append(f"{variable}={'' if shown is None else shown}")
    return lines


def _variables(settings_class: type[BaseModel], name: str) -> dict[str, tuple[str, FieldInfo]]:
    own = f"{PREFIX}{name.upper()}_"
    return {
        (PREFIX if field.json_schema_extra == SHARED else own) + attribute.upper(): (
            attribute,
            field,
        )
        for attribute, field in settings_class.model_fields.items()
    }


def _unknown(variables: Mapping[str, object], name: str, environ: Mapping[str, str]) -> list[str]:
    shared = {
        variable
        for settings_class in _SHARED_CLASSES
        for variable, (_, field) in _variables(settings_class, name).items()
        if field.json_schema_extra == SHARED
    }
    others = tuple(f"{PREFIX}{other}_" for other in PROCESSES + TOOLS if other != name.upper())
    known = shared | set(variables)
    return [
        f"{variable}: is not a setting of {name}"
        for variable in sorted(environ)
        if variable.startswith(PREFIX)
        and not variable.startswith(others)
        and variable not in known
        and variable.removesuffix(FILE_SUFFIX) not in known
    ]


def _read(variable: str, environ: Mapping[str, str]) -> str | None:
    path = environ.get(variable + FILE_SUFFIX)
    if path is None:
        return environ.get(variable)
    if variable in environ:
        raise ValueError(f"is set twice, also by {variable}{FILE_SUFFIX}")
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"cannot be read from {path} ({type(error).__name__})") from None


def _parse(text: str, field: FieldInfo) -> object:
    """Lists are JSON, or values separated by commas or line ends; the rest is pydantic's."""
    if get_origin(field.annotation) not in (tuple, list, set, frozenset):
        return text
    if text.startswith("["):
        try:
            return orjson.loads(text)
        except orjson.JSONDecodeError:
            raise ValueError("is not a JSON list") from None
    return [part.strip() for part in text.replace("\n", ",").split(",") if part.strip()]


def _explain(
    error: ValidationError,
    variables: Mapping[str, tuple[str, FieldInfo]],
    values: Mapping[str, object],
    already: list[str],
) -> list[str]:
    by_attribute = {attribute: variable for variable, (attribute, _) in variables.items()}
    told = {problem.partition(":")[0] for problem in already}
    problems = []
    for fault in error.errors(include_url=False, include_input=False, include_context=False):
        attribute = str(fault["loc"][0]) if fault["loc"] else ""
        variable = by_attribute.get(attribute, "settings")
        if variable in told:
            continue
        if fault["type"] == "missing":
            sentence = variables[variable][1].description
            problems.append(f"{variable}: is required. {sentence}")
        else:
            shown = _shown(variables, variable, values.get(attribute))
            problems.append(f"{variable}: {fault['msg'].removeprefix('Value error, ')}{shown}")
    return problems


def _shown(variables: Mapping[str, tuple[str, FieldInfo]], variable: str, value: object) -> str:
    known = variables.get(variable)
    return "" if known is None or _is_secret(known[1]) else f" (it is {value!r})"


def _is_secret(field: FieldInfo) -> bool:
    return "Secret" in str(field.annotation)


def _type_name(field: FieldInfo) -> str:
    annotation = field.annotation
    plain = getattr(annotation, "__name__", "") if get_origin(annotation) is None else ""
    text = plain or str(annotation)
    return text.replace("typing.", "").replace("pydantic.types.", "").replace("SecretStr", "str")


def _default_text(field: FieldInfo) -> str | None:
    if field.default is PydanticUndefined:
        return None
    return "" if field.default is None else str(field.default)
