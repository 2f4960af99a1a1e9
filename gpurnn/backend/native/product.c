/* Products of matrices and sums of rows, shared among threads. */
#include "python.h"

#include <stdatomic.h>

#include "kernels.h"
#include "parallel.h"

typedef struct {
    Gemm gemm;
    const Kernels *kernels;
    int64_t item;
    char *scratch;
} Product;

/* Some of the columns of a product, or where those are few some of its rows. */
static void part_of_product(void *given, int part, int parts) {
    const Product *product = given;
    Gemm gemm = product->gemm;
    int64_t height = product->kernels->tile_rows, width = product->kernels->tile_columns, first = 0, end = gemm.columns;
    if (gemm.few || tiles_in(gemm.columns, width) >= 8 * parts || tiles_in(gemm.rows, height) < parts) {
        first = end_of_part(gemm.columns, width, part - 1, parts);
        end = end_of_part(gemm.columns, width, part, parts);
    } else {
        int64_t top = end_of_part(gemm.rows, height, part - 1, parts);
        gemm.rows = end_of_part(gemm.rows, height, part, parts) - top;
        gemm.a = (const char *)gemm.a + top * gemm.a_down * product->item;
        gemm.out = (char *)gemm.out + top * gemm.out_down * product->item;
    }
    product->kernels->run_gemm(&gemm, first, end, product->scratch + part * GEMM_SCRATCH);
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
    scratch = allocate((int64_t)sizeof(Scratch) + threads * (int64_t)GEMM_SCRATCH);
    if (scratch != NULL)
        scratch->threads = threads;
    return scratch;
}

/* 0; -1 where there is no memory for what the threads need. */
static int run_gemm(Gemm *gemm, const Kernels *kernels, int64_t item, int threads) {
    double work = 2.0 * (double)gemm->rows * (double)gemm->depth * (double)gemm->columns;
    gemm->few = gemm->rows < 4 && gemm->b_right == 1;
    if (gemm->few) /* b is read for each row */
        work = reading(work / 2 * (double)item);
    int64_t across = tiles_in(gemm->columns, kernels->tile_columns), down = tiles_in(gemm->rows, kernels->tile_rows);
    threads = threads_for(work, across > down ? across : down, threads);
    Scratch *scratch = take_scratch(threads);
    if (scratch == NULL)
        return -1;
    Product product = {*gemm, kernels, item, scratch->bytes};
    in_parallel(threads, part_of_product, &product);
    free(atomic_exchange(&spare, scratch));
    return 0;
}

/* A matrix of real numbers, aligned, and contiguous along one axis. */
typedef struct {
    Py_buffer view;
    int64_t rows, columns, down, right; /* the last two: how far the next row and column are, in elements */
    int by_rows; /* whether the columns of a row stand side by side, otherwise it is the rows of a column */
} Matrix;

/* Whether `count` runs of `length` elements each stand one behind the other, each without gaps. */
static int runs_apart(int64_t count, int64_t length, int64_t next, int64_t across, int64_t item) {
    return (across == item || length == 1) && (count == 1 || (next >= length * item && next % item == 0));
}

/* Takes hold of a matrix; 0 where it is none. */
static int take_matrix(PyObject *array, int flags, Matrix *matrix) {
    Py_buffer *view = &matrix->view;
    if (!hold(array, "fd", flags, view))
        return 0;
    if (view->ndim == 2 && view->len > 0) {
        int64_t item = view->itemsize, rows = view->shape[0], columns = view->shape[1];
        int64_t down = view->strides[0], right = view->strides[1];
        int by_rows = runs_apart(rows, columns, down, right, item);
        if (by_rows || runs_apart(columns, rows, right, down, item)) {
            *matrix = (Matrix){*view, rows, columns, down / item, right / item, by_rows};
            return 1;
        }
    }
    PyBuffer_Release(view);
    return 0;
}

/* Where the memory of a matrix ends, with the gaps between its runs. */
static const char *end_of(const Matrix *m) {
    return (const char *)m->view.buf + ((m->rows - 1) * m->down + (m->columns - 1) * m->right + 1) * m->view.itemsize;
}

static int matrices_apart(const Matrix *a, const Matrix *b) {
    return end_of(a) <= (const char *)b->view.buf || end_of(b) <= (const char *)a->view.buf;
}

/* Takes hold of a, b and out, in this order; how many could be. */
static int take_matrices(PyObject *const *args, Matrix *matrix) {
    int got = 0;
    while (got < 3 && take_matrix(args[got], got == 2 ? PyBUF_WRITABLE : 0, &matrix[got]))
        got++;
    return got;
}

static int fit_together(const Matrix *a, const Matrix *b, const Matrix *out) {
    return a->columns == b->rows && out->rows == a->rows && out->columns == b->columns &&
           a->view.itemsize == b->view.itemsize && a->view.itemsize == out->view.itemsize && matrices_apart(a, out) &&
           matrices_apart(b, out);
}

