// The local part of ExdNet on one tile, of the pieces of native_kernel.h; included behind it.
//
// Rows stream through all layers while they are in the cache; none holds more of them than it looks at. Nothing is
// padded: up to 13 pixels from a tile's edge, results are of no use (the halo that the caller gives).

// The last four rows of a layer, of so many channels.
struct NAME(Ring) {
    float *start;
    long stride;
    int channels;
    long made; // how many rows there were
    float *operator[](long row) const { return start + (row + RING) % RING * channels * stride; }
    void around(long row, const float **found) const {
        for (int dy = -1; dy <= 1; dy++) found[dy + 1] = (*this)[row + dy];
    }
};

// What the two branches see, row by row, as it is asked for: nothing as large as a tile is held.
struct NAME(Input) {
    const Tile &tile;
    const float *frame;
    float lo, span;
    const float *step, *merge, *merge_bias;
    NAME(Ring) seen, steps, merged;

    void see(long last) {
        for (; seen.made <= last && seen.made < tile.height; seen.made++)
            for (int c = 0; c < 3; c++) {
                float *to = seen[seen.made];
                fill(frame + (c * tile.height + seen.made) * tile.wide, tile.wide, lo, span, to + c * tile.stride,
                     to + (3 + c) * tile.stride, to + 6 * tile.stride);
            }
    }
    void differ(long last) {
        grow<7, 9>(steps, last, seen, [&](long row) { see(row); }, step, nullptr);
    }
    void unite(long last) {
        grow<9, 3>(merged, last, steps, [&](long row) { differ(row); }, merge, merge_bias);
    }
    // A layer up to a row, from one that `prepare` makes up to a row.
    template <int CIN, int COUT, class Prepare>
    void grow(NAME(Ring) &layer, long last, const NAME(Ring) &from, Prepare prepare, const float *weight, const float *bias) {
        const float *rows[3];
        for (; layer.made <= last && layer.made < tile.height; layer.made++) {
            prepare(layer.made + 1);
            from.around(layer.made, rows);
            NAME(convolve)<CIN, COUT>(rows, layer[layer.made], tile.stride, tile.width, weight, bias);
        }
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

// A local branch: three channels of `in`, which `prepare` makes up to a row, to rows of three in [-1, 1] for `give`.
template <class Prepare, class Give>
static void NAME(local)(const Tile &tile, const NAME(Ring) &in, Prepare prepare, Give give, const float *&weights, float *room) {
    const long stride = tile.stride, size = 16 * stride;
    const float *weight = take(weights, 432), *bias = take(weights, 16), *rows[3];
    NAME(Block) blocks[3];
    float *first = room + PAD, *end = first + FIRST_ROWS * size;
    for (auto &block : blocks) end = block.read(weights, end, size);
    float *last = end, *out = last + 3 * size, *inner = out + 3 * stride;
    const float *last_weight = take(weights, 432), *last_bias = take(weights, 3);
    for (long row = 0; row < tile.height + 10; row++) {
        if (row < tile.height) {
            float *to = blocks[0].in + row % 3 * size, *kept = first + row % FIRST_ROWS * size;
            prepare(row + 1);
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
        NAME(convolve)<16, 3>(rows, out, stride, tile.width, last_weight, last_bias);
        for (int c = 0; c < 3; c++) {
            for (int i = 0; i < tile.width; i += LANES)
                NAME(store)(out + c * stride + i, NAME(tanh)(NAME(load)(out + c * stride + i)));
            give(c, done, out + c * stride);
        }
    }
}

// Both branches: `frame` (3, height, wide) in [0, 1] to `result` of the same shape, but for HALO rows at both ends.
static void NAME(run)(const Tile &tile, const float *weights, const float *frame, float lo, float hi, float *result, float *room) {
    const long stride = tile.stride;
    float *at = room + PAD;
    const auto ring = [&](int channels) {
        float *start = at;
        at += RING * channels * stride;
        return NAME(Ring){start, stride, channels, 0};
    };
    const float span = hi > lo ? 1 / (hi - lo) : 0;
    const float *step = take(weights, 567), *merge = take(weights, 243), *merge_bias = take(weights, 3);
    NAME(Input) input = {tile, frame, lo, span, step, merge, merge_bias, ring(7), ring(9), ring(3)};
    const float *scale = weights + 2 * BRANCH, *shift = scale + 3;
    const auto place = [&](int c, long row) { return result + (c * tile.height + row) * tile.wide; };
    NAME(local)(tile, input.seen, [&](long row) { input.see(row); },
        [&](int c, long row, const float *raw) { begin(raw, shift[c], tile.wide, place(c, row)); }, weights, at);
    input.seen.made = 0;
    NAME(local)(tile, input.merged, [&](long row) { input.unite(row); },
        [&](int c, long row, const float *difference) { add(difference, scale[c], tile.wide, place(c, row)); }, weights, at);
}

#undef VEC
#undef INLINE
#undef APART
#undef MOST
#undef LEAST
