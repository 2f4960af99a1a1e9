/* The loop over the steps of a window, bound to its arrays and shared among threads. */
#include "python.h"

#include "kernels.h"
#include "parallel.h"

#define PACKING 50.0 /* operations of a product that take as long as packing a number of its matrix */

/* A loop over the steps of a window, bound to its arrays. */
typedef struct {
    PyObject_HEAD
    const Kernels *kernels;
    Loop loop;
    Py_buffer held[MOST_ARGUMENTS + 3]; /* keeps every array where it is */
    PyObject *refuse;
    int holding, threads;
    int64_t most_steps, down, right, item;
    const void *w;
} BoundLoop;

/* A call: the loop with its number of steps and carry. Other calls at the same time leave them alone. */
typedef struct {
    const BoundLoop *bound;
    Loop loop;
} LoopCall;

/* Some columns of the matrix, packed for the products. */
static void part_of_matrix(void *given, int part, int parts) {
    const BoundLoop *bound = given;
    const Loop *loop = &bound->loop;
    int64_t width = bound->kernels->tile_columns, first = end_of_part(loop->columns, width, part - 1, parts);
    bound->kernels->pack_matrix(loop->rows, loop->columns, bound->w, bound->down, bound->right, loop->packed, first,
                                end_of_part(loop->columns, width, part, parts));
}

/* Lanes do not depend on each other: each thread takes some and none waits for another. */
static void part_of_lanes(void *given, int part, int parts) {
    const LoopCall *call = given;
    const Loop *loop = &call->loop;
    call->bound->kernels->run_loop(loop, loop->lanes * part / parts, loop->lanes * (part + 1) / parts);
}

static void run_loop(LoopCall *call) {
    const BoundLoop *bound = call->bound;
    const Loop *loop = &call->loop;
    double size = (double)loop->rows * (double)loop->columns, work = 2.0 * (double)loop->lanes * size * (double)loop->steps;
    int64_t tiles = tiles_in(loop->columns, bound->kernels->tile_columns);
    in_parallel(threads_for(PACKING * size, tiles, bound->threads), part_of_matrix, (void *)bound);
    in_parallel(threads_for(work, loop->lanes, bound->threads), part_of_lanes, call);
}

/* Takes hold of carry, (at least `steps`, B, 1) and apart from every other array; 0 where it does not fit. */
static int take_carry(const BoundLoop *bound, PyObject *carry, int64_t steps, Py_buffer *view) {
    Expected want = {.formats = {bound->item == sizeof(float) ? 'f' : 'd'}, .item = (int)bound->item, .axes = 3,
                     .extent = {-1, bound->loop.lanes, 1}};
    if (!take(carry, &want, -1, view))
        return 0;
    int fits = view->shape[0] >= steps;
    for (int i = 0; fits && i < bound->holding; i++)
        fits = apart(view, &bound->held[i]);
    if (!fits)
        PyBuffer_Release(view);
    return fits;
}

static PyObject *loop_call(PyObject *self, PyObject *args, PyObject *names) {
    BoundLoop *bound = (BoundLoop *)self;
    PyObject *carry = PyTuple_GET_SIZE(args) == 2 ? PyTuple_GET_ITEM(args, 1) : NULL;
    Py_buffer view = {0};
    long long steps = carry == NULL || names != NULL ? -1 : PyLong_AsLongLong(PyTuple_GET_ITEM(args, 0));
    PyErr_Clear();
    if (steps < 1 || steps > bound->most_steps || (carry != Py_None && !take_carry(bound, carry, steps, &view))) {
        PyObject *nothing = PyObject_Call(bound->refuse, args, names); /* it says what is wrong */
        Py_XDECREF(nothing);
        return nothing == NULL ? NULL : PyErr_Format(PyExc_ValueError, "carry: expected memory of its own");
    }
    LoopCall call = {bound, bound->loop};
    call.loop.steps = steps;
    call.loop.carry = view.buf;
    Py_BEGIN_ALLOW_THREADS;
    run_loop(&call);
    Py_END_ALLOW_THREADS;
    if (carry != Py_None)
        PyBuffer_Release(&view);
    Py_RETURN_NONE;
}

static void loop_dealloc(PyObject *self) {
    BoundLoop *bound = (BoundLoop *)self;
    for (int i = 0; i < bound->holding; i++)
        PyBuffer_Release(&bound->held[i]);
    Py_XDECREF(bound->refuse);
    free(bound->loop.packed);
    PyMem_RawFree(bound->loop.seen);
    free(bound->loop.scratch);
    PyObject_Free(self);
}

