"""What the documents point at is there."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DECISIONS = ROOT / "docs" / "decisions"
LINK = re.compile(r"\]\((?!https?:|mailto:)([^)#\s]*)#?([^)\s]*)\)")


def documents() -> list[str]:
    """Every page of Markdown that is kept with the code."""
    listed = subprocess.run(
        ["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return listed.stdout.split()


def anchors(page: Path) -> set[str]:
    """The names that a page's headings have in links."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", one.strip().lower()).replace(" ", "-") for one in headings}


@pytest.mark.parametrize("name", documents())
def test_every_link_leads_somewhere(name: str) -> None:
    page = ROOT / name
    for path, anchor in LINK.findall(page.read_text()):
        target = page.parent / path if path else page
        assert target.exists(), path
        assert not anchor or target.suffix != ".md" or anchor in anchors(target), (path, anchor)


def test_the_list_of_decisions_names_each_by_its_title() -> None:
    titles = {
        page.name: page.read_text().partition("\n")[0].removeprefix("# ")
        for page in DECISIONS.glob("0*.md")
    }
    listed = re.findall(r"^- \d+ \[(.*)\]\((.*)\)$", (DECISIONS / "README.md").read_text(), re.M)
    assert {name: title for title, name in listed} == titles
