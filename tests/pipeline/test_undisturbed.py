"""A signal that stops the program comes behind a step, never within it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from exdnet_plugin.pipeline.undisturbed import undisturbed


@pytest.fixture(autouse=True)
def _interruptible() -> Iterator[None]:
    """A shell that starts a program in the background lets it ignore Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_comes_behind_the_step() -> None:
    done = []
    with pytest.raises(KeyboardInterrupt):  # noqa: PT012 - what is done before it is looked at
        with undisturbed():
            os.kill(os.getpid(), signal.SIGINT)
            done.extend(range(1000))
        done.append("behind")
    assert done == list(range(1000))
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_error_of_the_step_s_own_comes_where_no_signal_did() -> None:
    with pytest.raises(ValueError, match="broken"), undisturbed():
        raise ValueError("broken")


def test_a_signal_that_ends_the_process_ends_it_behind_the_step() -> None:
    script = (
        "import os, signal; from exdnet_plugin.pipeline.undisturbed import undisturbed\n"
        "with undisturbed():\n    os.kill(os.getpid(), signal.SIGTERM); print('whole', flush=True)\nprint('never')"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (-signal.SIGTERM, "whole\n")


def test_on_other_threads_nothing_changes() -> None:
    seen = []

    def work() -> None:
        with undisturbed():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [signal.default_int_handler]
