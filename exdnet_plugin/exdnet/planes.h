// Planes of 8 or 16 bits, and what is done to them: shrunk, transformed by a grid of colours, made RGB and made of it.

#include <cstdint>
#include <vector>

struct Plane {
    void *start;
    long width, height, stride; // stride in values
    int bytes;                  // of a value: 1 or 2
};

struct Transfer {
    Plane in[3], out;
    const float *grid; // (4, cells_high, cells_wide): what each input counts, and what is added, in full scales
    long cells_high, cells_wide;
    float peak;
};

struct Calibration {
    float *rgb;       // (3, pixels), before calibration and after it
    const float *was; // what came in; none where results are clipped alone
    long pixels;
    float matrix[9], curvature, knee, share, tiny, black;
    int fits; // whether colours are brought within the gamut
};

struct Colors {
    Plane y, u, v;
    float kr, kb, luma_offset, luma_span, chroma_offset, chroma_span, peak;
    int cosited_across, cosited_down; // whether chroma lies on a luma sample; between two otherwise
};

// The cell whose centre is at or before a pixel's, and how far the pixel is on the way to the next.
static inline long cell_below(long pixel, long pixels, long cells, float *part) {
    const float place = (pixel + 0.5f) * cells / pixels - 0.5f;
    if (place <= 0) return *part = 0, 0;
    const long cell = static_cast<long>(place);
    if (cell >= cells - 1) return *part = 0, cells - 1;
    return *part = place - cell, cell;
}
