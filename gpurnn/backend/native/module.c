/* gpurnn.backend._native: compiled bodies of fused operations, called with arrays through the buffer protocol. */
#include "python.h"

static PyMethodDef methods[] = {
    {"gemm", (PyCFunction)(void (*)(void))gemm, METH_FASTCALL,
     PyDoc_STR("gemm(a, b, out, accumulate, threads): out = a @ b, or added to; False where that does not fit.")},
    {"gather_rows", (PyCFunction)(void (*)(void))gather_rows, METH_FASTCALL,
     PyDoc_STR("gather_rows(table, row, out): out[i] = table[row[i]]; False where that does not fit.")},
    {"add_rows", (PyCFunction)(void (*)(void))add_rows, METH_FASTCALL,
     PyDoc_STR("add_rows(source, row, out, threads): out = 0, then out[row[i]] += source[i] for each i in turn; False "
               "where that does not fit.")},
    {"mask", mask, METH_VARARGS,
     PyDoc_STR("mask(out, window, seed, layer, p, scale, threads): see Backend.dropout_mask; False where that does not "
               "fit.")},
    {"loop", make_loop, METH_VARARGS,
     PyDoc_STR("loop(name, takes, backward, steps, lanes, itemsize, threads, W, (x, y), arguments, before, errors, "
               "refuse): see loop.h; `refuse` gets calls that do not fit; "
               "None where there is no such body.")},
    {"has", has, METH_VARARGS,
     PyDoc_STR("has(name, takes): whether there is an exported body `name` that was written for such arguments.")},
    {"bind", bind, METH_VARARGS,
     PyDoc_STR("bind(name, takes, run, refuse, rows_at, most_rows, threads, dims, expected): a callable that runs that "
               "body, or `run` without one, on arrays that are as expected, and hands all others to `refuse`.\n\n"
               "rows_at: the dimension that threads share, or -1; most_rows: see Bound; expected: for each array "
               "(formats, itemsize, written, by_row, below, hazards, extents), see Expected.")},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "_native", PyDoc_STR("Compiled bodies of fused operations."), -1, methods, 0, 0, 0, 0,
};

PyMODINIT_FUNC PyInit__native(void) {
    if (find_array_type() < 0 || PyType_Ready(&BoundType) < 0 || PyType_Ready(&BoundLoopType) < 0)
        return NULL;
    PyObject *module = PyModule_Create(&definition);
    if (module != NULL && (PyModule_AddIntConstant(module, "MOST_ARGUMENTS", MOST_ARGUMENTS) < 0 ||
                           PyModule_AddIntConstant(module, "MOST_AXES", MOST_AXES) < 0))
        Py_CLEAR(module);
    return module;
}
