// The local part of ExdNet on one tile, for vectors of LANES floats; included once for each instruction set.
//
// Pixels of a row lie side by side, channels below each other, rows below those: rows stream through a block while
// they are in the cache, and every map over channels is a small matrix product on registers. Nothing is padded: up to
// 13 pixels from a tile's edge, results are of no use (the halo that the caller gives).

typedef float NAME(vec) __attribute__((vector_size(LANES * 4), aligned(4), may_alias));
typedef int NAME(ivec) __attribute__((vector_size(LANES * 4)));
#define VEC NAME(vec)
#define INLINE static inline __attribute__((always_inline))
#define APART static __attribute__((noinline)) // by itself, the compiler keeps what it should in registers

INLINE VEC NAME(load)(const float *from) { return *(const VEC *)from; }
INLINE void NAME(store)(float *to, VEC value) { *(VEC *)to = value; }
INLINE VEC NAME(splat)(float value) { return VEC{} + value; }

// x Phi(x) is max(x, 0) - g(|x|), and g(t) = t Phi(-t) is a polynomial on [0, 5], to 1.7e-6, and nothing behind it.
INLINE VEC NAME(gelu)(VEC x) {
    static const float g[] = {GELU_COEFFICIENTS};
    VEC size = x < 0 ? -x : x, s = (size < 5 ? size : NAME(splat)(5)) * 0.4f - 1, y = NAME(splat)(g[13]);
#pragma GCC unroll 13
    for (int i = 12; i >= 0; i--) y = y * s + g[i];
    return (x > 0 ? x : VEC{}) - y;
}

INLINE VEC NAME(tanh)(VEC x) {
    VEC y = x > 9 ? NAME(splat)(9) : x;
    y = (y < -9 ? NAME(splat)(-9) : y) * 2.885390082f; // exp(2x) as a power of two
    NAME(ivec) whole = __builtin_convertvector(y + (y < 0 ? NAME(splat)(-0.5f) : NAME(splat)(0.5f)), NAME(ivec));
    VEC part = (y - __builtin_convertvector(whole, VEC)) * 0.6931471806f;
    VEC power = 1 + part * (1 + part * (0.5f + part * (0.16666667f + part * (0.041666667f + part * (0.0083333333f + part * 0.0013888889f)))));
    NAME(ivec) exponent = (whole + 127) << 23;
    power *= (VEC)exponent;
    return 1 - 2 / (power + 1);
}

enum NAME(Then) { NAME(PLAIN), NAME(GELU), NAME(ADD) };

// Maps `cin` channels to `cout` over V vectors of pixels, four of them at a time.
template <int V, int THEN>
APART void NAME(dense)(const float *in, long in_stride, float *out, long out_stride, const float *residual,
                        const float *weight, const float *bias, int cin, int cout) {
    for (int to = 0; to < cout; to += 4) {
        VEC sum[4][V];
#pragma GCC unroll 4
        for (int j = 0; j < 4; j++)
#pragma GCC unroll 8
            for (int v = 0; v < V; v++) sum[j][v] = NAME(splat)(bias[to + j]);
        for (int from = 0; from < cin; from++) {
            VEC x[V];
#pragma GCC unroll 8
            for (int v = 0; v < V; v++) x[v] = NAME(load)(in + from * in_stride + v * LANES);
#pragma GCC unroll 4
            for (int j = 0; j < 4; j++) {
                const VEC w = NAME(splat)(weight[(to + j) * cin + from]);
#pragma GCC unroll 8
                for (int v = 0; v < V; v++) sum[j][v] += w * x[v];
            }
        }
#pragma GCC unroll 4
        for (int j = 0; j < 4; j++)
#pragma GCC unroll 8
            for (int v = 0; v < V; v++) {
                long at = (to + j) * out_stride + v * LANES;
                VEC y = sum[j][v];
                if (THEN == NAME(GELU)) y = NAME(gelu)(y);
                if (THEN == NAME(ADD)) y += NAME(load)(residual + at);
                NAME(store)(out + at, y);
            }
    }
}

