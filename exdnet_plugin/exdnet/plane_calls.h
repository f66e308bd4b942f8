// What Python calls with planes.

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
