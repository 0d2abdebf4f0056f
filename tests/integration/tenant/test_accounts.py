"""Portfolios, business accounts and the apps that their webhooks come by."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from conserje.tenant.v1 import credential_service_pb2 as pb

from sandbox.databases import DatabaseUrls
from services.tenant.accounts import store
from tests.integration.tenant.keys import add_key, app_secret
from tests.integration.tenant.test_hotels import refused
from tests.integration.tenant.test_serving import serving

ACCOUNT, OTHER = "200000000000001", "200000000000002"
PORTFOLIO = "300000000000001"


@pytest.fixture
async def stub(urls: DatabaseUrls, tmp_path: Path) -> AsyncIterator[Any]:
    """The service, with two apps."""
    keys = add_key(tmp_path / "keys", "2026-01")
    async with serving(urls.app_url, keys_folder=str(keys)) as running:
        for name in ("norte", "sur"):
            await running.credentials.SetApp(pb.SetAppRequest(app_name=name))
        yield running.credentials


def account(account_id: str, app_name: str = "", portfolio_id: str = "") -> Any:
    return pb.SetBusinessAccountRequest(
        whatsapp_business_account_id=account_id, app_name=app_name, portfolio_id=portfolio_id
    )


async def accounts_of_apps(stub: Any) -> dict[str, list[str]]:
    apps = (await stub.ReadAppCredentials(pb.ReadAppCredentialsRequest())).apps
    return {app.app_name: list(app.whatsapp_business_account_ids) for app in apps}


async def test_an_account_has_one_app_and_one_portfolio_and_may_change_them(stub: Any) -> None:
    portfolio = pb.SetPortfolioRequest(portfolio_id=PORTFOLIO, display_name="Hoteles del Norte")
    await stub.SetPortfolio(portfolio)
    await stub.SetBusinessAccount(account(ACCOUNT, "norte", PORTFOLIO))
    await stub.SetBusinessAccount(account(OTHER, "norte"))
    assert await accounts_of_apps(stub) == {"norte": [ACCOUNT, OTHER], "sur": []}
    await stub.SetBusinessAccount(account(ACCOUNT, "sur", PORTFOLIO))
    assert await accounts_of_apps(stub) == {"norte": [OTHER], "sur": [ACCOUNT]}
    listed = (await stub.ListBusinessAccounts(pb.ListBusinessAccountsRequest())).accounts
    assert [(one.whatsapp_business_account_id, one.app_name) for one in listed] == [
        (ACCOUNT, "sur"),
        (OTHER, "norte"),
    ]
    await stub.RemoveApp(pb.RemoveAppRequest(app_name="sur"))
    page = await stub.ListBusinessAccounts(pb.ListBusinessAccountsRequest(page_size=1))
    assert [one.app_name for one in page.accounts] == [""]
    assert page.next_page_token


async def test_nothing_is_said_of_what_is_not_known(stub: Any) -> None:
    for request, reason in (
        (account(ACCOUNT, "oeste"), "APP_UNKNOWN"),
        (account(ACCOUNT, "norte", "404"), "PORTFOLIO_UNKNOWN"),
    ):
        assert (await refused(stub.SetBusinessAccount(request))).reason == reason
    removal = pb.RemoveBusinessAccountRequest(whatsapp_business_account_id=ACCOUNT)
    assert (await refused(stub.RemoveBusinessAccount(removal))).reason == "ACCOUNT_UNKNOWN"
    gone = pb.RemovePortfolioRequest(portfolio_id=PORTFOLIO)
    assert (await refused(stub.RemovePortfolio(gone))).reason == "PORTFOLIO_UNKNOWN"


async def listed(call: Any, request: Any, field: str, key: str) -> list[str]:
    """Every page of a list, which has one thing each."""
    found = []
    request.page_size = 1
    while True:
        page = await call(request)
        (one,) = getattr(page, field)
        found.append(getattr(one, key))
        if not page.next_page_token:
            return found
        request.page_token = page.next_page_token


async def test_lists_have_each_once_in_their_order_and_lose_what_is_removed_alone(
    stub: Any,
) -> None:
    await stub.SetApp(pb.SetAppRequest(app_name="este"))
    for number in ("3", "1", "2"):
        await stub.SetPortfolio(pb.SetPortfolioRequest(portfolio_id=number))
        await stub.SetBusinessAccount(account(f"7{number}"))

    async def everything() -> tuple[list[str], ...]:
        return (
            await listed(stub.ListApps, pb.ListAppsRequest(), "apps", "app_name"),
            await listed(
                *(stub.ListPortfolios, pb.ListPortfoliosRequest()), "portfolios", "portfolio_id"
            ),
            await listed(
                *(stub.ListBusinessAccounts, pb.ListBusinessAccountsRequest()),
                *("accounts", "whatsapp_business_account_id"),
            ),
        )

    assert await everything() == (["este", "norte", "sur"], ["1", "2", "3"], ["71", "72", "73"])
    await stub.RemoveApp(pb.RemoveAppRequest(app_name="norte"))
    await stub.RemovePortfolio(pb.RemovePortfolioRequest(portfolio_id="1"))
    gone = pb.RemoveBusinessAccountRequest(whatsapp_business_account_id="73")
    await stub.RemoveBusinessAccount(gone)
    assert await everything() == (["este", "sur"], ["2", "3"], ["71", "72"])


async def test_a_portfolio_that_owns_accounts_stays(stub: Any) -> None:
    await stub.SetPortfolio(pb.SetPortfolioRequest(portfolio_id=PORTFOLIO))
    await stub.SetBusinessAccount(account(ACCOUNT, "", PORTFOLIO))
    removal = pb.RemovePortfolioRequest(portfolio_id=PORTFOLIO)
    assert (await refused(stub.RemovePortfolio(removal))).reason == "PORTFOLIO_IN_USE"
    await stub.RemoveBusinessAccount(
        pb.RemoveBusinessAccountRequest(whatsapp_business_account_id=ACCOUNT)
    )
    await stub.RemovePortfolio(removal)
    assert not (await stub.ListPortfolios(pb.ListPortfoliosRequest())).portfolios


async def test_an_app_has_no_more_accounts_than_the_bound(
    stub: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "MOST_OF_APP", 1)
    await stub.SetBusinessAccount(account(ACCOUNT, "norte"))
    await stub.SetBusinessAccount(account(ACCOUNT, "norte"))
    error = await refused(stub.SetBusinessAccount(account(OTHER, "norte")))
    assert error.reason == "TOO_MANY_ACCOUNTS"


async def test_followers_hear_of_an_app_whose_accounts_change_and_of_one_that_is_gone(
    stub: Any,
) -> None:
    watch = stub.WatchCredentials(pb.WatchCredentialsRequest())

    async def until_heard(*wanted: tuple[str, str]) -> None:
        """Wait for these changes, after whatever else is told; ("", "") is that all is new."""
        left = set(wanted)
        async with asyncio.timeout(10):
            while left:
                part = await watch.read()
                left -= {(one.app_name, one.name) for one in part.changes}
                left -= {("", "")} if part.whole else set()

    await until_heard(("", ""))
    await stub.SetBusinessAccount(account(ACCOUNT, "norte"))
    await until_heard(("norte", ""))
    await stub.SetBusinessAccount(account(ACCOUNT, "sur"))
    await until_heard(("norte", ""), ("sur", ""))
    await stub.SetCredential(app_secret("norte", "n"))
    await until_heard(("norte", "first"))
    await stub.RemoveApp(pb.RemoveAppRequest(app_name="norte"))
    await until_heard(("", ""))
    watch.cancel()
