/* gpurnn.backend._native: compiled bodies of fused operations, called with arrays through the buffer protocol. */
#include "python.h"

const InstructionSet *set_number(long number) {
    long count = 0;
    while (instruction_sets[count].name != NULL)
        count++;
    if (PyErr_Occurred())
        return NULL;
    if (number >= 0 && number < count && instruction_sets[number].runs())
        return &instruction_sets[number];
    PyErr_Format(PyExc_ValueError, "instruction set %ld: there is none of that number that this processor has", number);
    return NULL;
}

PyObject *instructions(PyObject *module, PyObject *bf16) {
    int wanted = PyObject_IsTrue(bf16);
    PyObject *found = wanted < 0 ? NULL : PyList_New(0);
    for (int n = 0; found != NULL && instruction_sets[n].name != NULL; n++) {
        const InstructionSet *set = &instruction_sets[n];
        if (set->bf16 != wanted)
            continue;
        PyObject *entry = set->runs() ? Py_BuildValue("(isO)", n, set->name, set->of_float->fuses ? Py_True : Py_False) : NULL;
        if (set->runs() && (entry == NULL || PyList_Append(found, entry) < 0))
            Py_CLEAR(found);
        Py_XDECREF(entry);
    }
    return found;
}

static PyMethodDef methods[] = {
    {"instructions", instructions, METH_O,
     PyDoc_STR("instructions(bf16): the instruction sets that this processor has, the best first, those whose products of "
               "float32 round their factors to bfloat16 or the others: for each its number, which the others take as "
               "`set`, its name, and whether it rounds a multiplication and an addition once.")},
    {"gemm", (PyCFunction)(void (*)(void))gemm, METH_FASTCALL,
     PyDoc_STR("gemm(a, b, out, accumulate, threads, set): out = a @ b, or added to; False where that does not fit.")},
    {"gather_rows", (PyCFunction)(void (*)(void))gather_rows, METH_FASTCALL,
     PyDoc_STR("gather_rows(table, row, out, threads): out[i] = table[row[i]]; False where that does not fit.")},
    {"add_rows", (PyCFunction)(void (*)(void))add_rows, METH_FASTCALL,
     PyDoc_STR("add_rows(source, row, out, threads, set): out = 0, then out[row[i]] += source[i] for each i in turn; False "
               "where that does not fit.")},
    {"mask", mask, METH_VARARGS,
     PyDoc_STR("mask(out, window, seed, layer, p, scale, threads, set): see Backend.dropout_mask; False where that does not "
               "fit.")},
    {"bind_product", bind_product, METH_VARARGS,
     PyDoc_STR("bind_product(matrix, threads, set, refuse): a callable (x, out): out = x @ matrix for one row, with the "
               "matrix as it stands now; `refuse` gets calls that do not fit; None for a matrix that does not, and where "
               "`set` has no such product.")},
    {"loop", make_loop, METH_VARARGS,
     PyDoc_STR("loop(name, takes, set, backward, steps, lanes, itemsize, threads, matrix, (x, y), arguments, masked, cleared, "
               "refuse): see loop.h; `refuse` gets calls that do not fit; "
               "None where there is no such body.")},
    {"has", has, METH_VARARGS,
     PyDoc_STR("has(name, takes, set, itemsize): whether there is a body of that operation that was written for such arguments.")},
    {"bind", bind, METH_VARARGS,
     PyDoc_STR("bind(name, takes, set, itemsize, run, refuse, rows, most_rows, threads, letters, sizes, expected): a callable "
               "that runs that body, or `run` without one, on arrays that are as expected, and hands all others to "
               "`refuse`.\n\n"
               "rows: the letter of the dimension that threads share, or none; most_rows: see Bound; letters, sizes: of "
               "the dimensions; expected: for each array "
               "(formats, itemsize, written, by_row, below, hazards, extents), see Expected.")},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "_native", PyDoc_STR("Compiled bodies of fused operations."), -1, methods, 0, 0, 0, 0,
};

PyMODINIT_FUNC PyInit__native(void) {
    if (find_array_type() < 0 || PyType_Ready(&BoundType) < 0 || PyType_Ready(&BoundLoopType) < 0 ||
        PyType_Ready(&BoundProductType) < 0)
        return NULL;
    PyObject *module = PyModule_Create(&definition);
    if (module != NULL && (PyModule_AddIntConstant(module, "MOST_ARGUMENTS", MOST_ARGUMENTS) < 0 ||
                           PyModule_AddIntConstant(module, "MOST_AXES", MOST_AXES) < 0))
        Py_CLEAR(module);
    return module;
}