struct NAME(Mlp) {
    const float *into, *into_bias, *out, *out_bias, *up, *up_bias, *down, *down_bias;
};

template <int V>
INLINE void NAME(mixed)(const NAME(Mlp) &by, const float *mixed, const float *kept, float *to, long stride, float *hidden) {
    const long near = V * LANES;
    NAME(dense)<V, NAME(ADD)>(mixed, stride, to, stride, kept, by.out, by.out_bias, 16, 16);
    NAME(dense)<V, NAME(GELU)>(to, stride, hidden, near, nullptr, by.up, by.up_bias, 16, 64);
    NAME(dense)<V, NAME(ADD)>(hidden, near, to, stride, to, by.down, by.down_bias, 64, 16);
}

// A depthwise convolution of K by K: one row from K rows.
template <int K>
APART void NAME(depthwise)(const float *const *rows, float *out, long stride, int width, const float *weight, const float *bias) {
    for (int c = 0; c < 16; c++) {
        VEC w[K * K];
        const float *from[K];
#pragma GCC unroll 25
        for (int i = 0; i < K * K; i++) w[i] = NAME(splat)(weight[c * K * K + i]);
#pragma GCC unroll 5
        for (int dy = 0; dy < K; dy++) from[dy] = rows[dy] + c * stride - K / 2;
        const VEC start = NAME(splat)(bias[c]);
        for (int x = 0; x < width; x += 2 * LANES) {
            VEC a = start, b = start;
#pragma GCC unroll 5
            for (int dy = 0; dy < K; dy++) { // the next channel's rows, while there is time
                __builtin_prefetch(from[dy] + stride + x + K / 2);
                __builtin_prefetch(from[dy] + stride + x + K / 2 + LANES);
            }
#pragma GCC unroll 5
            for (int dy = 0; dy < K; dy++)
#pragma GCC unroll 5
                for (int dx = 0; dx < K; dx++) {
                    a += w[dy * K + dx] * NAME(load)(from[dy] + x + dx);
                    b += w[dy * K + dx] * NAME(load)(from[dy] + x + dx + LANES);
                }
            NAME(store)(out + c * stride + x, a);
            NAME(store)(out + c * stride + x + LANES, b);
        }
    }
}

// A 3 by 3 convolution: one row of COUT channels from three rows of CIN.
template <int CIN, int COUT>
APART void NAME(convolve)(const float *const *rows, float *out, long stride, int width, const float *weight, const float *bias) {
    constexpr int V = COUT < 4 ? 4 : COUT < 10 ? 2 : 1, TO = COUT < LANES ? COUT : LANES; // what registers hold
    for (int x = 0; x < width; x += V * LANES)
        for (int block = 0; block < COUT; block += TO) {
            VEC sum[TO][V];
#pragma GCC unroll 16
            for (int to = 0; to < TO; to++)
#pragma GCC unroll 4
                for (int v = 0; v < V; v++) sum[to][v] = NAME(splat)(bias ? bias[block + to] : 0);
            for (int from = 0; from < CIN; from++)
#pragma GCC unroll 3
                for (int dy = 0; dy < 3; dy++)
#pragma GCC unroll 3
                    for (int dx = 0; dx < 3; dx++) {
                        const float *seen = rows[dy] + from * stride + x + dx - 1;
#pragma GCC unroll 16
                        for (int to = 0; to < TO; to++) {
                            const VEC w = NAME(splat)(weight[(((block + to) * CIN + from) * 3 + dy) * 3 + dx]);
#pragma GCC unroll 4
                            for (int v = 0; v < V; v++) sum[to][v] += w * NAME(load)(seen + v * LANES);
                        }
                    }
#pragma GCC unroll 16
            for (int to = 0; to < TO; to++)
#pragma GCC unroll 4
                for (int v = 0; v < V; v++) NAME(store)(out + (block + to) * stride + x + v * LANES, sum[to][v]);
        }
}

