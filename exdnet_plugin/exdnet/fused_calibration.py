"""Calibration as a Triton kernel: the matrix, the gamut, the shoulder, in one pass over a frame."""

from __future__ import annotations

import triton
import triton.language as tl

from exdnet_plugin.exdnet import gamut, highlights, network

OUTPUT_MIN = tl.constexpr(network.OUTPUT_MIN)
KNEE = tl.constexpr(highlights.KNEE)
SHARE, TINY = tl.constexpr(gamut.SHARE), tl.constexpr(gamut.TINY)


@triton.jit
def _mean(red, green, blue):
    return (red + green + blue) * (1 / 3)


@triton.jit
def _kept(value, was, light, before):
    """How much chroma a channel leaves to a pixel: see `gamut.within`."""
    least = tl.minimum(was, before) * (SHARE * light / before)
    return (light - least + TINY) / (light - tl.minimum(value, least) + TINY)


@triton.jit
def _rolled_off(value, was, curvature):
    """A channel as `highlights.rolled_off` leaves it."""
    over = tl.maximum(value - KNEE, 0.0)
    bent = KNEE + over / (1.0 + curvature * over)
    return tl.maximum(tl.minimum(value, bent), tl.minimum(value, was))


@triton.jit
def _mapped(red, green, blue, by):
    return red * tl.load(by) + green * tl.load(by + 1) + blue * tl.load(by + 2)


@triton.jit
def calibrate(
    before, matrix, frames, curvature, pixels, SHOULDER: tl.constexpr, FITS: tl.constexpr, SIZE: tl.constexpr
):
    """(N, 3, pixels) float32 becomes `M · rgb`, within the gamut if it FITS, with a SHOULDER, clamped, where it is.

    matrix: (N, 3, 3), frames as before, curvature: (N,), float32; the latter two are not read without SHOULDER.
    """
    image = tl.program_id(1).to(tl.int64)
    pixel = tl.program_id(0) * SIZE + tl.arange(0, SIZE)
    inside = pixel < pixels
    rgb = before + image * 3 * pixels + pixel
    by = matrix + image * 9
    x, y, z = tl.load(rgb, mask=inside), tl.load(rgb + pixels, mask=inside), tl.load(rgb + 2 * pixels, mask=inside)
    red, green, blue = _mapped(x, y, z, by), _mapped(x, y, z, by + 3), _mapped(x, y, z, by + 6)
    if SHOULDER:
        old = frames + image * 3 * pixels + pixel
        r, g, b = tl.load(old, mask=inside), tl.load(old + pixels, mask=inside), tl.load(old + 2 * pixels, mask=inside)
        if FITS:
            light = _mean(tl.maximum(red, 0.0), tl.maximum(green, 0.0), tl.maximum(blue, 0.0))
            was = tl.maximum(_mean(r, g, b), TINY)
            lift = light - _mean(red, green, blue)
            red, green, blue = red + lift, green + lift, blue + lift
            kept = tl.minimum(_kept(red, r, light, was), _kept(green, g, light, was))
            kept = tl.minimum(kept, _kept(blue, b, light, was))
            red = light + (red - light) * kept
            green = light + (green - light) * kept
            blue = light + (blue - light) * kept
        bend = tl.load(curvature + image)
        red, green, blue = _rolled_off(red, r, bend), _rolled_off(green, g, bend), _rolled_off(blue, b, bend)
    tl.store(rgb, tl.minimum(tl.maximum(red, OUTPUT_MIN), 1.0), mask=inside)
    tl.store(rgb + pixels, tl.minimum(tl.maximum(green, OUTPUT_MIN), 1.0), mask=inside)
    tl.store(rgb + 2 * pixels, tl.minimum(tl.maximum(blue, OUTPUT_MIN), 1.0), mask=inside)
