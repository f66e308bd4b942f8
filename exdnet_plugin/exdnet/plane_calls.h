// What Python calls with planes and frames.

static int plane(PyObject *object, void *to) {
    Plane &plane = *static_cast<Plane *>(to);
    unsigned long long start;
    if (!PyArg_ParseTuple(object, "Kllli", &start, &plane.width, &plane.height, &plane.stride, &plane.bytes)) return 0;
    plane.start = reinterpret_cast<void *>(static_cast<uintptr_t>(start));
    return 1;
}

static PyObject *shrink_plane(PyObject *, PyObject *arguments) {
    Plane from;
    unsigned long long to;
    long high, wide;
    float scale;
    if (!PyArg_ParseTuple(arguments, "O&Kllf", plane, &from, &to, &high, &wide, &scale)) return nullptr;
    float *result = reinterpret_cast<float *>(static_cast<uintptr_t>(to));
    Py_BEGIN_ALLOW_THREADS;
    chosen->shrink(from, result, high, wide, scale);
    Py_END_ALLOW_THREADS;
    Py_RETURN_NONE;
}

static PyObject *apply_grid(PyObject *, PyObject *arguments) {
    Transfer by;
    unsigned long long grid;
    long first, last;
    if (!PyArg_ParseTuple(arguments, "O&O&O&O&Kllfll", plane, &by.in[0], plane, &by.in[1], plane, &by.in[2], plane,
                          &by.out, &grid, &by.cells_high, &by.cells_wide, &by.peak, &first, &last))
        return nullptr;
    by.grid = reinterpret_cast<const float *>(static_cast<uintptr_t>(grid));
    Py_BEGIN_ALLOW_THREADS;
    chosen->apply(by, first, last);
    Py_END_ALLOW_THREADS;
    Py_RETURN_NONE;
}

static PyObject *fit_grid(PyObject *, PyObject *arguments) {
    unsigned long long before, after, grid;
    long high, wide;
    float epsilon;
    if (!PyArg_ParseTuple(arguments, "KKKllf", &before, &after, &grid, &high, &wide, &epsilon)) return nullptr;
    Py_BEGIN_ALLOW_THREADS;
    chosen->fit(reinterpret_cast<const float *>(static_cast<uintptr_t>(before)),
                 reinterpret_cast<const float *>(static_cast<uintptr_t>(after)),
                 reinterpret_cast<float *>(static_cast<uintptr_t>(grid)), high, wide, epsilon);
    Py_END_ALLOW_THREADS;
    Py_RETURN_NONE;
}

static int colors(PyObject *planes, PyObject *coding, Colors *to) {
    return PyArg_ParseTuple(planes, "O&O&O&", plane, &to->y, plane, &to->u, plane, &to->v) &&
           PyArg_ParseTuple(coding, "fffffffpp", &to->kr, &to->kb, &to->luma_offset, &to->luma_span, &to->chroma_offset,
                            &to->chroma_span, &to->peak, &to->cosited_across, &to->cosited_down);
}

static PyObject *planes_to_rgb(PyObject *, PyObject *arguments) {
    PyObject *planes, *coding;
    Colors by;
    unsigned long long rgb;
    long first, last;
    if (!PyArg_ParseTuple(arguments, "OOKll", &planes, &coding, &rgb, &first, &last) || !colors(planes, coding, &by))
        return nullptr;
    Py_BEGIN_ALLOW_THREADS;
    chosen->to_rgb(by, reinterpret_cast<float *>(static_cast<uintptr_t>(rgb)), first, last);
    Py_END_ALLOW_THREADS;
    Py_RETURN_NONE;
}

static PyObject *planes_from_rgb(PyObject *, PyObject *arguments) {
    PyObject *planes, *coding;
    Colors by;
    Plane u, v;
    unsigned long long rgb;
    long first, last;
    if (!PyArg_ParseTuple(arguments, "OOK(O&O&)ll", &planes, &coding, &rgb, plane, &u, plane, &v, &first, &last) ||
        !colors(planes, coding, &by))
        return nullptr;
    Py_BEGIN_ALLOW_THREADS;
    chosen->from_rgb(by, u, v, reinterpret_cast<const float *>(static_cast<uintptr_t>(rgb)), first, last);
    Py_END_ALLOW_THREADS;
    Py_RETURN_NONE;
}

// Adds up how many values there are of each 8-bit code. Four counts of each, since many in a row are of one code.
static void count(const float *__restrict from, long length, int64_t *__restrict to) {
    std::vector<uint32_t> counts(4 * 256);
    for (long i = 0; i < length; i++) {
        float value = from[i] * 255;
        value = value < 0 ? 0 : value > 255 ? 255 : value;
        const int code = static_cast<int>(value + 12582912.0f - 12582912.0f) & 255; // of no number, too
        counts[i % 4 * 256 + code]++;
    }
    for (int i = 0; i < 4 * 256; i++) to[i % 256] += counts[i];
}

static PyObject *count_codes(PyObject *, PyObject *arguments) {
    unsigned long long from, to;
    long length;
    if (!PyArg_ParseTuple(arguments, "KlK", &from, &length, &to)) return nullptr;
    Py_BEGIN_ALLOW_THREADS;
    count(reinterpret_cast<const float *>(static_cast<uintptr_t>(from)), length,
          reinterpret_cast<int64_t *>(static_cast<uintptr_t>(to)));
    Py_END_ALLOW_THREADS;
    Py_RETURN_NONE;
}

static PyObject *calibrate_pixels(PyObject *, PyObject *arguments) {
    Calibration by;
    unsigned long long rgb, was;
    float *m = by.matrix;
    long first, last;
    if (!PyArg_ParseTuple(arguments, "KKl(fffffffff)(fffff)pll", &rgb, &was, &by.pixels, m, m + 1, m + 2, m + 3, m + 4,
                          m + 5, m + 6, m + 7, m + 8, &by.curvature, &by.knee, &by.share, &by.tiny,
                          &by.black, &by.fits, &first, &last))
        return nullptr;
    by.rgb = reinterpret_cast<float *>(static_cast<uintptr_t>(rgb));
    by.was = reinterpret_cast<const float *>(static_cast<uintptr_t>(was));
    Py_BEGIN_ALLOW_THREADS;
    chosen->calibrate(by, first, last);
    Py_END_ALLOW_THREADS;
    Py_RETURN_NONE;
}
