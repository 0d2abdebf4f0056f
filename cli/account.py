"""`conserje account` and `conserje portfolio`: who owns what at Meta, and by which app it comes."""

import argparse
from collections.abc import Iterator
from typing import Any

from conserje.tenant.v1 import credential_service_pb2 as pb
from conserje.tenant.v1.credential_pb2 import BusinessAccount, Portfolio

from cli.asking import SECONDS, or_else, pages
from cli.secret import add_verb


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds both commands."""
    account = commands.add_parser("account")
    verbs = account.add_subparsers(title="commands", metavar="COMMAND", required=True)
    add_verb(verbs, "list", "every account of which something was said", _list_accounts)
    setting = add_verb(
        verbs, "set", "by which app it comes, and whose it is, in place of before", _set_account
    )
    removing = add_verb(verbs, "remove", "forget what was said of it", _remove_account)
    for verb in (setting, removing):
        verb.add_argument(
            "whatsapp_business_account_id", metavar="ID", help="Meta's id of the account"
        )
    setting.add_argument(
        "--app",
        dest="app_name",
        default="",
        metavar="APP",
        help="the only app that its webhooks may come by; without this any may",
    )
    setting.add_argument(
        "--portfolio", dest="portfolio_id", default="", metavar="ID", help="the one that owns it"
    )
    _add_portfolio(commands)


def _add_portfolio(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    portfolio = commands.add_parser("portfolio")
    verbs = portfolio.add_subparsers(title="commands", metavar="COMMAND", required=True)
    add_verb(verbs, "list", "every portfolio", _list_portfolios)
    setting = add_verb(verbs, "set", "make one known, or call it something else", _set_portfolio)
    removing = add_verb(verbs, "remove", "forget one that owns nothing", _remove_portfolio)
    for verb in (setting, removing):
        verb.add_argument("portfolio_id", metavar="ID", help="Meta's id of the portfolio")
    setting.add_argument(
        "--name", dest="display_name", default="", metavar="TEXT", help="what people call it"
    )


def _account(account: BusinessAccount) -> str:
    app = account.app_name or "any app"
    return f"{account.whatsapp_business_account_id}  {app}  portfolio {account.portfolio_id or '-'}"


def _portfolio(portfolio: Portfolio) -> str:
    return f"{portfolio.portfolio_id}  {portfolio.display_name}"


@or_else("no business accounts")
def _list_accounts(stub: Any, _options: argparse.Namespace) -> Iterator[str]:
    for page in pages(stub.ListBusinessAccounts, pb.ListBusinessAccountsRequest()):
        yield from map(_account, page.accounts)


def _set_account(stub: Any, options: argparse.Namespace) -> Iterator[str]:
    request = pb.SetBusinessAccountRequest(
        whatsapp_business_account_id=options.whatsapp_business_account_id,
        app_name=options.app_name,
        portfolio_id=options.portfolio_id,
    )
    yield _account(stub.SetBusinessAccount(request, timeout=SECONDS).account)


def _remove_account(stub: Any, options: argparse.Namespace) -> Iterator[str]:
    request = pb.RemoveBusinessAccountRequest(
        whatsapp_business_account_id=options.whatsapp_business_account_id
    )
    removed = stub.RemoveBusinessAccount(request, timeout=SECONDS).account
    yield f"removed: {_account(removed)}"


@or_else("no portfolios")
def _list_portfolios(stub: Any, _options: argparse.Namespace) -> Iterator[str]:
    for page in pages(stub.ListPortfolios, pb.ListPortfoliosRequest()):
        yield from map(_portfolio, page.portfolios)


def _set_portfolio(stub: Any, options: argparse.Namespace) -> Iterator[str]:
    request = pb.SetPortfolioRequest(
        portfolio_id=options.portfolio_id, display_name=options.display_name
    )
    yield _portfolio(stub.SetPortfolio(request, timeout=SECONDS).portfolio)


def _remove_portfolio(stub: Any, options: argparse.Namespace) -> Iterator[str]:
    request = pb.RemovePortfolioRequest(portfolio_id=options.portfolio_id)
    removed = stub.RemovePortfolio(request, timeout=SECONDS).portfolio
    yield f"removed: {_portfolio(removed)}"