PyObject *gemm(PyObject *module, PyObject *const *args, Py_ssize_t n) {
    Matrix matrix[3], *a = &matrix[0], *b = &matrix[1], *out = &matrix[2];
    if (n != 6)
        return PyErr_Format(PyExc_TypeError, "gemm: expected a, b, out, accumulate, threads, set");
    int add = PyObject_IsTrue(args[3]), failed = 0;
    long threads = PyLong_AsLong(args[4]);
    if (add < 0 || (threads == -1 && PyErr_Occurred()))
        return NULL;
    const InstructionSet *set = set_number(PyLong_AsLong(args[5]));
    if (set == NULL)
        return NULL;
    int got = take_matrices(args, matrix), fits = got == 3 && fit_together(a, b, out);
    if (fits) {
        Gemm g = {a->rows, a->columns, b->columns, a->view.buf, b->view.buf, out->view.buf,
                  a->down, a->right, b->down, b->right, out->down, add, 0};
        if (!out->by_rows) /* out stands column by column: out^T = b^T a^T */
            g = (Gemm){b->columns, a->columns, a->rows, b->view.buf, a->view.buf, out->view.buf,
                       b->right, b->down, a->right, a->down, out->right, add, 0};
        int64_t item = out->view.itemsize;
        Py_BEGIN_ALLOW_THREADS;
        failed = run_gemm(&g, kernels_for(set, item), item, (int)threads);
        Py_END_ALLOW_THREADS;
    }
    while (got > 0)
        PyBuffer_Release(&matrix[--got].view);
    return failed ? PyErr_NoMemory() : PyBool_FromLong(fits);
}

typedef struct {
    const Kernels *kernels;
    int64_t n, width, rows, item;
    const char *from;
    const intptr_t *row;
    char *to;
} Rows;

/* Some columns of sums of rows: every element is summed in the order of the rows. */
static void part_of_rows(void *given, int part, int parts) {
    const Rows *r = given;
    int64_t columns = r->kernels->tile_columns, first = end_of_part(r->width, columns, part - 1, parts);
    int64_t end = end_of_part(r->width, columns, part, parts);
    for (int64_t i = 0; i < r->rows; i++)
        memset(r->to + (i * r->width + first) * r->item, 0, (size_t)((end - first) * r->item));
    r->kernels->add_rows(r->n, end - first, r->width, r->from + first * r->item, r->row, r->to + first * r->item);
}

/* Takes hold of real numbers (n, width), row numbers (n,) and real numbers (rows, width) of one dtype, the row numbers
   under `rows`, and what is written apart from the others; 0 where they do not fit. first_written: whether the first is,
   otherwise the last. */
static int take_rows(PyObject *few, PyObject *row, PyObject *table, int first_written, Py_buffer view[3]) {
    PyObject *arrays[] = {few, row, table};
    int got = 0, written = first_written ? 0 : 2, flags = PyBUF_C_CONTIGUOUS;
    while (got < 3 && hold(arrays[got], got == 1 ? "ilq" : "fd", flags | (got == written ? PyBUF_WRITABLE : 0), &view[got]))
        got++;
    if (got == 3 && view[0].ndim == 2 && view[1].ndim == 1 && view[2].ndim == 2 && view[1].itemsize == sizeof(intptr_t) &&
        view[0].shape[0] == view[1].shape[0] && view[0].shape[1] == view[2].shape[1] &&
        view[0].itemsize == view[2].itemsize && apart(&view[0], &view[2]) && apart(&view[1], &view[written]) &&
        numbers_below(&view[1], view[2].shape[0]))
        return 1;
    while (got > 0)
        PyBuffer_Release(&view[--got]);
    return 0;
}

static void release(Py_buffer view[3]) {
    for (int i = 0; i < 3; i++)
        PyBuffer_Release(&view[i]);
}

typedef struct {
    int64_t n, bytes; /* bytes: of a row */
    const char *table;
    const intptr_t *row;
    char *out;
} Gather;

static void part_of_gather(void *given, int part, int parts) {
    const Gather *g = given;
    for (int64_t i = g->n * part / parts; i < g->n * (part + 1) / parts; i++)
        memcpy(g->out + i * g->bytes, g->table + g->row[i] * g->bytes, (size_t)g->bytes);
}

PyObject *gather_rows(PyObject *module, PyObject *const *args, Py_ssize_t n) {
    Py_buffer view[3], *out = &view[0], *row = &view[1], *table = &view[2];
    if (n != 4)
        return PyErr_Format(PyExc_TypeError, "gather_rows: expected table, row, out, threads");
    long threads = PyLong_AsLong(args[3]);
    if (threads == -1 && PyErr_Occurred())
        return NULL;
    if (!take_rows(args[2], args[1], args[0], 1, view))
        Py_RETURN_FALSE;
    Gather gather = {out->shape[0], out->shape[1] * out->itemsize, table->buf, row->buf, out->buf};
    Py_BEGIN_ALLOW_THREADS;
    in_parallel(threads_for(reading((double)out->len), gather.n, (int)threads), part_of_gather, &gather);
    Py_END_ALLOW_THREADS;
    release(view);
    Py_RETURN_TRUE;
}

PyObject *add_rows(PyObject *module, PyObject *const *args, Py_ssize_t n) {
    Py_buffer view[3], *from = &view[0], *row = &view[1], *to = &view[2];
    if (n != 5)
        return PyErr_Format(PyExc_TypeError, "add_rows: expected source, row, out, threads, set");
    long threads = PyLong_AsLong(args[3]);
    if (threads == -1 && PyErr_Occurred())
        return NULL;
    const InstructionSet *set = set_number(PyLong_AsLong(args[4]));
    if (set == NULL)
        return NULL;
    if (!take_rows(args[0], args[1], args[2], 0, view))
        Py_RETURN_FALSE;
    const Kernels *kernels = kernels_for(set, to->itemsize);
    Rows rows = {kernels, from->shape[0], from->shape[1], to->shape[0], to->itemsize, from->buf, row->buf, to->buf};
    double work = 8.0 * (double)rows.width * (double)(rows.n + rows.rows);
    Py_BEGIN_ALLOW_THREADS;
    in_parallel(threads_for(work, tiles_in(rows.width, kernels->tile_columns), (int)threads), part_of_rows, &rows);
    Py_END_ALLOW_THREADS;
    release(view);
    Py_RETURN_TRUE;
}
