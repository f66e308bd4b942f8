// A grid of colour transforms applied to a plane, row by row; included once for each instruction set.

typedef float NAME(floats) __attribute__((vector_size(LANES * 4), aligned(4), may_alias));
typedef int NAME(places) __attribute__((vector_size(LANES * 4), aligned(4), may_alias));

template <typename T> static const T *NAME(row_of)(const Plane &plane, long y) {
    return static_cast<const T *>(plane.start) + (y < plane.height ? y : plane.height - 1) * plane.stride;
}

// A row of one plane at another's size: as it is, the mean of two by two, or chroma spread over its luma.
template <typename T> static void NAME(read_as)(const Plane &from, const Plane &like, long y, float *__restrict to) {
    const bool wide = from.width > like.width, high = from.height > like.height;
    const bool narrow = from.width < like.width, low = from.height < like.height;
    const T *a = NAME(row_of)<T>(from, high ? 2 * y : low ? y / 2 : y), *b = high ? NAME(row_of)<T>(from, 2 * y + 1) : a;
    if (wide) {
        const long pairs = from.width / 2;
        for (long x = 0; x < pairs; x++) to[x] = (a[2 * x] + a[2 * x + 1] + b[2 * x] + b[2 * x + 1]) * 0.25f;
        for (long x = pairs; x < like.width; x++) to[x] = (a[from.width - 1] + b[from.width - 1]) * 0.5f;
    } else if (narrow) {
        const long last = from.width - 1;
        for (long x = 0; x < last; x++) to[2 * x] = a[x], to[2 * x + 1] = (a[x] + a[x + 1]) * 0.5f;
        for (long x = 2 * last; x < like.width; x++) to[x] = a[last];
    } else if (high) {
        for (long x = 0; x < like.width; x++) to[x] = (a[x] + b[x]) * 0.5f;
    } else {
        for (long x = 0; x < like.width; x++) to[x] = a[x];
    }
}

static void NAME(read_row)(const Plane &from, const Plane &like, long y, float *to) {
    from.bytes == 1 ? NAME(read_as)<uint8_t>(from, like, y, to) : NAME(read_as)<uint16_t>(from, like, y, to);
}

template <typename T> static void NAME(write_as)(const float *__restrict from, const Plane &to, long y) {
    T *__restrict row = static_cast<T *>(to.start) + y * to.stride;
    for (long x = 0; x < to.width; x++) row[x] = static_cast<T>(static_cast<int>(from[x]));
}

static void NAME(write_row)(const float *from, const Plane &to, long y) {
    to.bytes == 1 ? NAME(write_as)<uint8_t>(from, to, y) : NAME(write_as)<uint16_t>(from, to, y);
}

// Means of cells, as adaptive average pooling has them, times `scale`.
template <typename T> static void NAME(cells)(const Plane &from, float *to, long high, long wide, float scale) {
    std::vector<uint32_t> columns(from.width);
    uint32_t *__restrict sum = columns.data();
    for (long y = 0; y < high; y++) {
        const long top = y * from.height / high, bottom = ((y + 1) * from.height + high - 1) / high;
        for (long x = 0; x < from.width; x++) sum[x] = 0;
        for (long row = top; row < bottom; row++) {
            const T *__restrict values = NAME(row_of)<T>(from, row);
            for (long x = 0; x < from.width; x++) sum[x] += values[x];
        }
        for (long x = 0; x < wide; x++) {
            const long left = x * from.width / wide, right = ((x + 1) * from.width + wide - 1) / wide;
            uint64_t total = 0;
            for (long i = left; i < right; i++) total += sum[i];
            to[y * wide + x] = static_cast<float>(total) * scale / ((right - left) * (bottom - top));
        }
    }
}

static void NAME(shrink)(const Plane &from, float *to, long high, long wide, float scale) {
    from.bytes == 1 ? NAME(cells)<uint8_t>(from, to, high, wide, scale) : NAME(cells)<uint16_t>(from, to, high, wide, scale);
}

// Where each pixel of a row lies between two cells of the grid, relative to the first cell of its vector.
struct NAME(Across) {
    long blocks;
    std::vector<long> start;  // the first cell of each vector of pixels
    std::vector<int> cell;    // of each pixel, from there
    std::vector<float> part;

    NAME(Across)(long width, long cells) : blocks((width + LANES - 1) / LANES) {
        for (long x = 0; x < blocks * LANES; x++) {
            float at = 0;
            const long below = cell_below(x < width ? x : width - 1, width, cells, &at);
            if (x % LANES == 0) start.push_back(below);
            cell.push_back(below - start.back()), part.push_back(at);
        }
    }
};

static inline __attribute__((always_inline)) NAME(floats) NAME(picked)(const float *cells, NAME(places) cell) {
#ifdef __clang__ // which knows no shuffle by places that are not constant
    NAME(floats) found;
    for (int i = 0; i < LANES; i++) found[i] = cells[cell[i]];
    return found;
#else
    return __builtin_shuffle(*(const NAME(floats) *)cells, cell);
#endif
}

