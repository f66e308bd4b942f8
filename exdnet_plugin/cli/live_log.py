"""What a live stream says: one status line on a terminal, log lines elsewhere, as text or as JSON."""

from __future__ import annotations

import json
import logging
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from exdnet_plugin.live.figures import Figures

log = logging.getLogger("exdnet.live")
TOLD_EVERY = 60.0  # seconds between two lines of figures where there is no status line


class _Json(logging.Formatter):
    """A line as JSON, for collectors of logs."""

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        row = {"time": moment, "level": record.levelname.lower(), "message": record.getMessage()}
        return json.dumps(row | getattr(record, "figures", {}))


def set_up_log(form: str) -> Console | None:
    """Log to standard error; the console is that of a terminal, for a status line, or None."""
    from rich.console import Console

    console = Console(stderr=True, highlight=False) if sys.stderr.isatty() and form == "text" else None
    handler = _OnConsole(console) if console else logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json() if form == "json" else logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    logger = logging.getLogger("exdnet")
    logger.handlers, logger.propagate = [handler], False
    logger.setLevel(logging.INFO)
    return console


class _OnConsole(logging.Handler):
    """Lines above the status line."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._console.print(self.format(record), markup=False, emoji=False)
        except OSError:  # the terminal has gone: that ends no stream
            self.handleError(record)


@contextmanager
def status_line(console: Console | None, figures: Figures) -> Iterator[None]:
    """Show how it is: a line that renews itself or, without a terminal, one in the log each minute."""
    if console:
        from rich.live import Live
        from rich.text import Text

        with Live(
            get_renderable=lambda: Text(figures.line(), overflow="ellipsis", no_wrap=True),
            console=console,
            refresh_per_second=2,
            transient=True,
        ):
            yield
        return
    ended = threading.Event()
    teller = threading.Thread(target=_tell, args=(figures, ended), name="exdnet-teller", daemon=True)
    teller.start()
    try:
        yield
    finally:
        ended.set()
        teller.join()


def _tell(figures: Figures, ended: threading.Event) -> None:
    while not ended.wait(TOLD_EVERY):
        log.info(figures.line(), extra={"figures": figures.as_dict()})
