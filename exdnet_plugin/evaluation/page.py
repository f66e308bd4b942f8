"""A report as one page of HTML: pictures are inside, nothing is fetched, no script runs."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from html import escape

from exdnet_plugin.evaluation.curves import curves
from exdnet_plugin.evaluation.results import SIDES, Column, Evaluation, Row, cell, name_of
from exdnet_plugin.evaluation.thumbnails import evenly

VIDEO_LOOKS = 8  # frames of a video that are shown
_CURVES = ("luma", "flicker", "warping_relative")
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
_STYLE = """
:root { color-scheme: light dark; --line: light-dark(#d5d8dc, #3a3f45); --soft: light-dark(#5b636c, #a0a8b0);
  --before: light-dark(#5a7ca8, #7fa5d6); --after: light-dark(#c2570c, #f0984e); }
body { font: 15px/1.45 system-ui, sans-serif; max-width: 1160px; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; overflow-wrap: anywhere; } h2 { font-size: 1.1rem; margin: 2rem 0 .6rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1rem; margin: 0; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
.scroll { overflow: auto; max-height: 70vh; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .8rem; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; }
th { font-weight: 600; } thead th { position: sticky; top: 0; background: Canvas; }
th:first-child { text-align: left; padding-left: 0; }
.means td { font-size: 1.15rem; }
.sheet { display: grid; grid-template-columns: repeat(auto-fill, minmax(520px, 1fr)); gap: 1.2rem 1.5rem; }
figure { margin: 0; min-width: 0; } figure div { display: flex; gap: 4px; align-items: flex-start; }
figure img { min-width: 0; height: auto; }
figcaption { font-size: .85rem; color: var(--soft); margin-top: .3rem; } figcaption b { color: CanvasText; }
svg { display: block; width: 100%; max-width: 860px; } svg text { font-size: 11px; fill: var(--soft); }
.grid { stroke: var(--line); } .curve { fill: none; stroke-width: 1.6; stroke-linejoin: round; }
.curve.before { stroke: var(--before); } .curve.after { stroke: var(--after); }
b.before { color: var(--before); } b.after { color: var(--after); }
p { color: var(--soft); max-width: 75ch; }
@media (max-width: 600px) { .sheet { grid-template-columns: 1fr; } }
"""


def page(evaluation: Evaluation, notes: str) -> str:
    """The page's HTML.

    Args:
        evaluation: with at least one row.
        notes: what the figures mean, a paragraph.
    """
    title = escape(f"Evaluation of {evaluation.title}")
    parts = [
        f"<h1>{title}</h1>",
        _facts(evaluation),
        f"<h2>Mean of {len(evaluation.rows)} {evaluation.unit}</h2>",
        _means(evaluation),
        f"<p>{escape(notes)}</p>",
        *_curves_of(evaluation),
        f"<h2>{'Before, after' + (', truth' if _with_truth(evaluation) else '')}{_some(evaluation)}</h2>",
        _sheet(evaluation),
        f"<h2>Every {'picture' if evaluation.unit == 'pictures' else 'frame'}</h2>",
        _table(evaluation),
    ]
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{title}</title>\n'
        f'<meta name="viewport" content="width=device-width">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n<style>{_STYLE}</style>\n</head>\n<body>\n'
        + "\n".join(parts)
        + "\n</body>\n</html>\n"
    )


def _with_truth(evaluation: Evaluation) -> bool:
    return any("truth" in looks for _, looks in evaluation.looks)


def _facts(evaluation: Evaluation) -> str:
    entries = [f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in evaluation.facts.items()]
    if evaluation.unit == "frames":
        static, compared = (evaluation.share(name) for name in ("static", "compared"))
        entries.append(f"<dt>static</dt><dd>{_percent(static)} of the pixels, for flicker</dd>")
        entries.append(f"<dt>compared</dt><dd>{_percent(compared)} of the pixels, for the warping error</dd>")
        entries.append(f"<dt>cuts</dt><dd>{evaluation.cuts}</dd>")
    return f"<dl>{''.join(entries)}</dl>"


def _percent(share: float | None) -> str:
    return "nothing" if share is None else f"{share:.0f} %"


def _means(evaluation: Evaluation) -> str:
    """Sides as rows where there are two, figures as columns."""
    mean, columns = evaluation.mean, evaluation.columns
    sides = {side: mean[side] for side in SIDES} if "before" in mean else {"after": mean}
    body = "".join(f"<tr><th>{side}</th>{_cells(columns, found)}</tr>" for side, found in sides.items())
    return f'<div class="scroll"><table class="means">{_head("", columns)}<tbody>{body}</tbody></table></div>'


def _head(first: str, columns: Sequence[Column]) -> str:
    return f"<thead><tr><th>{first}</th>{''.join(f'<th>{escape(c.heading)}</th>' for c in columns)}</tr></thead>"


def _cells(columns: Sequence[Column], found: Row) -> str:
    return "".join(f"<td>{column.text(found[column.key])}</td>" for column in columns)


def _table(evaluation: Evaluation) -> str:
    body = "".join(
        f"<tr><th>{escape(name_of(row))}{' (cut)' if row.get('cut') else ''}</th>"
        + "".join(f"<td>{cell(row, column)}</td>" for column in evaluation.columns)
        + "</tr>"
        for row in evaluation.rows
    )
    first = "name" if evaluation.unit == "pictures" else "time"
    return f'<div class="scroll"><table>{_head(first, evaluation.columns)}<tbody>{body}</tbody></table></div>'


def _some(evaluation: Evaluation) -> str:
    count = len(evaluation.looks)
    return (
        f", {count} of {len(evaluation.rows)}" if evaluation.unit == "pictures" and count < len(evaluation.rows) else ""
    )


def _sheet(evaluation: Evaluation) -> str:
    shown = evaluation.looks if evaluation.unit == "pictures" else evenly(evaluation.looks, VIDEO_LOOKS)
    return f'<div class="sheet">{"".join(_figure(evaluation, *entry) for entry in shown)}</div>'


def _figure(evaluation: Evaluation, row: Row, looks: dict[str, bytes]) -> str:
    name = escape(name_of(row))
    images = "".join(
        f'<img alt="{name} {side}" src="data:image/jpeg;base64,{b64encode(jpeg).decode()}">'
        for side, jpeg in looks.items()
    )
    figures = ", ".join(escape(column.told(cell(row, column))) for column in evaluation.columns)
    return f"<figure><div>{images}</div><figcaption><b>{name}</b>&ensp;{figures}</figcaption></figure>"


def _curves_of(evaluation: Evaluation) -> list[str]:
    """Figures over time, of a video alone."""
    if evaluation.unit != "frames":
        return []
    legend = " ".join(f'<b class="{side}">{side}</b>' for side in SIDES)
    parts = []
    for column in (column for column in evaluation.columns if column.key in _CURVES):
        series = {
            side: [(row["time"], _scaled(row[side][column.key], column)) for row in evaluation.rows] for side in SIDES
        }
        parts.append(f"<h2>{escape(column.heading)} &ensp;{legend}</h2>{curves(column.heading, series)}")
    return parts


def _scaled(value: float | None, column: Column) -> float | None:
    return None if value is None else value * column.scale
