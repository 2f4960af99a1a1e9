/* Products of matrices and sums of rows, shared among threads. */
#include "python.h"

#include <stdatomic.h>

#include "gemm.h"
#include "parallel.h"

typedef struct {
    Gemm gemm;
    int64_t item;
    char *scratch;
} Product;

/* Some of the columns of a product, or where those are few some of its rows. */
static void part_of_product(void *given, int part, int parts) {
    const Product *product = given;
    Gemm gemm = product->gemm;
    int64_t first = 0, end = gemm.columns, panels = (gemm.columns + 15) / 16, tiles = (gemm.rows + 5) / 6;
    if (panels >= 8 * parts || tiles < parts) {
        first = panels * part / parts * 16;
        end = part + 1 == parts ? gemm.columns : panels * (part + 1) / parts * 16;
    } else {
        int64_t top = tiles * part / parts * 6, bottom = part + 1 == parts ? gemm.rows : tiles * (part + 1) / parts * 6;
        gemm.rows = bottom - top;
        gemm.a = (const char *)gemm.a + top * gemm.a_down * product->item;
        gemm.out = (char *)gemm.out + top * gemm.out_down * product->item;
    }
    (product->item == sizeof(float) ? run_gemm_float : run_gemm_double)(&gemm, first, end,
                                                                        product->scratch + part * GEMM_SCRATCH);
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
    int64_t panels = (gemm->columns + 15) / 16, tiles = (gemm->rows + 5) / 6, most = panels > tiles ? panels : tiles;
    threads = threads_for(work, most, threads);
    Scratch *scratch = take_scratch(threads);
    if (scratch == NULL)
        return -1;
    Product product = {*gemm, item, scratch->bytes};
    in_parallel(threads, part_of_product, &product);
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

PyObject *gemm(PyObject *module, PyObject *const *args, Py_ssize_t n) {
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

typedef struct {
    int64_t n, width, rows, item;
    const char *from;
    const intptr_t *row;
    char *to;
} Rows;

/* Some columns of sums of rows: every element is summed in the order of the rows. */
static void part_of_rows(void *given, int part, int parts) {
    const Rows *r = given;
    int64_t panels = (r->width + 15) / 16, first = panels * part / parts * 16;
    int64_t end = part + 1 == parts ? r->width : panels * (part + 1) / parts * 16;
    for (int64_t i = 0; i < r->rows; i++)
        memset(r->to + (i * r->width + first) * r->item, 0, (size_t)((end - first) * r->item));
    (r->item == sizeof(float) ? add_rows_float : add_rows_double)(
        r->n, end - first, r->width, r->from + first * r->item, r->row, r->to + first * r->item);
}

PyObject *add_rows(PyObject *module, PyObject *const *args, Py_ssize_t n) {
    Py_buffer from, row, to;
    if (n != 4)
        return PyErr_Format(PyExc_TypeError, "add_rows: expected source, row, out, threads");
    long threads = PyLong_AsLong(args[3]);
    if (threads == -1 && PyErr_Occurred())
        return NULL;
    if (PyObject_GetBuffer(args[0], &from, PyBUF_C_CONTIGUOUS) != 0)
        return NULL;
    if (PyObject_GetBuffer(args[1], &row, PyBUF_C_CONTIGUOUS) != 0) {
        PyBuffer_Release(&from);
        return NULL;
    }
    if (PyObject_GetBuffer(args[2], &to, PyBUF_C_CONTIGUOUS | PyBUF_WRITABLE) != 0) {
        PyBuffer_Release(&from);
        PyBuffer_Release(&row);
        return NULL;
    }
    int fits = from.ndim == 2 && row.ndim == 1 && to.ndim == 2 && row.itemsize == sizeof(intptr_t) &&
               from.shape[0] == row.shape[0] && from.shape[1] == to.shape[1] && from.itemsize == to.itemsize &&
               (to.itemsize == sizeof(float) || to.itemsize == sizeof(double));
    for (Py_ssize_t i = 0; fits && i < row.shape[0]; i++)
        fits = ((const intptr_t *)row.buf)[i] >= 0 && ((const intptr_t *)row.buf)[i] < to.shape[0];
    if (fits) {
        Rows rows = {from.shape[0], from.shape[1], to.shape[0], to.itemsize, from.buf, row.buf, to.buf};
        double work = 8.0 * (double)rows.width * (double)(rows.n + rows.rows);
        Py_BEGIN_ALLOW_THREADS;
        in_parallel(threads_for(work, (rows.width + 15) / 16, (int)threads), part_of_rows, &rows);
        Py_END_ALLOW_THREADS;
    }
    PyBuffer_Release(&from);
    PyBuffer_Release(&row);
    PyBuffer_Release(&to);
    if (!fits)
        return PyErr_Format(PyExc_ValueError, "add_rows: the shapes, dtypes or row numbers do not fit together");
    Py_RETURN_NONE;
}
