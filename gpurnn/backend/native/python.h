/* What the files that talk to Python share. */
#ifndef GPURNN_PYTHON_H
#define GPURNN_PYTHON_H

#define PY_SSIZE_T_CLEAN
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <Python.h>
#include <stdint.h>
#include <stdlib.h>

#include "kernels.h"

extern PyTypeObject BoundType, BoundLoopType, BoundProductType;

#define MOST_AXES 4

/* What an operation takes: an array of NumPy's with one of these formats of the buffer protocol and bytes of an element,
   in C order, aligned, and writeable where it is written. */
typedef struct {
    char formats[4];
    int item, written, axes, by_row; /* by_row: the first axis is that of the rows, which threads share */
    uint64_t hazards; /* the arrays after this one that may not share memory with it, a bit each */
    int64_t extent[MOST_AXES]; /* -n: n times as many as the first array has rows */
    int64_t below; /* of row numbers: what all are under; 0: anything goes */
} Expected;

/* These say whether an array fits, without an exception; `view` has to be released only where it does. */
int hold(PyObject *array, const char *formats, int flags, Py_buffer *view);
int take(PyObject *array, const Expected *want, int64_t rows, Py_buffer *view); /* rows: -1 for the first */

/* Whether all row numbers are at least 0 and under `below`; whether memory without gaps is apart. */
int numbers_below(const Py_buffer *view, int64_t below);
int apart(const Py_buffer *a, const Py_buffer *b);
int all_apart(int count, const Expected *want, const Py_buffer *view);

int parse_expected(PyObject *given, Expected *want); /* from a tuple, see module.c; -1 with an exception set */
int find_array_type(void); /* once, before the others; -1 with an exception set */

/* The instruction set of that number, see `instructions`; NULL with an exception set where there is none. */
const InstructionSet *set_number(long number);

/* The body of an operation for numbers of so many bytes, if it was written for arguments that are described so; NULL
   without one. See Operation. */
Body *find(const char *name, const char *takes, const InstructionSet *set, int64_t item);

/* Memory for a packed matrix, given back by `free`: a vector that crosses a line of the cache is read twice. */
static inline void *allocate(int64_t bytes) { return aligned_alloc(64, ((size_t)bytes + 63) / 64 * 64); }

PyObject *instructions(PyObject *module, PyObject *bf16);
PyObject *bind(PyObject *module, PyObject *args);
PyObject *has(PyObject *module, PyObject *args);
PyObject *mask(PyObject *module, PyObject *args);
PyObject *bind_product(PyObject *module, PyObject *args);
PyObject *make_loop(PyObject *module, PyObject *args);
PyObject *gemm(PyObject *module, PyObject *const *args, Py_ssize_t n);
PyObject *gather_rows(PyObject *module, PyObject *const *args, Py_ssize_t n);
PyObject *add_rows(PyObject *module, PyObject *const *args, Py_ssize_t n);

#endif
