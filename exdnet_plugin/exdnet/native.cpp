// ExdNet's local part as one pass over each tile: what folded.py does with PyTorch's operators, several times faster.
//
// GCC's and Clang's vector extensions, for the instruction set that the machine has. Compiled where a compiler is found
// when the package is built; without, PyTorch's operators do the same.

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>

#define GELU_COEFFICIENTS \
    1.552562857e-02f, -9.402700038e-02f, 2.326531801e-01f, -2.568320749e-01f, -1.722134354e-02f, 4.178981662e-01f, \
    -4.914637685e-01f, 8.100868148e-02f, 3.465235947e-01f, -2.576529284e-01f, -9.361249913e-02f, 1.365874629e-01f, \
    7.595169844e-03f, -2.698233867e-02f

enum { PAD = 32 }; // floats before and behind rows, which neighbours at their ends are read from

struct Tile {
    long height, wide, width, stride; // wide: pixels a row; width: with those that fill up a vector; stride: with PAD
};

enum {
    HALO = 13,       // pixels around one that its result depends on
    RING = 4,        // rows of a layer that a 3 by 3 convolution looks at, and one ahead
    FIRST_ROWS = 12, // a branch's last layer is ten rows behind its first
    BRANCH = 432 + 16 + 3 * (144 + 16 + 256 + 16 + 400 + 16 + 256 + 16 + 1024 + 64 + 1024 + 16) + 432 + 3 // its weights
};

static const float *take(const float *&weights, int count) {
    const float *here = weights;
    weights += count;
    return here;
}

// What the network sees of a row: 2x - 1, where x lies in the exposure range, and a one.
static void fill(const float *__restrict from, long wide, float lo, float span, float *__restrict frame,
                 float *__restrict position, float *__restrict one) {
    for (long i = 0; i < wide; i++) {
        const float place = (from[i] - lo) * span;
        frame[i] = 2 * from[i] - 1;
        position[i] = place < 0 ? 0 : place > 1 ? 1 : place;
        one[i] = 1;
    }
}

static void begin(const float *__restrict raw, float shift, long wide, float *__restrict result) {
    for (long i = 0; i < wide; i++) result[i] = raw[i] + shift;
}

static void add(const float *__restrict difference, float scale, long wide, float *__restrict result) {
    for (long i = 0; i < wide; i++) result[i] += difference[i] * scale;
}

#include "planes.h"

#if defined(__x86_64__) && defined(__GNUC__)
#define CHOICE 1
#ifdef __clang__
#define END_TARGET _Pragma("clang attribute pop")
#pragma clang attribute push(__attribute__((target("avx512f,avx512dq,avx512vl,avx512bw,fma"))), apply_to = function)
#else
#define END_TARGET _Pragma("GCC pop_options")
#pragma GCC push_options
#pragma GCC target("avx512f,avx512dq,avx512vl,avx512bw,fma,prefer-vector-width=512")
#endif
#define NAME(name) name##_avx512
#define LANES 16
#define MOST 6 // vectors of pixels that a matrix product holds in registers; LEAST of them where a row ends
#define LEAST 2
#include "native_kernel.h"
#include "native_branch.h"
#include "transfer_kernel.h"
#include "calibrate_kernel.h"
#include "color_kernel.h"
END_TARGET
#ifdef __clang__
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#endif
#define NAME(name) name##_avx2
#define LANES 8
#define MOST 3
#define LEAST 1
#include "native_kernel.h"
#include "native_branch.h"
#include "transfer_kernel.h"
#include "calibrate_kernel.h"
#include "color_kernel.h"
END_TARGET
#endif
#define NAME(name) name##_any
#define LANES 4
#define MOST 4
#define LEAST 4
#include "native_kernel.h"
#include "native_branch.h"
#include "transfer_kernel.h"
#include "calibrate_kernel.h"
#include "color_kernel.h"

struct Kernels {
    const char *name;
    void (*run)(const Tile &, const float *, const float *, float, float, float *, float *);
    void (*apply)(const Transfer &, long, long);
    void (*shrink)(const Plane &, float *, long, long, float);
    void (*fit)(const float *, const float *, float *, long, long, float);
    void (*to_rgb)(const Colors &, float *, long, long);
    void (*from_rgb)(const Colors &, const Plane &, const Plane &, const float *, long, long);
    void (*calibrate)(const Calibration &, long, long);
};

static const Kernels sets[] = {
#ifdef CHOICE
    {"avx512", run_avx512, apply_avx512, shrink_avx512, fit_avx512, to_rgb_avx512, from_rgb_avx512,
     calibrate_avx512},
    {"avx2", run_avx2, apply_avx2, shrink_avx2, fit_avx2, to_rgb_avx2, from_rgb_avx2, calibrate_avx2},
#endif
    {"any", run_any, apply_any, shrink_any, fit_any, to_rgb_any, from_rgb_any, calibrate_any},
};

