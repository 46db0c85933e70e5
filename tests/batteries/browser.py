"""What tests of pages in a browser share: screens, and an eye on what a page must not do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

CHROMIUM = Path("/usr/bin/chromium")
WIDE, PHONE = {"width": 1280, "height": 900}, {"width": 360, "height": 740}
AXE_SAYS = ("serious", "critical")


def watch(tab: Any, address: str) -> list[str]:
    """Everything that a report must never do, in lines as it happens: errors (a breach of its own
    policy is one), warnings, dialogs, requests but that of its own address."""
    faults: list[str] = []

    def said(message: Any) -> None:
        if message.type in ("error", "warning"):
            faults.append(message.text)

    def asked(request: Any) -> None:
        if request.url != address:
            faults.append(f"request: {request.url}")

    def shown(dialog: Any) -> None:
        faults.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    for event, note in {"console": said, "request": asked, "dialog": shown}.items():
        tab.on(event, note)
    tab.on("pageerror", lambda error: faults.append(str(error)))
    return faults


def settled(tab: Any) -> None:
    """Wait until what was asked of the page is done and painted, out of sight, too: a figure a
    frame."""
    tab.evaluate(
        "() => new Promise((done) => requestAnimationFrame(() => setTimeout(done, "
        "60 + (typeof views === 'undefined' ? 0 : AFTER * views.length))))"
    )