struct NAME(Rows) {
    float *start;
    long stride;
    int channels;
    float *operator[](long row) const { return start + row * channels * stride; }
    void around(long row, const float **found) const {
        for (int dy = -1; dy <= 1; dy++) found[dy + 1] = (*this)[row + dy];
    }
};

// A block that rows stream through, in rings of so many rows as are looked at: three behind a row, its result is out.
struct NAME(Block) {
    const float *position, *position_bias, *into, *into_bias, *mix, *mix_bias;
    NAME(Mlp) mlp;
    float *in, *placed, *mixable, *mixed; // rings of 3, 3, 5 and 1 rows of 16 channels

    float *read(const float *&weights, float *room, long size) {
        position = take(weights, 144), position_bias = take(weights, 16);
        into = take(weights, 256), into_bias = take(weights, 16);
        mix = take(weights, 400), mix_bias = take(weights, 16);
        mlp.out = take(weights, 256), mlp.out_bias = take(weights, 16);
        mlp.up = take(weights, 1024), mlp.up_bias = take(weights, 64);
        mlp.down = take(weights, 1024), mlp.down_bias = take(weights, 16);
        in = room, placed = in + 3 * size, mixable = placed + 3 * size, mixed = mixable + 5 * size;
        return mixed + size;
    }

    // Row `row` is in the ring; row `row - 3` goes to `out`, but for `margin` rows at both ends, which nobody needs.
    void step(const Tile &tile, long row, float *out, float *inner, long margin) const {
        const long stride = tile.stride, size = 16 * stride, middle = row - 1, done = row - 3;
        if (middle < margin - 2 || middle >= tile.height - margin + 2) return;
        const float *rows[5];
        for (int dy = 0; dy < 3; dy++) rows[dy] = in + (middle + dy + 2) % 3 * size;
        float *here = placed + middle % 3 * size, *there = mixable + middle % 5 * size;
        NAME(depthwise)<3>(rows, here, stride, tile.width, position, position_bias);
        long at = 0;
        for (; at + MOST * LANES <= tile.width; at += MOST * LANES)
            NAME(dense)<MOST, NAME(PLAIN)>(here + at, stride, there + at, stride, nullptr, into, into_bias, 16, 16);
        for (; at < tile.width; at += LEAST * LANES)
            NAME(dense)<LEAST, NAME(PLAIN)>(here + at, stride, there + at, stride, nullptr, into, into_bias, 16, 16);
        if (done < margin) return;
        for (int dy = 0; dy < 5; dy++) rows[dy] = mixable + (done + dy + 3) % 5 * size;
        NAME(depthwise)<5>(rows, mixed, stride, tile.width, mix, mix_bias);
        const float *kept = placed + done % 3 * size;
        for (at = 0; at + MOST * LANES <= tile.width; at += MOST * LANES)
            NAME(mixed)<MOST>(mlp, mixed + at, kept + at, out + at, stride, inner);
        for (; at < tile.width; at += LEAST * LANES) NAME(mixed)<LEAST>(mlp, mixed + at, kept + at, out + at, stride, inner);
    }
};