PyTypeObject BoundLoopType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "gpurnn.backend._native.Loop",
    .tp_basicsize = sizeof(BoundLoop),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_call = loop_call,
    .tp_dealloc = loop_dealloc,
    .tp_doc = PyDoc_STR("All steps of a window; call it with the number of steps and carry (T, B, 1) or None."),
};

/* Takes hold of an array: (T, B, n), where T is 1 for one that every step shares, (B, n), or (n,). */
static int through(BoundLoop *bound, PyObject *array, Through *to) {
    Py_buffer *view = &bound->held[bound->holding];
    if (PyObject_GetBuffer(array, view, PyBUF_C_CONTIGUOUS) != 0)
        return -1;
    bound->holding++;
    if (view->itemsize != bound->item || view->ndim < 1 || view->ndim > 3) {
        PyErr_SetString(PyExc_ValueError, "expected arrays of one dtype with 1 to 3 axes");
        return -1;
    }
    int axes = view->ndim;
    to->base = view->buf;
    to->lane = axes > 1 ? view->strides[axes - 2] : 0;
    to->step = axes == 3 && view->shape[0] > 1 ? view->strides[0] : 0;
    return 0;
}

/* Fills in a new loop; -1 with an exception set. */
static int fill_loop(BoundLoop *bound, PyObject *w, PyObject *ends, PyObject *arguments) {
    Loop *loop = &bound->loop;
    Through matrix;
    if (through(bound, w, &matrix) != 0)
        return -1;
    const Py_ssize_t *shape = bound->held[0].shape;
    bound->w = matrix.base;
    bound->down = loop->backward ? 1 : shape[1];
    bound->right = loop->backward ? shape[1] : 1;
    loop->rows = shape[loop->backward ? 1 : 0];
    loop->columns = shape[loop->backward ? 0 : 1];
    loop->hidden = shape[0];
    PyObject *x, *y;
    if (!PyArg_ParseTuple(ends, "OO", &x, &y) || through(bound, x, &loop->x) != 0 || through(bound, y, &loop->y) != 0)
        return -1;
    int copies = 1; /* x */
    for (int i = 0; i < loop->arguments; i++) {
        if (through(bound, PyTuple_GET_ITEM(arguments, i), &loop->arg[i]) != 0)
            return -1;
        copies += loop->masked >> i & 1;
    }
    const Kernels *kernels = bound->kernels;
    loop->times_packed = kernels->times_packed;
    loop->lane_bytes = kernels->lane_bytes == NULL ? 0 : kernels->lane_bytes(loop->rows);
    loop->packed = allocate(kernels->packed_bytes(loop->rows, loop->columns));
    loop->seen = PyMem_RawMalloc((size_t)(copies * loop->lanes * loop->hidden * bound->item));
    loop->scratch = allocate(loop->lanes * loop->lane_bytes + 1);
    if (loop->packed == NULL || loop->seen == NULL || loop->scratch == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    return 0;
}

PyObject *make_loop(PyObject *module, PyObject *args) {
    const char *name, *takes;
    int number, backward, threads;
    long long steps, lanes, item;
    unsigned long long masked, cleared;
    PyObject *w, *ends, *arguments, *refuse;
    if (!PyArg_ParseTuple(args, "ssiiLLLiOO!O!KKO", &name, &takes, &number, &backward, &steps, &lanes, &item, &threads,
                          &w, &PyTuple_Type, &ends, &PyTuple_Type, &arguments, &masked, &cleared, &refuse))
        return NULL;
    const InstructionSet *set = set_number(number);
    if (set == NULL)
        return NULL;
    Body *body = find(name, takes, set, item);
    if (body == NULL)
        Py_RETURN_NONE;
    if (PyTuple_GET_SIZE(arguments) > MOST_ARGUMENTS)
        return PyErr_Format(PyExc_ValueError, "%s: more than %d arguments", name, MOST_ARGUMENTS);
    BoundLoop *bound = PyObject_New(BoundLoop, &BoundLoopType);
    if (bound == NULL)
        return NULL;
    memset((char *)bound + sizeof(PyObject), 0, sizeof(BoundLoop) - sizeof(PyObject));
    bound->kernels = kernels_for(set, item);
    bound->loop.body = body;
    bound->loop.backward = backward;
    bound->loop.arguments = (int)PyTuple_GET_SIZE(arguments);
    bound->loop.masked = masked;
    bound->loop.cleared = cleared;
    bound->loop.lanes = lanes;
    bound->most_steps = steps;
    bound->item = item;
    bound->threads = threads;
    bound->refuse = Py_NewRef(refuse);
    if (fill_loop(bound, w, ends, arguments) != 0) {
        Py_DECREF(bound);
        return NULL;
    }
    return (PyObject *)bound;
}
