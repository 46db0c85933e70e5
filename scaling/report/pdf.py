"""The report as a PDF: the page without its scripts, laid out on A4 by WeasyPrint."""

from __future__ import annotations

from scaling.errors import InputError


def check() -> None:
    """Raise InputError, which says what to install, where no PDF can be made."""
    try:
        import weasyprint  # noqa: F401  # late: an extra, and seconds to load
    except ImportError:
        raise InputError(
            "--format pdf: needs WeasyPrint; `pip install 'scaling-laws[pdf]'`, or print the page "
            "from a browser"
        ) from None
    except OSError as error:  # the wheel is there, Pango is not
        raise InputError(
            f"--format pdf: WeasyPrint lacks a library of the system ({error}); install Pango "
            "(Debian: libpango-1.0-0 and libpangoft2-1.0-0), or print the page from a browser"
        ) from None


def pdf(html: str) -> bytes:
    """The page as a PDF. Nothing is fetched: the page holds all that it shows."""
    import weasyprint

    nothing = weasyprint.URLFetcher(allowed_protocols=())
    made: bytes = weasyprint.HTML(string=html, url_fetcher=nothing).write_pdf()
    return made
