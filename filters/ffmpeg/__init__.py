"""ExdNet between two FFmpeg commands. What `exdnet pipe` runs, for programs that have the pipes in hand."""

from exdnet_plugin.pipeline.pipe import commands, run_pipe

__all__ = ["commands", "run_pipe"]
