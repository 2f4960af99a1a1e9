/* Products of one row with a matrix that stays as it is, such as a step makes that takes one symbol of one text: little is
   computed for much that is read. The matrix is kept packed, and read to and fro, so that what a thread read last still
   stands in its core's cache. */
#include "python.h"

#include <stddef.h>

#include "parallel.h"

typedef struct {
    PyObject_HEAD
    vectorcallfunc call;
    PyObject *refuse;
    const Kernels *kernels;
    Expected x, out;
    int64_t rows, columns, strips, bytes; /* bytes: of the packed matrix */
    int threads, backwards;
    void *packed;
} BoundProduct;

typedef struct {
    const BoundProduct *bound;
    const void *x;
    void *out;
    int backwards;
} ProductCall;

static void part_of_strips(void *given, int part, int parts) {
    const ProductCall *call = given;
    const BoundProduct *bound = call->bound;
    bound->kernels->row_product(bound->rows, bound->columns, call->x, bound->packed, call->out,
                                bound->strips * part / parts, bound->strips * (part + 1) / parts, call->backwards);
}

static PyObject *product_call(PyObject *self, PyObject *const *args, size_t flags, PyObject *names) {
    BoundProduct *bound = (BoundProduct *)self;
    Py_buffer x, out;
    int took_x = PyVectorcall_NARGS(flags) == 2 && names == NULL && take(args[0], &bound->x, -1, &x);
    int took_out = took_x && take(args[1], &bound->out, -1, &out);
    int fits = took_out && apart(&x, &out);
    if (fits) {
        ProductCall call = {bound, x.buf, out.buf, bound->backwards};
        bound->backwards = !bound->backwards;
        Py_BEGIN_ALLOW_THREADS;
        in_parallel(threads_for(reading((double)bound->bytes), bound->strips, bound->threads), part_of_strips, &call);
        Py_END_ALLOW_THREADS;
    }
    if (took_x)
        PyBuffer_Release(&x);
    if (took_out)
        PyBuffer_Release(&out);
    if (fits)
        Py_RETURN_NONE;
    PyObject *nothing = PyObject_Vectorcall(bound->refuse, args, flags, names); /* it says what is wrong */
    Py_XDECREF(nothing);
    return nothing == NULL ? NULL : PyErr_Format(PyExc_SystemError, "a product refuses arrays with which nothing is wrong");
}

static void product_dealloc(PyObject *self) {
    BoundProduct *bound = (BoundProduct *)self;
    Py_XDECREF(bound->refuse);
    free(bound->packed);
    PyObject_Free(self);
}

PyTypeObject BoundProductType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "gpurnn.backend._native.Product",
    .tp_basicsize = sizeof(BoundProduct),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL,
    .tp_vectorcall_offset = offsetof(BoundProduct, call),
    .tp_call = PyVectorcall_Call,
    .tp_dealloc = product_dealloc,
    .tp_doc = PyDoc_STR("out = x @ matrix for the matrix that it was bound to; call it with x (1, rows), out (1, columns)."),
};

/* bind_product(matrix, threads, set, refuse) */
PyObject *bind_product(PyObject *module, PyObject *args) {
    PyObject *matrix, *refuse;
    Py_buffer view;
    int threads, number;
    if (!PyArg_ParseTuple(args, "OiiO", &matrix, &threads, &number, &refuse))
        return NULL;
    const InstructionSet *set = set_number(number);
    if (set == NULL)
        return NULL;
    if (!hold(matrix, "fd", PyBUF_C_CONTIGUOUS, &view))
        Py_RETURN_NONE;
    const Kernels *kernels = kernels_for(set, view.itemsize);
    int fits = view.ndim == 2 && view.len > 0 && kernels->row_product != NULL;
    BoundProduct *bound = fits ? PyObject_New(BoundProduct, &BoundProductType) : NULL;
    if (bound == NULL) {
        PyBuffer_Release(&view);
        return PyErr_Occurred() ? NULL : Py_NewRef(Py_None);
    }
    memset((char *)bound + sizeof(PyObject), 0, sizeof(BoundProduct) - sizeof(PyObject));
    int item = (int)view.itemsize;
    char format = item == sizeof(float) ? 'f' : 'd';
    bound->call = product_call;
    bound->refuse = Py_NewRef(refuse);
    bound->kernels = kernels;
    bound->rows = view.shape[0];
    bound->columns = view.shape[1];
    bound->strips = (bound->columns + kernels->strip - 1) / kernels->strip;
    bound->threads = threads;
    bound->x = (Expected){.formats = {format}, .item = item, .axes = 2, .extent = {1, bound->rows}};
    bound->out = (Expected){.formats = {format}, .item = item, .written = 1, .axes = 2, .extent = {1, bound->columns}};
    bound->bytes = bound->strips * kernels->strip * bound->rows * item;
    bound->packed = allocate(bound->bytes);
    if (bound->packed != NULL)
        kernels->pack_strips(bound->rows, bound->columns, view.buf, bound->packed);
    PyBuffer_Release(&view);
    if (bound->packed == NULL) {
        Py_DECREF(bound);
        return PyErr_NoMemory();
    }
    return (PyObject *)bound;
}
