"""`exdnet stream`: a dark stream in, a bright one out."""

from __future__ import annotations

import logging
import signal
import sys
from typing import TYPE_CHECKING, Any

import click

from exdnet_plugin.cli.options import (
    NAME,
    PATH,
    chain_and_device,
    from_environment,
    key_values,
    parse_bits,
    quality_option,
)

if TYPE_CHECKING:
    from exdnet_plugin.live.encoder import LiveEncoding
    from exdnet_plugin.live.sinks import Sink
    from exdnet_plugin.live.sources import Source
    from exdnet_plugin.live.stream import LiveStream


@click.command(short_help="Brighten a live stream.")
@click.argument("source", type=NAME)
@click.argument("sinks", nargs=-1, required=True, type=NAME, metavar="SINK...")
@chain_and_device
@quality_option("realtime")
@click.option(
    "--drop",
    type=click.Choice(["oldest", "never"]),
    default="oldest",
    show_default=True,
    help="When a stage falls behind: leave pictures out, or let the source wait.",
)
@click.option("--latency", type=click.FloatRange(min=1), metavar="MS", help="A budget: quality steps down to keep it.")
@click.option(
    "--patience", type=click.FloatRange(0.1), default=5.0, show_default=True, help="Seconds until silence is a loss."
)
@click.option("--reconnect/--no-reconnect", default=True, help="Open what goes away again, or end. Default: again.")
@click.option("--strict", is_flag=True, help="End when a processor fails. Default: pictures pass as they are.")
@click.option("--sound/--no-sound", default=True, help="Take sound along, as AAC. Default: yes.")
@click.option("--rtsp-transport", type=click.Choice(["tcp", "udp"]), default="tcp", show_default=True)
@click.option(
    "--source-format", metavar="NAME", help="FFmpeg's name of the source's format, where it is not found out."
)
@click.option("--source-option", multiple=True, metavar="KEY=VALUE", help="Any option of FFmpeg's for the source.")
@click.option("--codec", default="libx264", show_default=True, help="Encoder.")
@click.option("--bitrate", metavar="RATE", help="Bits a second, as 4M. Default: constant quality.")
@click.option("--crf", type=float, help="Constant quality of the encoder; 23 for H.264.")
@click.option("--preset", help="The encoder's preset; superfast for H.264.")
@click.option("--option", "options", multiple=True, metavar="KEY=VALUE", help="Any other option of the encoder.")
@click.option("--segment", type=click.FloatRange(1), metavar="SECONDS", help="Cut recordings into files.")
@click.option("--pipe-format", type=click.Choice(["mpegts", "nut", "y4m", "raw"]), default="mpegts", show_default=True)
@click.option("--metrics", type=click.IntRange(0, 65535), metavar="PORT", help="Serve /metrics (Prometheus), /health.")
@click.option("--metrics-host", default="127.0.0.1", show_default=True, help="Where they are served.")
@click.option("--profile", type=PATH, help="Write a trace of the stages, for ui.perfetto.dev.")
@click.option("--log", "log_form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option("--overwrite", is_flag=True, help="Replace recordings that are there.")
def stream(source: str, sinks: tuple[str, ...], **asked: Any) -> None:
    """Brighten SOURCE as it comes and send it to each SINK.

    A source is a URL (rtsp, rtmp, udp, rtp, tcp, http with HLS, srt), a camera (/dev/video0), `screen`, a file at its
    own pace, or `-`. A sink is a URL (rtmp, rtsp, udp, tcp, srt), NAME.m3u8 for HLS, a file to record to, or `-`. What
    goes away is opened again until Ctrl-C or SIGTERM ends the stream; recordings are whole then. `env:NAME` takes an
    address, which may hold a password, from the environment: arguments are seen by everyone.

    \b
    exdnet stream rtsp://camera/main live.m3u8
    exdnet stream udp://@:5000 rtmp://server/app/key recording.mkv --segment 3600
    """
    from exdnet_plugin.allocator import keep_memory
    from exdnet_plugin.cli.live_log import set_up_log, status_line
    from exdnet_plugin.cli.progress import duration
    from exdnet_plugin.devices import leave_cores
    from exdnet_plugin.live.watch import watched

    keep_memory()
    leave_cores()
    console = set_up_log(asked["log_form"])
    live = _made(source, sinks, asked)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: live.stop())
    with watched(live.figures, asked["metrics"], asked["metrics_host"]), status_line(console, live.figures):
        report = live.run()
    instead = " (--drop never keeps all)" if report.dropped and live.source.ends and asked["drop"] != "never" else ""
    summary = (
        f"{report.frames} frames in {duration(report.wall)}, {report.dropped} left out{instead}, "
        f"{live.figures.reconnects} reconnects; slowest: {report.slowest_stage}; "
        f"to {', '.join(sink.shown for sink in live.sinks)}"
    )
    if asked["log_form"] == "json":
        logging.getLogger("exdnet.live").info(summary, extra={"figures": live.figures.as_dict()})
    else:
        click.echo(summary, err=True)


def _made(source: str, sinks: tuple[str, ...], asked: dict[str, Any]) -> LiveStream:
    from exdnet_plugin.live.address import hidden
    from exdnet_plugin.live.stream import LiveOptions, LiveStream

    if twice := [sink for sink in sinks if sinks.count(sink) > 1]:
        raise ValueError(f"{hidden(from_environment(twice[0]))} is given twice; each sink once")
    taken = ("chain", "device", "quality", "drop", "patience", "reconnect", "strict", "sound", "profile")
    latency = asked["latency"] / 1000 if asked["latency"] else None
    options = LiveOptions(latency=latency, encoding=_encoding(asked), **{name: asked[name] for name in taken})
    return LiveStream(_source(source, asked), [_sink(sink, asked) for sink in sinks], options)


def _source(address: str, asked: dict[str, Any]) -> Source:
    from exdnet_plugin.live.sources import read_source

    own = key_values("--source-option", asked["source_option"])
    transport, form, sound = asked["rtsp_transport"], asked["source_format"], asked["sound"]
    return read_source(from_environment(address), transport=transport, form=form, sound=sound, options=own)


def _sink(address: str, asked: dict[str, Any]) -> Sink:
    from exdnet_plugin.live.sinks import read_sink

    if address == "-" and sys.stdout.isatty():
        raise ValueError("-: standard output is the terminal; send it on, as exdnet stream SOURCE - | ffplay -")
    form, segment, overwrite = asked["pipe_format"], asked["segment"], asked["overwrite"]
    return read_sink(from_environment(address), form=form, segment=segment, overwrite=overwrite)


def _encoding(asked: dict[str, Any]) -> LiveEncoding:
    from exdnet_plugin.live.encoder import LiveEncoding

    bitrate = parse_bits(asked["bitrate"]) if asked["bitrate"] else None
    own = key_values("--option", asked["options"])
    return LiveEncoding(asked["codec"], bitrate, asked["crf"], asked["preset"], own)
