"""Every link of the documents leads somewhere: to a file, and to a heading of it."""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest

ROOT = Path(__file__).parents[1]
PLACES = ("*.md", "docs/**/*.md", "charts/*/*.md", "protos/*.md", "tests/*/*.md", ".github/*.md")
PAGES = sorted({page for place in PLACES for page in ROOT.glob(place)})
CODE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\(([^)\s]+)\)")


def anchors(page: Path) -> Iterator[str]:
    """Give the anchors of a page's headings, as GitHub makes them; a second one has a number."""
    seen: dict[str, int] = {}
    for heading in re.findall(r"^#+ (.+)$", CODE.sub("", page.read_text()), re.MULTILINE):
        words = LINK.sub("", heading).lower()
        anchor = re.sub(r"[^\w\- ]", "", words).strip().replace(" ", "-")
        count = seen.get(anchor, 0)
        seen[anchor] = count + 1
        yield f"{anchor}-{count}" if count else anchor


def dead(page: Path) -> Iterator[str]:
    for link in LINK.findall(CODE.sub("", page.read_text())):
        path, _, anchor = link.partition("#")
        target = (page.parent / unquote(path)).resolve() if path else page
        if "://" in link:
            continue  # another's page, which may be away
        if not target.exists() or (anchor and anchor not in anchors(target)):
            yield link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    assert list(dead(page)) == []


def test_every_document_is_found_from_the_readme() -> None:
    readme = (ROOT / "README.md").read_text()
    found = {(ROOT / link.partition("#")[0]).resolve() for link in LINK.findall(readme)}
    documents = {*ROOT.glob("docs/*.md"), ROOT / "docs" / "adr", ROOT / "examples"}

    assert documents - found == set()


def test_the_index_of_decisions_has_each_by_its_number_and_title() -> None:
    index = (ROOT / "docs" / "adr" / "README.md").read_text().splitlines()
    rows = [row.rpartition(" | ")[0] for row in index if row.startswith("| ") and "](" in row]
    titles = {
        page: re.fullmatch(r"# (\d+)\. (.+)", page.read_text().partition("\n")[0])
        for page in sorted(ROOT.glob("docs/adr/0*.md"))
    }

    assert rows == [
        f"| {title[1]} | [{title[2]}]({page.name})" for page, title in titles.items() if title
    ]
    assert [int(page.name[:4]) for page in titles] == [*range(1, len(titles) + 1)]


def test_a_heading_that_is_not_there_is_a_dead_link(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# Two `words`, one\n## Two words, one\n```\n# no heading\n[no](link)\n```\n"
        "[a](#two-words-one) [b](#two-words-one-1) [c](page.md#no-heading) [d](other.md)\n"
        "[e](https://nowhere.example/x)\n"
    )

    assert list(dead(page)) == ["page.md#no-heading", "other.md"]
