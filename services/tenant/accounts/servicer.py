"""The RPCs about portfolios and business accounts: protobuf in, protobuf out."""

from __future__ import annotations

from typing import Any

import grpc
from conserje.tenant.v1.credential_pb2 import BusinessAccount as AccountMessage
from conserje.tenant.v1.credential_pb2 import Portfolio as PortfolioMessage
from conserje.tenant.v1.credential_service_pb2 import (
    ListBusinessAccountsRequest,
    ListBusinessAccountsResponse,
    ListPortfoliosRequest,
    ListPortfoliosResponse,
    RemoveBusinessAccountRequest,
    RemoveBusinessAccountResponse,
    RemovePortfolioRequest,
    RemovePortfolioResponse,
    SetBusinessAccountRequest,
    SetBusinessAccountResponse,
    SetPortfolioRequest,
    SetPortfolioResponse,
)
from conserje.tenant.v1.credential_service_pb2_grpc import CredentialServiceServicer

from meshkit import pages
from services.tenant.accounts.store import Account, AccountStore, Portfolio

Context = grpc.aio.ServicerContext[Any, Any]


class AccountServicer(CredentialServiceServicer):
    """The part of `CredentialService` that has no secrets."""

    def __init__(self, accounts: AccountStore) -> None:
        self._accounts = accounts

    async def SetPortfolio(
        self, request: SetPortfolioRequest, context: Context
    ) -> SetPortfolioResponse:
        """A portfolio made known."""
        made = await self._accounts.set_portfolio(request.portfolio_id, request.display_name)
        return SetPortfolioResponse(portfolio=_portfolio(made))

    async def RemovePortfolio(
        self, request: RemovePortfolioRequest, context: Context
    ) -> RemovePortfolioResponse:
        """A portfolio forgotten."""
        removed = await self._accounts.remove_portfolio(request.portfolio_id)
        return RemovePortfolioResponse(portfolio=_portfolio(removed))

    async def ListPortfolios(
        self, request: ListPortfoliosRequest, context: Context
    ) -> ListPortfoliosResponse:
        """A page of portfolios."""
        size = pages.page_size(request.page_size)
        after = pages.text_from_token(request.page_token)
        found = await self._accounts.portfolios(after, size + 1)
        response = ListPortfoliosResponse(portfolios=map(_portfolio, found[:size]))
        if len(found) > size:
            response.next_page_token = pages.to_token(found[size - 1].portfolio_id)
        return response

    async def SetBusinessAccount(
        self, request: SetBusinessAccountRequest, context: Context
    ) -> SetBusinessAccountResponse:
        """An account's app and portfolio."""
        made = await self._accounts.set_account(
            request.whatsapp_business_account_id, request.app_name, request.portfolio_id
        )
        return SetBusinessAccountResponse(account=_account(made))

    async def RemoveBusinessAccount(
        self, request: RemoveBusinessAccountRequest, context: Context
    ) -> RemoveBusinessAccountResponse:
        """An account forgotten."""
        removed = await self._accounts.remove_account(request.whatsapp_business_account_id)
        return RemoveBusinessAccountResponse(account=_account(removed))

    async def ListBusinessAccounts(
        self, request: ListBusinessAccountsRequest, context: Context
    ) -> ListBusinessAccountsResponse:
        """A page of accounts."""
        size = pages.page_size(request.page_size)
        after = pages.text_from_token(request.page_token)
        found = await self._accounts.accounts(after, size + 1)
        response = ListBusinessAccountsResponse(accounts=map(_account, found[:size]))
        if len(found) > size:
            response.next_page_token = pages.to_token(found[size - 1].account_id)
        return response


def _portfolio(portfolio: Portfolio) -> PortfolioMessage:
    message = PortfolioMessage(
        portfolio_id=portfolio.portfolio_id, display_name=portfolio.display_name
    )
    message.create_time.FromDatetime(portfolio.create_time)
    return message


def _account(account: Account) -> AccountMessage:
    message = AccountMessage(
        whatsapp_business_account_id=account.account_id,
        app_name=account.app_name,
        portfolio_id=account.portfolio_id,
    )
    message.create_time.FromDatetime(account.create_time)
    return message
