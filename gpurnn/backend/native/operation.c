/* A compiled body of a fused operation, bound to its dimensions. */
#include "python.h"

#include <dlfcn.h>
#include <stddef.h>

#include "parallel.h"
#include "real.h"

typedef struct {
    PyObject_HEAD
    vectorcallfunc call;
    Body body;
    int arguments, threads;
    int rows_at; /* which dimension is that of the first array's rows, -1 for none */
    long long by_row; /* the arguments that have these rows, a bit each */
    int64_t dim[DIMENSIONS];
} Bound;

typedef struct {
    const Bound *bound;
    char *pointer[MOST_ARGUMENTS];
    int64_t bytes[MOST_ARGUMENTS]; /* of a row; 0 for what all rows share */
    int64_t rows;
} Call;

static void part_of_call(void *given, int part, int parts) {
    const Call *call = given;
    int64_t dim[DIMENSIONS], first = call->rows * part / parts;
    void *pointer[MOST_ARGUMENTS];
    memcpy(dim, call->bound->dim, sizeof dim);
    if (call->bound->rows_at >= 0)
        dim[call->bound->rows_at] = call->rows * (part + 1) / parts - first;
    dim[FIRST_ROW] = first;
    for (int i = 0; i < call->bound->arguments; i++)
        pointer[i] = call->pointer[i] + first * call->bytes[i];
    call->bound->body(pointer, dim);
}

static PyObject *bound_call(PyObject *self, PyObject *const *args, size_t flags, PyObject *names) {
    Bound *bound = (Bound *)self;
    Py_buffer view[MOST_ARGUMENTS];
    Call call = {.bound = bound, .rows = 1};
    int got = 0;
    Py_ssize_t n = PyVectorcall_NARGS(flags);
    if (n != bound->arguments || (names != NULL && PyTuple_GET_SIZE(names) != 0))
        return PyErr_Format(PyExc_TypeError, "expected %d arrays, found %zd", bound->arguments, n);
    for (; got < n; got++) {
        if (PyObject_GetBuffer(args[got], &view[got], PyBUF_C_CONTIGUOUS) != 0)
            break;
        call.pointer[got] = view[got].buf;
        if (bound->by_row >> got & 1)
            call.bytes[got] = view[got].strides[0];
    }
    if (got == n) {
        if (bound->rows_at >= 0)
            call.rows = view[0].shape[0];
        double work = 100.0 * (double)(view[0].len / view[0].itemsize); /* as long as so much of a product takes */
        int threads = bound->rows_at < 0 ? 1 : threads_for(work, call.rows, bound->threads);
        if (threads > 1) {
            Py_BEGIN_ALLOW_THREADS;
            in_parallel(threads, part_of_call, &call);
            Py_END_ALLOW_THREADS;
        } else
            in_parallel(1, part_of_call, &call);
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
    int arguments, rows_at, threads;
    long long by_row;
    PyObject *dims;
    if (!PyArg_ParseTuple(args, "siiLiO!", &name, &arguments, &rows_at, &by_row, &threads, &PyTuple_Type, &dims))
        return NULL;
    Body body = find(name);
    if (body == NULL)
        Py_RETURN_NONE;
    if (arguments < 1 || arguments > MOST_ARGUMENTS || PyTuple_GET_SIZE(dims) > FIRST_ROW)
        return PyErr_Format(PyExc_ValueError, "%s: too many arguments or dimensions", name);
    Bound *bound = PyObject_New(Bound, &BoundType);
    if (bound == NULL)
        return NULL;
    bound->call = bound_call;
    bound->body = body;
    bound->arguments = arguments;
    bound->rows_at = rows_at;
    bound->by_row = by_row;
    bound->threads = threads;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(dims); i++)
        bound->dim[i] = PyLong_AsLongLong(PyTuple_GET_ITEM(dims, i));
    if (PyErr_Occurred()) {
        Py_DECREF(bound);
        return NULL;
    }
    return (PyObject *)bound;
}
