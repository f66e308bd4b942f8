"""ExdNet between two FFmpeg commands. What `exdnet pipe` runs, for programs that have the pipes in hand."""

from exdnet_plugin.pipeline.ffmpeg_commands import commands
from exdnet_plugin.pipeline.pipe import run_pipe

__all__ = ["commands", "run_pipe"]
