/* A compiled body of a fused operation, bound to its dimensions. */
#include "python.h"

#include <dlfcn.h>
#include <stddef.h>

#define MOST_DIMENSIONS 4

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

PyTypeObject BoundType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "gpurnn.backend._native.Bound",
    .tp_basicsize = sizeof(Bound),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL,
    .tp_vectorcall_offset = offsetof(Bound, call),
    .tp_call = PyVectorcall_Call,
    .tp_doc = PyDoc_STR("A compiled body bound to its dimensions; call it with the operation's arrays."),
};

/* The exported function of this very library with that name, or NULL. */
Body find(const char *name) {
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

PyObject *bind(PyObject *module, PyObject *args) {
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
