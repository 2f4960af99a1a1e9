/* gpurnn.backend._native: compiled bodies of fused operations, called with arrays through the buffer protocol. */
#include "python.h"

static PyMethodDef methods[] = {
    {"gemm", (PyCFunction)(void (*)(void))gemm, METH_FASTCALL,
     PyDoc_STR("gemm(a, b, out, accumulate, threads): out = a @ b, or added to; float32 or float64 matrices.")},
    {"add_rows", (PyCFunction)(void (*)(void))add_rows, METH_FASTCALL,
     PyDoc_STR("add_rows(source, row, out, threads): out = 0, then out[row[i]] += source[i] for each i in turn.")},
    {"loop", make_loop, METH_VARARGS,
     PyDoc_STR("loop(name, backward, steps, lanes, itemsize, threads, W, (x, y), arguments, before, errors): see "
               "loop.h; "
               "None where there is no such body.")},
    {"bind", bind, METH_VARARGS,
     PyDoc_STR("bind(name, arguments, rows_at, by_row, threads, dims): the exported body `name`, or None where there is "
               "none. rows_at: the dimension that threads share; by_row: the arguments that have it first, a bit each.")},
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
