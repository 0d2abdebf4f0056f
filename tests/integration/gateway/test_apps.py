"""Several Meta apps: each has an address, secrets and a token of its own."""

from __future__ import annotations

import pytest

from gateway.settings import AppSecrets
from gateway.webhook import PATH
from tests import bodies
from tests.integration.gateway.conftest import SECRET, TOKEN, Gateway, MakeGateway

DATA = bodies.body("text").data
NORTE = {"name": "norte", "app_secrets": ("norte-old", "norte-new"), "verify_token": "norte-word"}
SUR = {"name": "sur", "app_secrets": ("sur-secret",), "verify_token": "sur-word"}
AT_NORTE, AT_SUR = f"{PATH}/norte", f"{PATH}/sur"


@pytest.fixture
async def several(make_gateway: MakeGateway) -> Gateway:
    """A gateway with an app without a name and two with one."""
    return await make_gateway(apps=(AppSecrets.model_validate(NORTE), _sur()))


def _sur(**changed: object) -> AppSecrets:
    return AppSecrets.model_validate(SUR | changed)


@pytest.mark.parametrize(
    ("path", "secret"),
    [
        (PATH, SECRET),
        (AT_NORTE, "norte-old"),
        (AT_NORTE, "norte-new"),
        (AT_SUR, "sur-secret"),
    ],
)
async def test_each_app_signs_at_its_own_address(several: Gateway, path: str, secret: str) -> None:
    status, _, _ = await several.post(DATA, bodies.sign(DATA, secret), path)
    assert status == 200
    assert len(several.messaging.events) == 1


@pytest.mark.parametrize(
    ("path", "secret"),
    [
        (PATH, "norte-new"),
        (AT_NORTE, SECRET),
        (AT_NORTE, "sur-secret"),
        (AT_SUR, "norte-new"),
        (AT_SUR, ""),
    ],
)
async def test_no_app_signs_for_another(several: Gateway, path: str, secret: str) -> None:
    status, _, _ = await several.post(DATA, bodies.sign(DATA, secret), path)
    assert status == 401
    assert several.messaging.arrived == 0


@pytest.mark.parametrize("name", ["NORTE", "norte/", "norte/sur", "%00", "..%2Fnorte"])
async def test_at_an_unknown_app_there_is_nothing(several: Gateway, name: str) -> None:
    path = f"{PATH}/{name}"
    for secret in (SECRET, "norte-new", "sur-secret"):
        status, _, _ = await several.post(DATA, bodies.sign(DATA, secret), path)
        assert status == 404
    status, _, _ = await several.get(path, mode="subscribe", challenge="1", verify_token=TOKEN)
    assert status == 404
    assert several.messaging.arrived == 0


async def test_an_app_without_secrets_takes_nothing_and_is_told(make_gateway: MakeGateway) -> None:
    gateway = await make_gateway(apps=(_sur(app_secrets=()),))
    for secret in ("", SECRET, "sur-secret"):
        status, headers, _ = await gateway.post(DATA, bodies.sign(DATA, secret), AT_SUR)
        assert status == 503
        assert "Retry-After" in headers
    assert gateway.messaging.arrived == 0
    assert gateway.kit.health.is_ready()
    assert "verify token for sur" in str(gateway.kit.health.report())


async def test_the_app_without_a_name_may_be_missing(make_gateway: MakeGateway) -> None:
    gateway = await make_gateway(app_secrets=(), verify_token="", apps=(_sur(),))
    assert gateway.kit.health.is_ready()
    assert (await gateway.post(DATA, bodies.sign(DATA, "sur-secret"), AT_SUR))[0] == 200
    assert (await gateway.post(DATA, bodies.sign(DATA, "sur-secret")))[0] == 503


async def test_each_app_is_registered_with_its_own_token(several: Gateway) -> None:
    words = {PATH: TOKEN, AT_NORTE: "norte-word", AT_SUR: "sur-word"}
    for path in words:
        for word in words.values():
            status, _, text = await several.get(
                path, mode="subscribe", challenge="4711", verify_token=word
            )
            assert (status == 200, text == "4711") == ((words[path] == word),) * 2


async def test_an_app_without_a_token_is_not_registered(make_gateway: MakeGateway) -> None:
    gateway = await make_gateway(apps=(_sur(verify_token=""),))
    status, _, _ = await gateway.get(AT_SUR, mode="subscribe", challenge="1", verify_token="")
    assert status == 503