// A local branch: `in` to three channels of `out` in [-1, 1].
static void NAME(local)(const Tile &tile, const NAME(Rows) &in, const NAME(Rows) &out, const float *&weights, float *room) {
    const long stride = tile.stride, size = 16 * stride;
    const float *weight = take(weights, 432), *bias = take(weights, 16), *rows[3];
    NAME(Block) blocks[3];
    float *first = room + PAD, *end = first + FIRST_ROWS * size;
    for (auto &block : blocks) end = block.read(weights, end, size);
    float *last = end, *inner = last + 3 * size;
    const float *last_weight = take(weights, 432), *last_bias = take(weights, 3);
    for (long row = 0; row < tile.height + 10; row++) {
        if (row < tile.height) {
            float *to = blocks[0].in + row % 3 * size, *kept = first + row % FIRST_ROWS * size;
            in.around(row, rows);
            NAME(convolve)<3, 16>(rows, to, stride, tile.width, weight, bias);
            for (long i = 0; i < size; i += LANES) {
                const VEC value = NAME(load)(to + i), leaky = value > 0 ? value : value * 0.2f;
                NAME(store)(to + i, leaky);
                NAME(store)(kept + i, leaky);
            }
        }
        for (int i = 0; i < 3; i++) {
            const long now = row - 3 * i, next = (now + 6) % 3 * size; // the row that comes out is three before, too
            if (now >= 0) blocks[i].step(tile, now, i < 2 ? blocks[i + 1].in + next : last + next, inner, 6 + 3 * i);
        }
        const long summed = row - 9, done = row - 10;
        if (summed < 0 || summed >= tile.height) continue;
        float *sum = last + summed % 3 * size;
        const float *kept = first + summed % FIRST_ROWS * size;
        for (long i = 0; i < size; i += LANES) NAME(store)(sum + i, NAME(load)(sum + i) + NAME(load)(kept + i));
        if (done < HALO || done >= tile.height - HALO) continue;
        for (int dy = 0; dy < 3; dy++) rows[dy] = last + (done + dy + 2) % 3 * size;
        NAME(convolve)<16, 3>(rows, out[done], stride, tile.width, last_weight, last_bias);
        for (int c = 0; c < 3; c++)
            for (int i = 0; i < tile.width; i += LANES)
                NAME(store)(out[done] + c * stride + i, NAME(tanh)(NAME(load)(out[done] + c * stride + i)));
    }
}

// Both branches: `frame` (3, height, wide) in [0, 1] to `result` of the same shape.
static void NAME(run)(const Tile &tile, const float *weights, const float *frame, float lo, float hi, float *result, float *room) {
    const long stride = tile.stride, wide = tile.wide, rows = tile.height + 2;
    const NAME(Rows) seen = {room + PAD + 7 * stride, stride, 7};
    const NAME(Rows) steps = {seen.start + rows * 7 * stride, stride, 9};
    const NAME(Rows) merged = {steps.start + rows * 9 * stride, stride, 3};
    const NAME(Rows) raw = {merged.start + rows * 3 * stride, stride, 3};
    const NAME(Rows) difference = {raw.start + rows * 3 * stride, stride, 3};
    float *rest = difference.start + rows * 3 * stride;
    const float span = hi > lo ? 1 / (hi - lo) : 0;
    const float *around[3];
    for (long row = 0; row < tile.height; row++)
        for (int c = 0; c < 3; c++)
            fill(frame + (c * tile.height + row) * wide, wide, lo, span, seen[row] + c * stride,
                 seen[row] + (3 + c) * stride, seen[row] + 6 * stride);
    const float *step = take(weights, 567), *merge = take(weights, 243), *merge_bias = take(weights, 3);
    for (long row = 0; row < tile.height; row++) {
        seen.around(row, around);
        NAME(convolve)<7, 9>(around, steps[row], stride, tile.width, step, nullptr);
    }
    for (long row = 0; row < tile.height; row++) {
        steps.around(row, around);
        NAME(convolve)<9, 3>(around, merged[row], stride, tile.width, merge, merge_bias);
    }
    NAME(local)(tile, seen, raw, weights, rest);
    NAME(local)(tile, merged, difference, weights, rest);
    const float *scale = take(weights, 3), *shift = take(weights, 3);
    for (int c = 0; c < 3; c++)
        for (long row = 0; row < tile.height; row++)
            sum(raw[row] + c * stride, difference[row] + c * stride, shift[c], scale[c], wide,
                result + (c * tile.height + row) * wide);
}

#undef VEC
#undef INLINE
#undef APART
#undef MOST
#undef LEAST