static bool there(const Kernels &set) {
#ifdef CHOICE
    __builtin_cpu_init();
    if (set.run == run_avx512)
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
               __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
    if (set.run == run_avx2) return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#endif
    return set.run == run_any;
}

static const Kernels *best() {
    const Kernels *set = sets;
    while (!there(*set)) set++;
    return set;
}

static const Kernels *chosen = best();

static float *room(size_t floats) {
    struct Room {
        float *start = nullptr;
        size_t size = 0;
        ~Room() { free(start); }
    };
    static thread_local Room room; // kept for the next tile: fresh pages cost as much as the arithmetic
    if (room.size < floats) {
        free(room.start);
        // Zeros: what lies beyond a tile is read, and must be finite.
        room.start = static_cast<float *>(calloc(floats, sizeof(float)));
        room.size = room.start ? floats : 0;
    }
    return room.start;
}

static PyObject *before_calibration(PyObject *, PyObject *arguments) {
    unsigned long long weights, frame, result;
    long height, width;
    float lo, hi;
    if (!PyArg_ParseTuple(arguments, "KKKllff", &weights, &frame, &result, &height, &width, &lo, &hi)) return nullptr;
    Tile tile = {height, width, (width + 31) / 32 * 32, 0};
    tile.stride = tile.width + 2 * PAD;
    const size_t row = tile.stride;
    const size_t floats = (RING * (7 + 9 + 3) + (FIRST_ROWS + 3 * 12 + 3 + 4) * 16 + 3) * row + 64 * 6 * 16 + 8 * PAD;
    float *space = room(floats);
    if (!space) return PyErr_NoMemory();
    Py_BEGIN_ALLOW_THREADS;
    chosen->run(tile, reinterpret_cast<const float *>(static_cast<uintptr_t>(weights)),
        reinterpret_cast<const float *>(static_cast<uintptr_t>(frame)), lo, hi,
        reinterpret_cast<float *>(static_cast<uintptr_t>(result)), space);
    Py_END_ALLOW_THREADS;
    Py_RETURN_NONE;
}

static PyObject *instructions(PyObject *, PyObject *arguments) {
    const char *name = nullptr;
    if (!PyArg_ParseTuple(arguments, "|s", &name)) return nullptr;
    const Kernels *found = name ? nullptr : chosen;
    for (const Kernels &set : sets)
        if (name && !strcmp(set.name, name) && there(set)) found = &set;
    if (!found) return PyErr_Format(PyExc_ValueError, "this machine has no instructions %s", name);
    chosen = found;
    return PyUnicode_FromString(chosen->name);
}

#include "plane_calls.h"

static PyMethodDef methods[] = {
    {"fit", fit_grid, METH_VARARGS, "fit(before, after, grid, height, width, epsilon): see exdnet_plugin.grid.fit."},
    {"shrink", shrink_plane, METH_VARARGS, "shrink(plane, result, height, width, scale): means of a plane's cells."},
    {"apply", apply_grid, METH_VARARGS,
     "apply(in, in, in, out, grid, cells high, cells wide, peak, first row, last row): a plane by a grid (4, high, wide)."},
    {"count", count_codes, METH_VARARGS, "count(values, how many, counts): adds up 8-bit codes of float32 into int64."},
    {"to_rgb", planes_to_rgb, METH_VARARGS, "to_rgb(planes, coding, rgb, first row, last row): see exdnet_plugin.yuv."},
    {"from_rgb", planes_from_rgb, METH_VARARGS,
     "from_rgb(planes, coding, rgb, old chroma, first row, last row): rows of chroma, and of luma with them."},
    {"before_calibration", before_calibration, METH_VARARGS,
     "before_calibration(weights, frame, result, height, width, lo, hi): addresses of float32, (3, height, width)."},
    {"calibrate", calibrate_pixels, METH_VARARGS,
     "calibrate(rgb, was, pixels, matrix, limits, fits, first, last): pixels of (3, pixels) float32 in their place."},
    {"instructions", instructions, METH_VARARGS,
     "instructions([name]): the set that is used, avx512, avx2 or any; with a name, that one from now on."},
    {nullptr, nullptr, 0, nullptr},
};

static PyModuleDef module = {PyModuleDef_HEAD_INIT, "native", nullptr, -1, methods, nullptr, nullptr, nullptr, nullptr};

PyMODINIT_FUNC PyInit_native() { return PyModule_Create(&module); }
