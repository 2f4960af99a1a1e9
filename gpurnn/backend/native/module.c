/* gpurnn.backend._native: compiled bodies of fused operations, called with arrays through the buffer protocol. */
#define PY_SSIZE_T_CLEAN
#define _GNU_SOURCE
#include <Python.h>
#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "gemm.h"
#include "loop.h"

#define MOST_DIMENSIONS 4
#define MOST_THREADS 64
#define SMALL_WORK 2e7 /* operations: below it another thread costs more than it does */

typedef struct {
    PyObject_HEAD
    vectorcallfunc call;
    Body body;
    int arguments;
    int rows_at; /* which dimension is N, -1 for none */
    int64_t dim[MOST_DIMENSIONS];
} Bound;

static PyObject *bound_call(PyObject *self, PyObject *const *args, size_t flags, PyObject *names) {
    Bound *bound = (Bound *)self;
    Py_buffer view[MOST_ARGUMENTS];
    void *pointer[MOST_ARGUMENTS] = {NULL};
    int64_t dim[MOST_DIMENSIONS];
    int got = 0;
    Py_ssize_t n = PyVectorcall_NARGS(flags);
    if (n != bound->arguments || (names != NULL && PyTuple_GET_SIZE(names) != 0))
        return PyErr_Format(PyExc_TypeError, "expected %d arrays, found %zd", bound->arguments, n);
    for (; got < n; got++) {
        if (PyObject_GetBuffer(args[got], &view[got], PyBUF_C_CONTIGUOUS) != 0)
            break;
        pointer[got] = view[got].buf;
    }
    if (got == n) {
        memcpy(dim, bound->dim, sizeof dim);
        if (bound->rows_at >= 0)
            dim[bound->rows_at] = view[0].ndim > 0 ? view[0].shape[0] : 1;
        bound->body(pointer, dim);
    }
    for (int i = 0; i < got; i++)
        PyBuffer_Release(&view[i]);
    if (got != n)
        return NULL;
    Py_RETURN_NONE;
}

static PyTypeObject BoundType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "gpurnn.backend._native.Bound",
    .tp_basicsize = sizeof(Bound),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL,
    .tp_vectorcall_offset = offsetof(Bound, call),
    .tp_call = PyVectorcall_Call,
    .tp_doc = PyDoc_STR("A compiled body bound to its dimensions; call it with the operation's arrays."),
};

/* The exported function of this very library with that name, or NULL. */
static Body find(const char *name) {
    Dl_info info;
    if (!dladdr((const void *)&BoundType, &info))
        return NULL;
    void *self = dlopen(info.dli_fname, RTLD_NOLOAD | RTLD_LAZY);
    if (self == NULL)
        return NULL;
    Body body = (Body)dlsym(self, name);
    dlclose(self);
    return body;
}

static PyObject *bind(PyObject *module, PyObject *args) {
    const char *name;
    int arguments, rows_at;
    PyObject *dims;
    if (!PyArg_ParseTuple(args, "siiO!", &name, &arguments, &rows_at, &PyTuple_Type, &dims))
        return NULL;
    if (arguments < 1 || arguments > MOST_ARGUMENTS || PyTuple_GET_SIZE(dims) > MOST_DIMENSIONS)
        return PyErr_Format(PyExc_ValueError, "%s: too many arguments or dimensions", name);
    Body body = find(name);
    if (body == NULL)
        Py_RETURN_NONE;
    Bound *bound = PyObject_New(Bound, &BoundType);
    if (bound == NULL)
        return NULL;
    bound->call = bound_call;
    bound->body = body;
    bound->arguments = arguments;
    bound->rows_at = rows_at;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(dims); i++)
        bound->dim[i] = PyLong_AsLongLong(PyTuple_GET_ITEM(dims, i));
    if (PyErr_Occurred()) {
        Py_DECREF(bound);
        return NULL;
    }
    return (PyObject *)bound;
}