static void NAME(apply)(const Transfer &by, long from, long to) {
    const NAME(Across) across(by.out.width, by.cells_wide);
    const long room = by.cells_wide + 2 * LANES, wide = by.out.width + 2 * LANES;
    std::vector<float> grid(4 * room), rows(3 * wide);
    float *in[3] = {&rows[0], &rows[wide], &rows[2 * wide]};
    for (long y = from; y < to; y++) {
        float down = 0;
        const long row = cell_below(y, by.out.height, by.cells_high, &down);
        const long below = row + 1 < by.cells_high ? by.cells_wide : 0;
        for (int k = 0; k < 4; k++) {
            const float *cells = by.grid + (k * by.cells_high + row) * by.cells_wide;
            float *between = &grid[k * room];
            for (long i = 0; i < by.cells_wide; i++) between[i] = cells[i] + (cells[below + i] - cells[i]) * down;
            for (long i = by.cells_wide; i < room; i++) between[i] = between[by.cells_wide - 1];
        }
        for (int k = 0; k < 3; k++) NAME(read_row)(by.in[k], by.out, y, in[k]);
        for (long block = 0; block < across.blocks; block++) {
            const long x = block * LANES;
            const NAME(places) cell = *(const NAME(places) *)&across.cell[x];
            const NAME(floats) part = *(const NAME(floats) *)&across.part[x];
            NAME(floats) value = NAME(floats){} + 0.5f;
#pragma GCC unroll 4
            for (int k = 0; k < 4; k++) {
                const float *cells = &grid[k * room + across.start[block]];
                const NAME(floats) a = NAME(picked)(cells, cell), b = NAME(picked)(cells + 1, cell);
                value += (a + (b - a) * part) * (k < 3 ? *(const NAME(floats) *)(in[k] + x) : NAME(floats){} + by.peak);
            }
            value = value < 0 ? NAME(floats){} : value;
            *(NAME(floats) *)(in[0] + x) = value > by.peak ? NAME(floats){} + by.peak : value;
        }
        NAME(write_row)(in[0], by.out, y);
    }
}

// Sums of three by three of one row, edges repeated: of a plane, or of the product of two.
static void NAME(around)(const float *a, const float *b, long y, long high, long wide, float *__restrict room, float *__restrict to) {
    const long rows[3] = {y > 0 ? y - 1 : 0, y, y + 1 < high ? y + 1 : y};
    for (long x = 0; x < wide; x++) room[x + 1] = 0;
    for (long row : rows) {
        const float *__restrict one = a + row * wide, *__restrict other = b + row * wide;
        if (a == b)
            for (long x = 0; x < wide; x++) room[x + 1] += one[x];
        else
            for (long x = 0; x < wide; x++) room[x + 1] += one[x] * other[x];
    }
    room[0] = room[1], room[wide + 1] = room[wide];
    for (long x = 0; x < wide; x++) to[x] = (room[x] + room[x + 1] + room[x + 2]) * (1 / 9.0f);
}

// The guided filter of grid.py for three channels: (3, high, wide) before and after to (3, 4, high, wide).
static void NAME(fit)(const float *before, const float *after, float *grid, long high, long wide, float epsilon) {
    const long plane = high * wide;
    std::vector<float> sums(21 * wide), slopes(12 * plane), room(wide + 2), squares(3 * plane);
    // A plane's square is the product of it and a copy: `around` takes equal addresses for the plane itself.
    for (long i = 0; i < 3 * plane; i++) squares[i] = before[i];
    for (long y = 0; y < high; y++) {
        float *next = sums.data();
        auto put = [&](const float *a, const float *b) { NAME(around)(a, b, y, high, wide, room.data(), next), next += wide; };
        for (int i = 0; i < 3; i++) put(before + i * plane, before + i * plane);
        for (int i = 0; i < 3; i++) put(after + i * plane, after + i * plane);
        for (int i = 0; i < 3; i++)
            for (int j = i; j < 3; j++) put(before + i * plane, &squares[j * plane]);
        for (int i = 0; i < 3; i++)
            for (int j = 0; j < 3; j++) put(before + i * plane, after + j * plane);
        const float *__restrict s = sums.data();
        float *__restrict to = slopes.data() + y * wide;
        for (long x = 0; x < wide; x++) {
            const float p = s[x], q = s[wide + x], r = s[2 * wide + x];
            const float a = s[6 * wide + x] - p * p + epsilon, b = s[7 * wide + x] - p * q, c = s[8 * wide + x] - p * r;
            const float d = s[9 * wide + x] - q * q + epsilon, e = s[10 * wide + x] - q * r;
            const float f = s[11 * wide + x] - r * r + epsilon;
            const float df = d * f - e * e, ce = c * e - b * f, be = b * e - c * d;
            const float af = a * f - c * c, bc = b * c - a * e, ad = a * d - b * b;
            const float scale = 1 / (a * df + b * ce + c * be);
            for (int j = 0; j < 3; j++) {
                const float target = s[(3 + j) * wide + x];
                const float u = s[(12 + j) * wide + x] - p * target, v = s[(15 + j) * wide + x] - q * target;
                const float w = s[(18 + j) * wide + x] - r * target;
                const float first = (df * u + ce * v + be * w) * scale, second = (ce * u + af * v + bc * w) * scale;
                const float third = (be * u + bc * v + ad * w) * scale;
                to[(4 * j) * plane + x] = first, to[(4 * j + 1) * plane + x] = second, to[(4 * j + 2) * plane + x] = third;
                to[(4 * j + 3) * plane + x] = target - first * p - second * q - third * r;
            }
        }
    }
    for (int k = 0; k < 12; k++) {
        const float *one = slopes.data() + k * plane;
        for (long y = 0; y < high; y++) NAME(around)(one, one, y, high, wide, room.data(), grid + k * plane + y * wide);
    }
}
