// What layers are made of, for vectors of LANES floats; included once for each instruction set.
//
// Pixels of a row lie side by side, channels below each other. A map over channels is a small matrix product on registers.

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
    constexpr int TO = COUT <= LANES ? COUT : COUT % LANES ? 3 : LANES, V = TO < 4 ? 4 : COUT < 10 ? 2 : 1; // what registers hold
    static_assert(COUT % TO == 0);
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