/* A loop over the steps of a window, bound to its arrays. */
typedef struct {
    PyObject_HEAD
    Loop loop;
    Py_buffer held[2 * MOST_ARGUMENTS + MOST_STATES]; /* keeps every array where it is */
    int holding, threads;
    int64_t lanes, most_steps, down, right, item;
    const void *w;
} BoundLoop;

typedef struct {
    const BoundLoop *bound;
    int64_t first, end;
} Share;

static void *run_share(void *given) {
    const Share *share = given;
    if (share->bound->item == sizeof(float))
        run_loop_float(&share->bound->loop, share->first, share->end);
    else
        run_loop_double(&share->bound->loop, share->first, share->end);
    return NULL;
}

/* Lanes do not depend on each other: each thread takes some and none waits for another. */
static void run_shares(const BoundLoop *bound) {
    const Loop *loop = &bound->loop;
    double work = 2.0 * (double)bound->lanes * (double)loop->rows * (double)loop->columns * (double)loop->steps;
    int threads = work < SMALL_WORK ? 1 : bound->threads;
    if (threads > bound->lanes)
        threads = (int)bound->lanes;
    Share share[MOST_THREADS];
    pthread_t thread[MOST_THREADS];
    for (int n = 0; n < threads; n++)
        share[n] = (Share){bound, bound->lanes * n / threads, bound->lanes * (n + 1) / threads};
    int started = 1;
    while (started < threads && pthread_create(&thread[started], NULL, run_share, &share[started]) == 0)
        started++;
    run_share(&share[0]);
    for (int n = started; n < threads; n++) /* no thread to be had: this one does its share */
        run_share(&share[n]);
    for (int n = 1; n < started; n++)
        pthread_join(thread[n], NULL);
}

static PyObject *loop_call(PyObject *self, PyObject *args, PyObject *names) {
    BoundLoop *bound = (BoundLoop *)self;
    long long steps;
    PyObject *carry;
    Py_buffer view;
    if (!PyArg_ParseTuple(args, "LO", &steps, &carry))
        return NULL;
    if (steps < 1 || steps > bound->most_steps)
        return PyErr_Format(PyExc_ValueError, "expected 1 to %lld steps", (long long)bound->most_steps);
    bound->loop.steps = steps;
    bound->loop.carry = NULL;
    if (carry != Py_None) {
        if (PyObject_GetBuffer(carry, &view, PyBUF_C_CONTIGUOUS) != 0)
            return NULL;
        if (view.len < steps * bound->lanes * bound->item || view.itemsize != bound->item) {
            PyBuffer_Release(&view);
            return PyErr_Format(PyExc_ValueError, "carry: expected (T, B) of the dtype of the states");
        }
        bound->loop.carry = view.buf;
    }
    Py_BEGIN_ALLOW_THREADS;
    const Loop *loop = &bound->loop;
    if (bound->item == sizeof(float))
        pack_matrix_float(loop->rows, loop->columns, bound->w, bound->down, bound->right, loop->packed);
    else
        pack_matrix_double(loop->rows, loop->columns, bound->w, bound->down, bound->right, loop->packed);
    run_shares(bound);
    Py_END_ALLOW_THREADS;
    if (carry != Py_None)
        PyBuffer_Release(&view);
    Py_RETURN_NONE;
}

static void loop_dealloc(PyObject *self) {
    BoundLoop *bound = (BoundLoop *)self;
    for (int i = 0; i < bound->holding; i++)
        PyBuffer_Release(&bound->held[i]);
    PyMem_RawFree(bound->loop.packed);
    PyMem_RawFree(bound->loop.masked);
    PyObject_Free(self);
}

static PyTypeObject BoundLoopType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "gpurnn.backend._native.Loop",
    .tp_basicsize = sizeof(BoundLoop),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_call = loop_call,
    .tp_dealloc = loop_dealloc,
    .tp_doc = PyDoc_STR("All steps of a window; call it with the number of steps and carry (T, B, 1) or None."),
};

