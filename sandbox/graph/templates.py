"""The templates of business accounts: read page by page, changed on demand, checked in sends.

Shapes: "Message templates" of the WhatsApp Business Management API and `tests/data/bodies`.
An account that was given none takes every template, so that nobody has to set some up.
"""

import base64
import re
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from sandbox.graph.errors import PARAMETER_INVALID, GraphError

MISSING, COUNT_MISMATCH, PAUSED = 132001, 132000, 132015
LARGEST_PAGE, USUAL_PAGE = 250, 25
_VARIABLE = re.compile(r"\{\{\s*\w+\s*\}\}")
_FIELDS = {
    "status": "message_template_status_update",
    "quality": "message_template_quality_update",
    "category": "template_category_update",
}


class Templates:
    """What each account has."""

    def __init__(self) -> None:
        self._accounts: dict[str, list[dict[str, Any]]] = {}

    def set(self, account: str, templates: Sequence[Mapping[str, Any]]) -> None:
        """From now on the account has these; each is as Meta describes it, or less."""
        self._accounts[account] = [_whole(dict(one)) for one in templates]

    def page(self, account: str, query: Mapping[str, str], address: str) -> dict[str, Any]:
        """One page of an account's templates; `address` is where it was asked for."""
        known = self._accounts.get(account, [])
        limit = min(int(query.get("limit") or USUAL_PAGE), LARGEST_PAGE)
        start = _place(query["after"]) if query.get("after") else 0
        fields = {"id", *(query.get("fields") or "name,status,category,language").split(",")}
        shown = [
            {key: value for key, value in one.items() if key in fields}
            for one in known[start : start + limit]
        ]
        if not shown:
            return {"data": []}
        cursors = {"before": _cursor(start), "after": _cursor(start + len(shown))}
        paging: dict[str, Any] = {"cursors": cursors}
        if start + len(shown) < len(known):
            paging["next"] = f"{address}?limit={limit}&after={cursors['after']}"
        return {"data": shown, "paging": paging}

    def change(
        self, account: str, name: str, language: str, asked: Mapping[str, str]
    ) -> list[tuple[str, dict[str, Any]]]:
        """Changes a template; the webhooks that tell of it, as fields and values."""
        one = self._find(account, name, language)
        told = []
        for what, value in asked.items():
            told.append((_FIELDS[what], _news(one, what, value)))
            one["quality_score" if what == "quality" else what] = (
                {"score": value} if what == "quality" else value
            )
        return told

    def check(self, account: str, template: Mapping[str, Any]) -> None:
        """Refuses a send of a template that the account has not, or not like this."""
        if account not in self._accounts:
            return
        language = str(template["language"]["code"])
        one = self._find(account, str(template["name"]), language)
        if one["status"] == "PAUSED":
            raise GraphError(PAUSED, "Template is paused due to low quality")
        if one["status"] != "APPROVED":
            raise GraphError(MISSING, f"template name does not exist in {language}")
        needed = _body_variables(one["components"])
        given = _body_parameters(template.get("components") or [])
        if needed != given:
            told = f"number of localizable_params ({given}) does not match the expected ({needed})"
            raise GraphError(COUNT_MISMATCH, told)

    def _find(self, account: str, name: str, language: str) -> dict[str, Any]:
        for one in self._accounts.get(account, []):
            if (one["name"], one["language"]) == (name, language):
                return one
        raise GraphError(MISSING, f"template name ({name}) does not exist in {language}")


def _whole(given: dict[str, Any]) -> dict[str, Any]:
    body = {"type": "BODY", "text": str(given.pop("body", "Hola {{1}}"))}
    return {
        "language": "es",
        "status": "APPROVED",
        "category": "UTILITY",
        "id": str(10**15 + secrets.randbelow(10**15)),
        "quality_score": {"score": "UNKNOWN"},
        "rejected_reason": "NONE",
        "parameter_format": "POSITIONAL",
        "components": [body],
        **given,
    }


def _news(one: Mapping[str, Any], what: str, value: str) -> dict[str, Any]:
    about = {
        "message_template_id": int(one["id"]),
        "message_template_name": one["name"],
        "message_template_language": one["language"],
    }
    if what == "status":
        return {"event": value, **about, "reason": "NONE" if value == "APPROVED" else value}
    if what == "quality":
        before = one["quality_score"]["score"]
        return {"previous_quality_score": before, "new_quality_score": value, **about}
    return {**about, "previous_category": one["category"], "new_category": value}


def _body_variables(components: Sequence[Mapping[str, Any]]) -> int:
    texts = [str(part.get("text")) for part in components if part.get("type") == "BODY"]
    return len({found for text in texts for found in _VARIABLE.findall(text)})


def _body_parameters(components: Sequence[Mapping[str, Any]]) -> int:
    return sum(len(part["parameters"]) for part in components if part.get("type") == "body")


def _cursor(place: int) -> str:
    return base64.urlsafe_b64encode(f"at{place}".encode()).decode()


def _place(cursor: str) -> int:
    try:
        return int(base64.urlsafe_b64decode(cursor).decode().removeprefix("at"))
    except ValueError as error:
        raise GraphError(PARAMETER_INVALID, "after is no cursor") from error
