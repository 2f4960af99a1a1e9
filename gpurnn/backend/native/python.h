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

#include "loop.h"

extern PyTypeObject BoundType, BoundLoopType;

/* The exported body of that name, or NULL. */
Body find(const char *name);

PyObject *bind(PyObject *module, PyObject *args);
PyObject *make_loop(PyObject *module, PyObject *args);
PyObject *gemm(PyObject *module, PyObject *const *args, Py_ssize_t n);
PyObject *add_rows(PyObject *module, PyObject *const *args, Py_ssize_t n);

#endif