/* Takes hold of an array: (T, B, n), where T is 1 for one that every step shares, (B, n), or (n,). */
static int through(BoundLoop *bound, PyObject *array, Through *to) {
    Py_buffer *view = &bound->held[bound->holding];
    if (PyObject_GetBuffer(array, view, PyBUF_C_CONTIGUOUS) != 0)
        return -1;
    bound->holding++;
    if (view->itemsize != bound->item || view->ndim < 1 || view->ndim > 3) {
        PyErr_SetString(PyExc_ValueError, "expected arrays of one dtype with 1 to 3 axes");
        return -1;
    }
    int axes = view->ndim;
    to->base = view->buf;
    to->lane = axes > 1 ? view->strides[axes - 2] : 0;
    to->step = axes == 3 && view->shape[0] > 1 ? view->strides[0] : 0;
    return 0;
}

/* Fills in a new loop; -1 with an exception set. */
static int fill_loop(BoundLoop *bound, PyObject *w, PyObject *ends, PyObject *arguments, PyObject *cuts) {
    Loop *loop = &bound->loop;
    Through matrix;
    if (through(bound, w, &matrix) != 0)
        return -1;
    const Py_ssize_t *shape = bound->held[0].shape;
    bound->w = matrix.base;
    bound->down = loop->backward ? 1 : shape[1];
    bound->right = loop->backward ? shape[1] : 1;
    loop->rows = shape[loop->backward ? 1 : 0];
    loop->columns = shape[loop->backward ? 0 : 1];
    loop->hidden = shape[0];
    PyObject *x, *y, *h_prev;
    if (!PyArg_ParseTuple(ends, "OOO", &x, &y, &h_prev) || through(bound, x, &loop->x) != 0 ||
        through(bound, y, &loop->y) != 0 || through(bound, h_prev, &loop->h_prev) != 0)
        return -1;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(arguments); i++) {
        PyObject *array = PyTuple_GET_ITEM(arguments, i);
        loop->sees_h[i] = array == h_prev;
        if (through(bound, array, &loop->arg[i]) != 0)
            return -1;
    }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(cuts); i++)
        if (through(bound, PyTuple_GET_ITEM(cuts, i), &loop->cut[i]) != 0)
            return -1;
    int64_t packed = bound->item == sizeof(float) ? packed_bytes_float(loop->rows, loop->columns)
                                                  : packed_bytes_double(loop->rows, loop->columns);
    loop->packed = PyMem_RawMalloc((size_t)packed);
    loop->masked = PyMem_RawMalloc((size_t)(bound->lanes * loop->hidden * bound->item));
    if (loop->packed == NULL || loop->masked == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    return 0;
}

static PyObject *make_loop(PyObject *module, PyObject *args) {
    const char *name;
    int backward, threads;
    long long steps, lanes, item;
    PyObject *w, *ends, *arguments, *cuts;
    if (!PyArg_ParseTuple(args, "siLLLiOO!O!O!", &name, &backward, &steps, &lanes, &item, &threads, &w, &PyTuple_Type,
                          &ends, &PyTuple_Type, &arguments, &PyTuple_Type, &cuts))
        return NULL;
    if (PyTuple_GET_SIZE(arguments) > MOST_ARGUMENTS || PyTuple_GET_SIZE(cuts) > MOST_STATES)
        return PyErr_Format(PyExc_ValueError, "%s: too many arguments or states", name);
    Body body = find(name);
    if (body == NULL)
        Py_RETURN_NONE;
    BoundLoop *bound = PyObject_New(BoundLoop, &BoundLoopType);
    if (bound == NULL)
        return NULL;
    memset((char *)bound + sizeof(PyObject), 0, sizeof(BoundLoop) - sizeof(PyObject));
    bound->loop.body = body;
    bound->loop.backward = backward;
    bound->loop.arguments = (int)PyTuple_GET_SIZE(arguments);
    bound->loop.cuts = (int)PyTuple_GET_SIZE(cuts);
    bound->loop.carry_lanes = lanes;
    bound->most_steps = steps;
    bound->lanes = lanes;
    bound->item = item;
    bound->threads = threads < 1 ? 1 : threads > MOST_THREADS ? MOST_THREADS : threads;
    if (fill_loop(bound, w, ends, arguments, cuts) != 0) {
        Py_DECREF(bound);
        return NULL;
    }
    return (PyObject *)bound;
}

