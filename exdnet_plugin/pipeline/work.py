"""The finished part of a job, in a hidden folder beside its sink: what a kill or Ctrl-C leaves to go on from.

Finished segments lie in a log of packets; a manifest, replaced as a whole behind each segment, says how much of the log
counts, and holds what processors remembered there. Where frames are slow, a journal keeps each filtered frame of the
segment under way, too.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from exdnet_plugin.errors import MediaError
from exdnet_plugin.frame_filter import State
from exdnet_plugin.lock import lock
from exdnet_plugin.media.packet_log import PacketLog
from exdnet_plugin.whole_file import whole_file

VERSION = 1
_MANIFEST = "manifest.safetensors"
_LOG = "video.packets"


@dataclass
class Progress:
    """How far a job has come.

    Attributes:
        frames: frames of the source that are finished.
        encoded: frames in the log, more or fewer at a constant rate.
        length: bytes of the log that count.
        last_pts: of the last finished frame, in the source's ticks.
        counted: whether frames are found again by counting alone.
    """

    frames: int = 0
    encoded: int = 0
    length: int = 0
    last_pts: int | None = None
    counted: bool = False


def work_folder(sink: Path) -> Path:
    """Where the work for a sink is kept."""
    return sink.with_name(f".{sink.name}.work")


class Work:
    """One job's folder.

    Args:
        sink: the file that the job makes.
        job: what the job is, by name: source, chain, encoder. A resumed one must be the same.
        resume: go on with what is there; otherwise nothing may be there, unless `overwrite`.

    Raises:
        MediaError: there is unfinished work and no `resume`; it is another job's, or damaged.
    """

    def __init__(self, sink: Path, job: Mapping[str, str], *, resume: bool = False, overwrite: bool = False) -> None:
        self.folder, self._sink, self._job = work_folder(sink), sink, dict(job)
        self.progress, self.state = Progress(), dict[str, NDArray[Any]]()
        try:
            self.folder.mkdir(exist_ok=True)
            self._lock = lock(self.folder / "lock")
            with ExitStack() as undo:
                undo.callback(self._lock.close)
                self._begin(resume, overwrite)
                self.log = PacketLog(self.folder / _LOG, self.progress.length)
                self._tell(self.state)
                undo.pop_all()
        except BlockingIOError:
            raise MediaError(f"{sink} is being written by another process; wait for it, or stop it") from None
        except OSError as error:
            raise MediaError(
                f"{sink} cannot be written: {error.strerror or error}. Choose a folder that you may write to"
            ) from None

    def _begin(self, resume: bool, overwrite: bool) -> None:
        """Load what is there, or clear it away."""
        if resume:
            if (self.folder / _MANIFEST).exists():
                self._load()
                return
            overwrite = True  # what no manifest tells of may be another job's
        if (self.folder / _LOG).exists() and not overwrite:
            raise MediaError(
                f"{self._sink}: work that was stopped lies in {self.folder}; --resume goes on with it, "
                "--overwrite starts anew"
            )
        for old in [self.folder / _MANIFEST, *self.folder.glob("frame-*")]:
            old.unlink(missing_ok=True)

    @property
    def started(self) -> bool:
        """Whether there is anything that a resumed job would go on from."""
        return bool(self.progress.frames or self.kept())

    @property
    def hidden(self) -> Path:
        """Where the sink is written until it is whole."""
        return self.folder / f"sink{self._sink.suffix}"

    def _load(self) -> None:
        path = self.folder / _MANIFEST
        try:
            told, self.state = _read(path)
            manifest = json.loads(told["manifest"])
            if manifest["version"] != VERSION:
                raise ValueError(f"version {manifest['version']}, not {VERSION}")
            self.progress = Progress(**manifest["progress"])
            if (self.folder / _LOG).stat().st_size < self.progress.length or self.progress.frames < 0:
                raise ValueError("the log is shorter than it says")
        except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
            raise MediaError(f"{path} is damaged ({error}); --overwrite starts anew") from None
        _check_job(self._sink, manifest.get("job"), self._job)

    def commit(self, state: State) -> None:
        """Everything in the log so far counts; processors remembered `state` behind it."""
        self.progress.length = self.log.commit()
        self._tell(state)
        for old in self.folder.glob("frame-*"):
            old.unlink()

    def _tell(self, state: State) -> None:
        manifest = json.dumps({"version": VERSION, "job": self._job, "progress": asdict(self.progress)})
        with whole_file(self.folder / _MANIFEST) as path:
            _save(dict(state), path, {"manifest": manifest})

    def keep(self, number: int, planes: Sequence[NDArray[Any]], state: State) -> None:
        """Add a filtered frame of the segment under way to the journal, with what processors remember behind it.

        One that a resumed job took from there is there already.
        """
        if (name := self._frame(number)).exists():
            return
        tensors = {f"plane.{index}": np.ascontiguousarray(plane) for index, plane in enumerate(planes)}
        with whole_file(name) as path:
            _save({**tensors, **{f"state.{name}": value for name, value in state.items()}}, path)

    def forget(self, count: int) -> None:
        """Remove so many frames of the segment under way from the journal, which has no use without them."""
        for number in range(self.progress.frames, self.progress.frames + count):
            self._frame(number).unlink(missing_ok=True)

    def _frame(self, number: int) -> Path:
        return self.folder / f"frame-{number}.safetensors"

    def kept(self) -> list[Path]:
        """The journal's frames that follow the finished ones, in order."""
        paths: list[Path] = []
        while (path := self._frame(self.progress.frames + len(paths))).exists():
            paths.append(path)
        return paths

    def close(self) -> None:
        """Leave the work as it is on the disk."""
        self.log.close()
        self._lock.close()

    def remove(self) -> None:
        """The job is done, or given up."""
        self.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def read_frame(path: Path) -> tuple[list[NDArray[Any]], dict[str, NDArray[Any]]]:
    """Planes of a frame in the journal, and the state behind it. MediaError when it is damaged."""
    try:
        _, tensors = _read(path)
    except (SafetensorError, OSError) as error:
        raise MediaError(
            f"{path} is damaged ({error}); remove it, and --resume goes on from the frame before"
        ) from None
    planes = [tensors[f"plane.{index}"] for index in range(sum(name.startswith("plane.") for name in tensors))]
    return planes, {name.removeprefix("state."): value for name, value in tensors.items() if name.startswith("state.")}


def _save(tensors: dict[str, NDArray[Any]], path: Path, metadata: dict[str, str] | None = None) -> None:
    """Write a file of safetensors. OSError where that fails, as on a full disk."""
    try:
        save_file(tensors, path, metadata)
    except SafetensorError as error:
        raise OSError(str(error)) from error


def _read(path: Path) -> tuple[dict[str, str], dict[str, NDArray[Any]]]:
    with safe_open(path, "numpy") as file:
        return file.metadata() or {}, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118


def _check_job(sink: Path, found: object, job: Mapping[str, str]) -> None:
    before = found if isinstance(found, dict) else {}
    for name, value in job.items():
        if before.get(name) != value:
            raise MediaError(
                f"{sink}: the work that was stopped had {name} {before.get(name)!r}, not {value!r}; "
                "--resume needs the same, --overwrite starts anew"
            )
