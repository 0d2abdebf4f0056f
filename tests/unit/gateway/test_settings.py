"""How the gateway is configured."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.settings import GatewaySettings, as_keys
from meshkit.config import ConfigError, load

TARGET = {
    "CONSERJE_TARGET_MESSAGING": "127.0.0.1:7000",
    "CONSERJE_TARGET_BOOKING": "127.0.0.1:7002",
    "CONSERJE_TARGET_TENANT": "127.0.0.1:7001",
}


def test_two_secrets_while_one_is_changed() -> None:
    environ = {**TARGET, "CONSERJE_GATEWAY_APP_SECRETS": "old-secret, new-secret"}
    assert load(GatewaySettings, "gateway", environ).secrets() == (b"old-secret", b"new-secret")


def test_secrets_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "secrets"
    file.write_text("one\ntwo\n")
    environ = {**TARGET, "CONSERJE_GATEWAY_APP_SECRETS_FILE": str(file)}
    assert load(GatewaySettings, "gateway", environ).secrets() == (b"one", b"two")


@pytest.mark.parametrize("written", ["", " ", ",", ", ,"])
def test_nothing_between_commas_is_no_secret(written: str) -> None:
    environ = {**TARGET, "CONSERJE_GATEWAY_APP_SECRETS": written}
    assert load(GatewaySettings, "gateway", environ).secrets() == ()


def test_an_empty_secret_is_refused() -> None:
    environ = {**TARGET, "CONSERJE_GATEWAY_APP_SECRETS": '["", "secret"]'}
    with pytest.raises(ConfigError) as caught:
        load(GatewaySettings, "gateway", environ)
    assert "CONSERJE_GATEWAY_APP_SECRETS" in caught.value.problems[0]
    assert "secret" not in caught.value.problems[0].replace("APP_SECRETS", "")


NORTE = {"name": "norte", "app_secrets": ["hush-4", "hush-5"], "verify_token": "hush-6"}


def test_further_apps_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "apps"
    file.write_text(json.dumps([NORTE, {"name": "sur"}], indent=2))
    environ = {**TARGET, "CONSERJE_GATEWAY_APPS_FILE": str(file)}
    norte, sur = load(GatewaySettings, "gateway", environ).apps
    assert (norte.name, as_keys(norte.app_secrets)) == ("norte", (b"hush-4", b"hush-5"))
    assert norte.verify_token.get_secret_value() == "hush-6"
    assert (sur.name, sur.app_secrets, bool(sur.verify_token)) == ("sur", (), False)


@pytest.mark.parametrize(
    "apps",
    [
        pytest.param([NORTE, NORTE], id="one name twice"),
        pytest.param([NORTE | {"name": ""}], id="no name"),
        pytest.param([NORTE | {"name": "a/b"}], id="no name for a path"),
        pytest.param([NORTE | {"name": "Norte"}], id="capitals"),
        pytest.param([NORTE | {"app_secrets": ["hush-4", ""]}], id="an empty secret"),
        pytest.param([NORTE | {"secret": "hush-4"}], id="a word that means nothing"),
        pytest.param(["hush-4"], id="no object"),
    ],
)
def test_apps_that_cannot_be_are_refused_without_their_secrets(apps: list[object]) -> None:
    environ = {**TARGET, "CONSERJE_GATEWAY_APPS": json.dumps(apps)}
    with pytest.raises(ConfigError) as caught:
        load(GatewaySettings, "gateway", environ)
    (problem,) = caught.value.problems
    assert problem.startswith("CONSERJE_GATEWAY_APPS: ")
    assert "hush" not in problem


def test_the_configuration_is_shown_without_secrets() -> None:
    environ = {
        **TARGET,
        "PATH": os.environ["PATH"],
        "CONSERJE_GATEWAY_APP_SECRETS": "hush-1,hush-2",
        "CONSERJE_GATEWAY_VERIFY_TOKEN": "hush-3",
        "CONSERJE_GATEWAY_APPS": json.dumps([NORTE]),
    }
    shown = subprocess.run(
        [sys.executable, "-m", "gateway", "--check-config"],
        env=environ,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout
    assert "CONSERJE_TARGET_MESSAGING=127.0.0.1:7000" in shown
    assert "CONSERJE_GATEWAY_APP_SECRETS=***" in shown
    assert "CONSERJE_GATEWAY_APPS=***" in shown
    assert "hush" not in shown