typedef struct {
    Gemm gemm;
    int64_t first, end, item;
    void *scratch;
} Part;

static void *run_part(void *given) {
    const Part *part = given;
    (part->item == sizeof(float) ? run_gemm_float : run_gemm_double)(&part->gemm, part->first, part->end, part->scratch);
    return NULL;
}

/* Part n of a product: some of its columns, or where those are few some of its rows. */
static Part part_of(const Gemm *gemm, int64_t item, int n, int threads, void *scratch) {
    Part part = {*gemm, 0, gemm->columns, item, scratch};
    int64_t panels = (gemm->columns + 15) / 16, tiles = (gemm->rows + 5) / 6;
    if (panels >= 8 * threads || tiles < threads) {
        part.first = panels * n / threads * 16;
        part.end = n + 1 == threads ? gemm->columns : panels * (n + 1) / threads * 16;
    } else {
        int64_t first = tiles * n / threads * 6, end = n + 1 == threads ? gemm->rows : tiles * (n + 1) / threads * 6;
        part.gemm.rows = end - first;
        part.gemm.a = (const char *)gemm->a + first * gemm->a_down * item;
        part.gemm.out = (char *)gemm->out + first * gemm->out_down * item;
    }
    return part;
}

/* The scratch of the last product, kept for the next one: taken and put back whole, so that no two products share it. */
typedef struct {
    int threads;
    _Alignas(64) char bytes[];
} Scratch;

static _Atomic(Scratch *) spare = NULL;

static Scratch *take_scratch(int threads) {
    Scratch *scratch = atomic_exchange(&spare, NULL);
    if (scratch != NULL && scratch->threads >= threads)
        return scratch;
    free(scratch);
    size_t size = sizeof(Scratch) + (size_t)threads * GEMM_SCRATCH;
    scratch = aligned_alloc(64, (size + 63) / 64 * 64);
    if (scratch != NULL)
        scratch->threads = threads;
    return scratch;
}

/* 0; -1 where there is no memory for what the threads need. */
static int run_gemm(const Gemm *gemm, int64_t item, int threads) {
    double work = 2.0 * (double)gemm->rows * (double)gemm->depth * (double)gemm->columns;
    int64_t panels = (gemm->columns + 15) / 16, tiles = (gemm->rows + 5) / 6;
    if (threads > MOST_THREADS)
        threads = MOST_THREADS;
    if (work < SMALL_WORK || threads < 1)
        threads = 1;
    if (threads > panels && threads > tiles)
        threads = (int)(panels > tiles ? panels : tiles);
    Scratch *scratch = take_scratch(threads);
    if (scratch == NULL)
        return -1;
    Part part[MOST_THREADS];
    pthread_t thread[MOST_THREADS];
    for (int n = 0; n < threads; n++)
        part[n] = part_of(gemm, item, n, threads, scratch->bytes + n * GEMM_SCRATCH);
    int started = 1;
    while (started < threads && pthread_create(&thread[started], NULL, run_part, &part[started]) == 0)
        started++;
    run_part(&part[0]);
    for (int n = started; n < threads; n++) /* no thread to be had: this one does its part */
        run_part(&part[n]);
    for (int n = 1; n < started; n++)
        pthread_join(thread[n], NULL);
    free(atomic_exchange(&spare, scratch));
    return 0;
}

