// Calibration of pixels: the matrix, the gamut (gamut.py), the shoulder (highlights.py); included once for each
// instruction set.

static inline float NAME(least)(float a, float b) { return a < b ? a : b; }
static inline float NAME(most)(float a, float b) { return a > b ? a : b; }

// How much chroma a channel leaves to a pixel.
static inline float NAME(left)(const Calibration &by, float value, float was, float light, float before, float share) {
    const float needed = NAME(least)(was, before) * share;
    return (light - needed + by.tiny) / (light - NAME(least)(value, needed) + by.tiny);
}

static inline float NAME(roll)(const Calibration &by, float value, float was) {
    const float over = NAME(most)(value - by.knee, 0), bent = by.knee + over / (1 + by.curvature * over);
    return NAME(most)(NAME(least)(value, bent), NAME(least)(value, was));
}

static inline float NAME(clip)(const Calibration &by, float value) {
    return value < by.black ? by.black : value > 1 ? 1 : value;
}

template <bool BENDS, bool FITS>
static void NAME(calibrated)(const Calibration &by, long first, long last) {
    const float *m = by.matrix;
    float *__restrict r = by.rgb, *__restrict g = r + by.pixels, *__restrict b = g + by.pixels;
    const float *__restrict old_r = by.was, *__restrict old_g = old_r + by.pixels, *__restrict old_b = old_g + by.pixels;
    for (long x = first; x < last; x++) {
        float red = m[0] * r[x] + m[1] * g[x] + m[2] * b[x], green = m[3] * r[x] + m[4] * g[x] + m[5] * b[x];
        float blue = m[6] * r[x] + m[7] * g[x] + m[8] * b[x];
        if (FITS) {
            const float light = (NAME(most)(red, 0) + NAME(most)(green, 0) + NAME(most)(blue, 0)) * (1 / 3.0f);
            const float before = NAME(most)((old_r[x] + old_g[x] + old_b[x]) * (1 / 3.0f), by.tiny);
            const float share = by.share * light / before, lift = light - (red + green + blue) * (1 / 3.0f);
            red += lift, green += lift, blue += lift;
            float kept = NAME(least)(NAME(left)(by, red, old_r[x], light, before, share),
                                     NAME(left)(by, green, old_g[x], light, before, share));
            kept = NAME(least)(kept, NAME(left)(by, blue, old_b[x], light, before, share));
            red = light + (red - light) * kept, green = light + (green - light) * kept;
            blue = light + (blue - light) * kept;
        }
        if (BENDS) {
            red = NAME(roll)(by, red, old_r[x]), green = NAME(roll)(by, green, old_g[x]);
            blue = NAME(roll)(by, blue, old_b[x]);
        }
        r[x] = NAME(clip)(by, red), g[x] = NAME(clip)(by, green), b[x] = NAME(clip)(by, blue);
    }
}

static void NAME(calibrate)(const Calibration &by, long first, long last) {
    if (!by.was)
        NAME(calibrated)<false, false>(by, first, last);
    else
        by.fits ? NAME(calibrated)<true, true>(by, first, last) : NAME(calibrated)<true, false>(by, first, last);
}
