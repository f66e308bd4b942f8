// YUV planes to RGB and back as color.py has them, row by row; included once for each instruction set.

// One row of a plane and part of another, between which chroma lies; the codes at the ends once more beyond them.
template <typename T>
static void NAME(mixed)(const Plane &from, long y, long other, float part, float *__restrict to) {
    const T *__restrict a = NAME(row_of)<T>(from, y), *__restrict b = NAME(row_of)<T>(from, other > 0 ? other : 0);
    if (part == 0)
        for (long x = 0; x < from.width; x++) to[x] = a[x];
    else
        for (long x = 0; x < from.width; x++) to[x] = a[x] + (b[x] - a[x]) * part;
    to[-1] = to[0], to[from.width] = to[from.width - 1];
}

static void NAME(mix)(const Plane &from, long y, long other, float part, float *to) {
    from.bytes == 1 ? NAME(mixed)<uint8_t>(from, y, other, part, to) : NAME(mixed)<uint16_t>(from, y, other, part, to);
}

// Chroma at a row of luma, in codes, as wide as that.
static void NAME(enlarge)(const Colors &by, const Plane &from, long y, float *__restrict room, float *__restrict to) {
    const bool low = from.height < by.y.height, narrow = from.width < by.y.width;
    const long row = low ? y / 2 : y, other = y % 2 ? row + 1 : row - 1;
    NAME(mix)(from, row, other, !low ? 0 : !by.cosited_down ? 0.25f : y % 2 ? 0.5f : 0, narrow ? room : to);
    if (!narrow) return;
    if (by.cosited_across)
        for (long x = 0; x < from.width; x++) to[2 * x] = room[x], to[2 * x + 1] = (room[x] + room[x + 1]) * 0.5f;
    else
        for (long x = 0; x < from.width; x++)
            to[2 * x] = room[x] * 0.75f + room[x - 1] * 0.25f, to[2 * x + 1] = room[x] * 0.75f + room[x + 1] * 0.25f;
}

static void NAME(to_rgb)(const Colors &by, float *rgb, long first, long last) {
    const long wide = by.y.width, row = wide + 2 * PAD, plane = wide * by.y.height;
    std::vector<float> space(4 * row);
    float *__restrict y = &space[PAD], *__restrict u = y + row, *__restrict v = u + row, *room = v + row;
    const float kg = 1 - by.kr - by.kb, luma = 1 / by.luma_span, chroma = 1 / by.chroma_span;
    const float blue = 2 * (1 - by.kb) * chroma, red = 2 * (1 - by.kr) * chroma;
    const float green_blue = blue * by.kb / kg, green_red = red * by.kr / kg;
    for (long at = first; at < last; at++) {
        NAME(mix)(by.y, at, at, 0, y);
        NAME(enlarge)(by, by.u, at, room, u);
        NAME(enlarge)(by, by.v, at, room, v);
        float *__restrict r = rgb + at * wide, *__restrict g = r + plane, *__restrict b = g + plane;
        for (long x = 0; x < wide; x++) {
            const float l = (y[x] - by.luma_offset) * luma, cb = u[x] - by.chroma_offset, cr = v[x] - by.chroma_offset;
            r[x] = l + red * cr, g[x] = l - green_blue * cb - green_red * cr, b[x] = l + blue * cb;
        }
    }
}

// Codes rounded to the nearest, halves to even ones as PyTorch does, which this sum with 1.5 times 2^23 leaves.
template <typename T> static void NAME(round_as)(const float *__restrict from, float peak, const Plane &to, long y) {
    T *__restrict row = static_cast<T *>(to.start) + y * to.stride;
    for (long x = 0; x < to.width; x++) {
        const float value = from[x] < 0 ? 0 : from[x] > peak ? peak : from[x];
        row[x] = static_cast<T>(static_cast<int>(value + 12582912.0f - 12582912.0f));
    }
}

static void NAME(round_row)(const float *from, float peak, const Plane &to, long y) {
    to.bytes == 1 ? NAME(round_as)<uint8_t>(from, peak, to, y) : NAME(round_as)<uint16_t>(from, peak, to, y);
}