/* A matrix of float or double; strides in elements. */
static int matrix(PyObject *array, Py_buffer *view, int64_t *down, int64_t *right, int flags) {
    if (PyObject_GetBuffer(array, view, PyBUF_STRIDES | flags) != 0)
        return -1;
    if (view->ndim != 2 || (view->itemsize != sizeof(float) && view->itemsize != sizeof(double))) {
        PyErr_SetString(PyExc_ValueError, "gemm: expected matrices of float32 or float64");
        PyBuffer_Release(view);
        return -1;
    }
    *down = view->strides[0] / view->itemsize;
    *right = view->strides[1] / view->itemsize;
    return 0;
}

static PyObject *gemm(PyObject *module, PyObject *const *args, Py_ssize_t n) {
    Py_buffer a, b, out;
    Gemm g;
    int64_t right;
    if (n != 5)
        return PyErr_Format(PyExc_TypeError, "gemm: expected a, b, out, accumulate, threads");
    g.add = PyObject_IsTrue(args[3]);
    long threads = PyLong_AsLong(args[4]);
    if (g.add < 0 || (threads == -1 && PyErr_Occurred()))
        return NULL;
    if (matrix(args[0], &a, &g.a_down, &g.a_right, 0) != 0)
        return NULL;
    if (matrix(args[1], &b, &g.b_down, &g.b_right, 0) != 0) {
        PyBuffer_Release(&a);
        return NULL;
    }
    if (matrix(args[2], &out, &g.out_down, &right, PyBUF_WRITABLE) != 0) {
        PyBuffer_Release(&a);
        PyBuffer_Release(&b);
        return NULL;
    }
    g.rows = a.shape[0];
    g.depth = a.shape[1];
    g.columns = b.shape[1];
    g.a = a.buf;
    g.b = b.buf;
    g.out = out.buf;
    if (right != 1 && g.columns != 1 && g.out_down == 1) { /* out stands column by column: out^T = b^T a^T */
        Gemm t = {g.columns, g.depth, g.rows, g.b, g.a, g.out, g.b_right, g.b_down, g.a_right, g.a_down, right, g.add};
        g = t;
        right = 1;
    }
    int fits = b.shape[0] == a.shape[1] && out.shape[0] == a.shape[0] && out.shape[1] == b.shape[1] && g.depth > 0 &&
               (right == 1 || g.columns == 1) && a.itemsize == b.itemsize && a.itemsize == out.itemsize;
    int failed = 0;
    if (fits) {
        Py_BEGIN_ALLOW_THREADS;
        failed = run_gemm(&g, a.itemsize, (int)threads);
        Py_END_ALLOW_THREADS;
    }
    PyBuffer_Release(&a);
    PyBuffer_Release(&b);
    PyBuffer_Release(&out);
    if (!fits)
        return PyErr_Format(PyExc_ValueError, "gemm: the shapes, dtypes or layouts do not fit together");
    if (failed)
        return PyErr_NoMemory();
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"gemm", (PyCFunction)(void (*)(void))gemm, METH_FASTCALL,
     PyDoc_STR("gemm(a, b, out, accumulate, threads): out = a @ b, or added to; float32 or float64 matrices.")},
    {"loop", make_loop, METH_VARARGS,
     PyDoc_STR("loop(name, backward, steps, lanes, itemsize, threads, W, (x, y, h_prev), arguments, cuts): see loop.h; "
               "None where there is no such body.")},
    {"bind", bind, METH_VARARGS,
     PyDoc_STR("bind(name, arguments, rows_at, dims): the exported body `name`, or None where there is none.")},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "_native", PyDoc_STR("Compiled bodies of fused operations."), -1, methods, 0, 0, 0, 0,
};

PyMODINIT_FUNC PyInit__native(void) {
    if (PyType_Ready(&BoundType) < 0 || PyType_Ready(&BoundLoopType) < 0)
        return NULL;
    return PyModule_Create(&definition);
}
