"""Configuration: all problems at once, no secret shown."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import Field, SecretStr

from meshkit import config


class BookingSettings(config.Settings, config.DatabaseSettings, config.RedisSettings):
    """Settings as a service has them."""

    app_secrets: tuple[SecretStr, ...] = Field((), description="Secrets.")
    sweep_seconds: float = Field(30.0, gt=0, description="How often lapsed locks are swept.")


GOOD = {
    "CONSERJE_BOOKING_DATABASE_URL": "postgresql://u:hunter2@h/db",
    "CONSERJE_REDIS_URL": "redis://:hunter2@h",
}


def load(**environ: str) -> BookingSettings:
    return config.load(BookingSettings, "booking", GOOD | environ)


def problems(environ: dict[str, str]) -> tuple[str, ...]:
    with pytest.raises(config.ConfigError) as caught:
        config.load(BookingSettings, "booking", environ)
    return caught.value.problems


def test_values_come_from_own_and_from_shared_variables() -> None:
    settings = load(
        CONSERJE_TRACE_RATIO="0.5",
        CONSERJE_BOOKING_SWEEP_SECONDS="7",
        CONSERJE_BOOKING_GRPC_LISTEN="[::1]:9000",
        CONSERJE_BOOKING_APP_SECRETS="one, two",
        UNRELATED="x",
    )
    assert (settings.trace_ratio, settings.sweep_seconds) == (0.5, 7.0)
    assert config.split_listen(settings.grpc_listen) == ("::1", 9000)
    assert [one.get_secret_value() for one in settings.app_secrets] == ["one", "two"]


def test_lists_may_be_json() -> None:
    settings = load(CONSERJE_BOOKING_APP_SECRETS='["a,b", "c"]')
    assert [one.get_secret_value() for one in settings.app_secrets] == ["a,b", "c"]
    assert problems(GOOD | {"CONSERJE_BOOKING_APP_SECRETS": "[1,"}) == (
        "CONSERJE_BOOKING_APP_SECRETS: is not a JSON list",
    )


def test_everything_wrong_is_told_together() -> None:
    told = problems(
        {
            "CONSERJE_BOOKING_SWEEP_SECONDS": "soon",
            "CONSERJE_BOOKING_SWEEEP_SECONDS": "3",
            "CONSERJE_TRACE_RATO": "1",
            "CONSERJE_BOOKING_OPS_LISTEN": "8080",
            "CONSERJE_BOOKING_DATABASE_URL_FILE": "/nowhere/at/all",
        }
    )
    assert sorted(one.partition(":")[0] for one in told) == [
        "CONSERJE_BOOKING_DATABASE_URL",
        "CONSERJE_BOOKING_OPS_LISTEN",
        "CONSERJE_BOOKING_SWEEEP_SECONDS",
        "CONSERJE_BOOKING_SWEEP_SECONDS",
        "CONSERJE_REDIS_URL",
        "CONSERJE_TRACE_RATO",
    ]
    assert all(one.count("\n") == 0 for one in told)


def test_a_missing_setting_is_explained() -> None:
    (told,) = problems({"CONSERJE_REDIS_URL": "redis://"})
    assert told == (
        "CONSERJE_BOOKING_DATABASE_URL: is required. The service's own database, as the app role."
    )


def test_variables_of_other_processes_and_tools_are_theirs() -> None:
    load(
        CONSERJE_TENANT_WHATEVER="1",
        CONSERJE_TEST_POSTGRES_URL="x",
        CONSERJE_TARGET_TENANT="127.0.0.1:1",
    )


def test_a_value_may_come_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "url"
    path.write_text("postgresql://from-file/db\n")
    environ = {
        "CONSERJE_REDIS_URL": "redis://",
        "CONSERJE_BOOKING_DATABASE_URL_FILE": str(path),
    }
    settings = config.load(BookingSettings, "booking", environ)
    assert settings.database_url.get_secret_value() == "postgresql://from-file/db"
    (told,) = problems(GOOD | environ)
    assert "is set twice" in told


def test_no_secret_is_shown_anywhere() -> None:
    settings = load(CONSERJE_BOOKING_APP_SECRETS="hunter2")
    lines = config.effective(settings, "booking")
    assert "hunter2" not in repr(settings) + "\n".join(lines)
    assert "CONSERJE_BOOKING_DATABASE_URL=***" in lines
    assert "CONSERJE_BOOKING_SWEEP_SECONDS=30.0" in lines
    bad = problems(GOOD | {"CONSERJE_BOOKING_APP_SECRETS": '["hunter2", 7]'})
    assert "hunter2" not in "\n".join(bad)


def test_settings_do_not_change() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load().trace_ratio = 1.0


def test_every_setting_has_a_sentence() -> None:
    described = config.describe(BookingSettings, "booking")
    by_name = {one.variable: one for one in described}
    assert all(one.sentence.endswith(".") for one in described)
    assert by_name["CONSERJE_BOOKING_DATABASE_URL"].default is None
    assert by_name["CONSERJE_BOOKING_DATABASE_URL"].secret
    assert by_name["CONSERJE_TRACE_RATIO"].default == "0.01"


@pytest.mark.parametrize(
    "listen", ["8080", ":8080", "host:", "host:http", "host:65536", "host:-1", "host:٣"]
)
def test_an_address_to_listen_on_has_a_host_and_a_port(listen: str) -> None:
    (told,) = problems(GOOD | {"CONSERJE_BOOKING_GRPC_LISTEN": listen})
    assert "must be host:port" in told


@pytest.mark.parametrize("listen", ["127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "localhost:1"])
def test_plaintext_is_served_on_loopback(listen: str) -> None:
    assert load(CONSERJE_BOOKING_GRPC_LISTEN=listen).grpc_listen == listen


@pytest.mark.parametrize("listen", ["0.0.0.0:1", "[::]:1", "10.0.0.1:1", "booking:1"])
def test_elsewhere_plaintext_must_be_said_by_name(listen: str) -> None:
    own = {"CONSERJE_BOOKING_GRPC_LISTEN": listen}
    (problem,) = problems(GOOD | own)
    assert problem.startswith("CONSERJE_BOOKING_GRPC_LISTEN: without certificates")
    assert "CONSERJE_INSECURE=true" in problem
    assert load(**own, CONSERJE_INSECURE="true").insecure
    assert load(**own, CONSERJE_TLS_FOLDER="/tls").tls_folder == "/tls"