// Luma of a row of RGB, in codes, and how far blue and red are from it, the ends once more beyond them.
static void NAME(weigh)(const Colors &by, const float *__restrict r, const float *__restrict g,
                        const float *__restrict b, float *__restrict luma, float *__restrict cb, float *__restrict cr) {
    const long wide = by.y.width;
    const float kr = by.kr, kb = by.kb, kg = 1 - kr - kb, blue = 0.5f / (1 - kb), red = 0.5f / (1 - kr);
    for (long x = 0; x < wide; x++) {
        const float l = kr * r[x] + kg * g[x] + kb * b[x];
        cb[x] = (b[x] - l) * blue, cr[x] = (r[x] - l) * red, luma[x] = l * by.luma_span + by.luma_offset;
    }
    for (float *row : {cb, cr}) row[-1] = row[0], row[wide] = row[wide - 1];
}

// Add a row, or its pairs, to a row of chroma.
static void NAME(gather)(const Colors &by, const float *__restrict from, float part, float *__restrict to) {
    const long wide = by.u.width;
    if (wide == by.y.width)
        for (long x = 0; x < wide; x++) to[x] += from[x] * part;
    else if (by.cosited_across)
        for (long x = 0; x < wide; x++) to[x] += (from[2 * x] * 2 + from[2 * x - 1] + from[2 * x + 1]) * (part * 0.25f);
    else
        for (long x = 0; x < wide; x++) to[x] += (from[2 * x] + from[2 * x + 1]) * (part * 0.5f);
}

// A row of chroma with the detail, in codes, that full size and back smooths away: an eighth of either neighbour.
static void NAME(finish)(const Colors &by, const Plane &old, long y, float *__restrict own, float *__restrict above,
                         float *__restrict below, float *__restrict to) {
    const bool low = old.height < by.y.height, mirrored = !by.cosited_down && by.y.height % 2;
    const long wide = old.width, last = old.height - 1;
    NAME(mix)(old, y, y, 0, own);
    NAME(mix)(old, y, low ? y - 1 : y, 0.125f, above);
    NAME(mix)(old, y, !low ? y : y < last ? y + 1 : mirrored ? y - 1 : y, 0.125f, below);
    for (long x = 0; x < wide; x++) {
        to[x] = to[x] * by.chroma_span + by.chroma_offset + own[x];
        above[x] += below[x] - own[x];
    }
    if (wide == by.y.width) {
        for (long x = 0; x < wide; x++) to[x] -= above[x];
        return;
    }
    // Where luma ends with one sample of a pair, what lies between two samples of it sees the other neighbour twice.
    above[-1] = above[0], above[wide] = above[!by.cosited_across && by.y.width % 2 ? wide - 2 : wide - 1];
    for (long x = 0; x < wide; x++) to[x] -= above[x] * 0.75f + (above[x - 1] + above[x + 1]) * 0.125f;
}

// Rows of chroma, with those of luma that belong to them.
static void NAME(from_rgb)(const Colors &by, const Plane &old_u, const Plane &old_v, const float *rgb, long first,
                           long last) {
    const long wide = by.y.width, row = wide + 2 * PAD, plane = wide * by.y.height, high = by.y.height;
    const bool low = by.u.height < high;
    std::vector<float> space(5 * row);
    float *luma = &space[PAD], *cb = luma + row, *cr = cb + row, *u = cr + row, *v = u + row;
    for (long at = first; at < last; at++) {
        for (long x = 0; x < by.u.width; x++) u[x] = v[x] = 0;
        for (int k = 0; k < (!low ? 1 : by.cosited_down ? 3 : 2); k++) {
            long y = low ? 2 * at + (k == 2 ? -1 : k) : at;
            y = y < 0 ? 0 : y < high ? y : high - 1;
            const float *r = rgb + y * wide, part = !low ? 1 : !by.cosited_down || k == 0 ? 0.5f : 0.25f;
            NAME(weigh)(by, r, r + plane, r + 2 * plane, luma, cb, cr);
            if (k < 2) NAME(round_row)(luma, by.peak, by.y, y);
            NAME(gather)(by, cb, part, u);
            NAME(gather)(by, cr, part, v);
        }
        NAME(finish)(by, old_u, at, luma, cb, cr, u);
        NAME(finish)(by, old_v, at, luma, cb, cr, v);
        NAME(round_row)(u, by.peak, by.u, at);
        NAME(round_row)(v, by.peak, by.v, at);
    }
}

#undef NAME
#undef LANES
