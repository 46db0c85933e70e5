"""The report as Markdown and as PDF: the same words and figures, and names that stay text."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from batteries import studies

from scaling.errors import InputError
from scaling.report import report, reports
from scaling.report.markdown import escaped
from scaling.report.pdf import pdf

HOSTILE = "a|b <script>alert(1)</script> `x` [y](z) $1 *bold*\n# head"


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = studies.small_study(tmp_path_factory.mktemp("formats") / "study", name="made <up>")
    return {path.suffix: path for path in reports(folder, formats=["html", "md", "pdf"])}


def test_markdown_holds_the_answer_the_figures_and_the_runs(written: dict[str, Path]) -> None:
    text = written[".md"].read_text(encoding="utf-8")
    assert text.startswith("# Scaling study made &lt;up&gt;\n\n**Train 3")
    assert "it was trained. **Mean absolute error: " in text
    links = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", text)
    assert len(links) == 8
    for link in links:
        root = ElementTree.parse(written[".md"].parent / link).getroot()  # as strict as a browser
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert "|:--|--:|--:|--:|--:|" in text


def test_tables_of_the_markdown_are_whole(written: dict[str, Path]) -> None:
    tables = re.findall(r"(?:^\|.*\n)+", written[".md"].read_text(encoding="utf-8"), flags=re.M)
    assert len(tables) == 3  # targets, parameters, cells
    for table in tables:
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}) == 1
    assert len(tables[-1].splitlines()) == 2 + 33


def test_every_format_says_the_same(written: dict[str, Path]) -> None:
    html = re.sub(r"<[^>]*>", "", written[".html"].read_text(encoding="utf-8"))
    text = written[".md"].read_text(encoding="utf-8").replace("\\", "")
    for line in re.findall(r"- \*\*\w.*?\.\*\* (.*)", text):
        assert line in html.replace("&#39;", "'")


def test_names_stay_text_in_markdown() -> None:
    shown = escaped(HOSTILE)
    assert "<" not in shown
    assert "\n" not in shown
    assert not re.search(r"(?<!\\)[|`\[\]$*_]", shown)


def test_a_pdf_is_written_whole(written: dict[str, Path]) -> None:
    data = written[".pdf"].read_bytes()
    assert data.startswith(b"%PDF-")
    assert data.rstrip().endswith(b"%%EOF")
    assert len(data) > 50_000  # figures are in it


def test_a_pdf_asks_for_nothing(caplog: pytest.LogCaptureFixture) -> None:
    made = pdf('<p>text</p><img src="http://127.0.0.1:9/x.png"><img src="file:///etc/hostname">')
    assert made.startswith(b"%PDF-")
    assert caplog.text.count("Failed to load image") == 2


def test_what_a_pdf_needs_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "weasyprint", None)
    with pytest.raises(InputError, match=r"pip install 'scaling-laws\[pdf\]'"):
        report(tmp_path, formats=["pdf"])
    assert not list(tmp_path.iterdir())


def test_formats_by_name_and_by_suffix(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="valid: html, md, pdf; did you mean html"):
        report(tmp_path, formats=["htm"])
    study = tmp_path / "empty"
    study.mkdir()
    (study / "grid.toml").touch()
    assert report(study, tmp_path / "told.md").read_text().startswith("# Scaling study empty")
    both = reports(study, tmp_path / "told.html", formats=["html", "md"])
    assert [path.name for path in both] == ["told.html", "told.md"]
