/* A compiled body of a fused operation, bound to its dimensions. */
#include "python.h"

#include <stddef.h>

#include "parallel.h"

typedef struct {
    PyObject_HEAD
    vectorcallfunc call;
    Body *body; /* NULL: `run` does the work */
    PyObject *run, *refuse;
    int arguments, threads;
    char rows; /* the letter of what threads share: N or P, the first array's rows; B, its second axis, where rows follow from
                  one another; another one that is dealt with apart; 0: they share nothing */
    int64_t most_rows; /* a call may have fewer, but at least one; 0: it has what the extents say */
    Expected expected[MOST_ARGUMENTS];
    Dims dims;
} Bound;

typedef struct {
    const Bound *bound;
    char *pointer[MOST_ARGUMENTS];
    int64_t bytes[MOST_ARGUMENTS]; /* of one of what is shared; 0 for what all have */
    int64_t rows, steps; /* how many are shared; the rows of the first array where something else is shared */
} Call;

/* Where a dimension stands; NULL for a letter that no compiled body has. */
static int64_t *dim_of(Dims *dims, char letter) {
    switch (letter) {
        case 'B': return &dims->B;
        case 'C': return &dims->C;
        case 'H': return &dims->H;
        case 'K': return &dims->K;
        case 'L': return &dims->L;
        case 'N': return &dims->N;
        case 'P': return &dims->P;
        case 'Q': return &dims->Q;
        default: return NULL;
    }
}

static void part_of_call(void *given, int part, int parts) {
    const Call *call = given;
    Dims dims = call->bound->dims;
    int64_t first = call->rows * part / parts;
    void *pointer[MOST_ARGUMENTS];
    if (call->bound->rows != 0)
        *dim_of(&dims, call->bound->rows) = call->rows * (part + 1) / parts - first;
    if (call->steps > 0)
        dims.N = call->steps;
    dims.lanes = call->rows;
    dims.first = first;
    for (int i = 0; i < call->bound->arguments; i++)
        pointer[i] = call->pointer[i] + first * call->bytes[i];
    call->bound->body(pointer, &dims);
}

static void run_body(Call *call, const Py_buffer *view) {
    const Bound *bound = call->bound;
    Dims dims = bound->dims;
    int axis = bound->rows == 'B';
    for (int i = 0; i < bound->arguments; i++) {
        call->pointer[i] = view[i].buf;
        call->bytes[i] = bound->expected[i].by_row ? view[i].strides[axis] : 0;
    }
    int apart = bound->rows != 0 && bound->rows != 'B' && bound->rows != 'N' && bound->rows != 'P';
    if (apart)
        call->rows = *dim_of(&dims, bound->rows);
    else if (bound->rows != 0)
        call->rows = view[0].shape[axis];
    call->steps = axis || (apart && bound->most_rows > 0) ? view[0].shape[0] : 0;
    double work = 100.0 * (double)(view[0].len / view[0].itemsize); /* as long as so much of a product takes */
    int threads = bound->rows == 0 ? 1 : threads_for(work, call->rows, bound->threads);
    if (threads > 1) {
        Py_BEGIN_ALLOW_THREADS;
        in_parallel(threads, part_of_call, call);
        Py_END_ALLOW_THREADS;
    } else
        in_parallel(1, part_of_call, call);
}

/* Takes hold of the arrays in turn, until one does not fit; how many. */
static int take_all(const Bound *bound, PyObject *const *args, Py_buffer *view) {
    int64_t rows = -1, most = bound->most_rows;
    int got = 0;
    for (; got < bound->arguments && take(args[got], &bound->expected[got], rows, &view[got]); got++) {
        if (got > 0 || most == 0)
            continue;
        rows = view[0].shape[0];
        if (rows >= 1 && rows <= most)
            continue;
        PyBuffer_Release(&view[0]);
        break;
    }
    return got;
}

/* What is wrong, in words: `refuse` knows it. */
static PyObject *refused(const Bound *bound, PyObject *const *args, size_t flags, PyObject *names) {
    PyObject *nothing = PyObject_Vectorcall(bound->refuse, args, flags, names);
    if (nothing == NULL)
        return NULL;
    Py_DECREF(nothing);
    return PyErr_Format(PyExc_SystemError, "a compiled operation refuses arrays with which nothing is wrong");
}

static PyObject *bound_call(PyObject *self, PyObject *const *args, size_t flags, PyObject *names) {
    Bound *bound = (Bound *)self;
    Py_buffer view[MOST_ARGUMENTS];
    Call call; /* the rest is filled in for what there is */
    call.bound = bound;
    call.rows = 1;
    if (PyVectorcall_NARGS(flags) != bound->arguments || names != NULL)
        return refused(bound, args, flags, names);
    int got = take_all(bound, args, view);
    int fits = got == bound->arguments && all_apart(got, bound->expected, view);
    if (fits && bound->body != NULL)
        run_body(&call, view);
    for (int i = 0; i < got; i++)
        PyBuffer_Release(&view[i]);
    if (!fits)
        return refused(bound, args, flags, names);
    if (bound->body == NULL)
        return PyObject_Vectorcall(bound->run, args, flags, names);
    Py_RETURN_NONE;
}

static void bound_dealloc(PyObject *self) {
    Bound *bound = (Bound *)self;
    Py_XDECREF(bound->run);
    Py_XDECREF(bound->refuse);
    PyObject_Free(self);
}

PyTypeObject BoundType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "gpurnn.backend._native.Bound",
    .tp_basicsize = sizeof(Bound),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL,
    .tp_vectorcall_offset = offsetof(Bound, call),
    .tp_call = PyVectorcall_Call,
    .tp_dealloc = bound_dealloc,
    .tp_doc = PyDoc_STR("A compiled body bound to its dimensions; call it with the operation's arrays."),
};

Body *find(const char *name, const char *takes, const InstructionSet *set, int64_t item) {
    const Operation *operation = kernels_for(set, item)->operations;
    while (operation->name != NULL && strcmp(operation->name, name) != 0)
        operation++;
    return operation->name != NULL && strcmp(operation->takes, takes) == 0 ? operation->body : NULL;
}

/* has(name, takes, set, item) */
PyObject *has(PyObject *module, PyObject *args) {
    const char *name, *takes;
    int number;
    long long item;
    if (!PyArg_ParseTuple(args, "ssiL", &name, &takes, &number, &item))
        return NULL;
    const InstructionSet *set = set_number(number);
    return set == NULL ? NULL : PyBool_FromLong(find(name, takes, set, item) != NULL);
}

int parse_expected(PyObject *given, Expected *want) {
    const char *formats;
    PyObject *shape;
    long long below;
    unsigned long long hazards;
    if (!PyTuple_Check(given) || !PyArg_ParseTuple(given, "sippLKO!", &formats, &want->item, &want->written, &want->by_row,
                                                   &below, &hazards, &PyTuple_Type, &shape))
        return -1;
    want->below = below;
    want->hazards = hazards;
    want->axes = (int)PyTuple_GET_SIZE(shape);
    if (want->axes > MOST_AXES || strlen(formats) >= sizeof want->formats) {
        PyErr_SetString(PyExc_ValueError, "too many axes or formats");
        return -1;
    }
    strcpy(want->formats, formats);
    for (int i = 0; i < want->axes; i++)
        want->extent[i] = PyLong_AsLongLong(PyTuple_GET_ITEM(shape, i));
    return PyErr_Occurred() ? -1 : 0;
}

/* Fills in the dimensions, whose letters are given, and what is expected of a bound operation; -1 with an exception set. */
static int fill(Bound *bound, const char *letters, PyObject *sizes, PyObject *expected) {
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(sizes); i++)
        *dim_of(&bound->dims, letters[i]) = PyLong_AsLongLong(PyTuple_GET_ITEM(sizes, i));
    if (PyErr_Occurred())
        return -1;
    for (int i = 0; i < bound->arguments; i++)
        if (parse_expected(PyTuple_GET_ITEM(expected, i), &bound->expected[i]) != 0)
            return -1;
    return 0;
}

PyObject *bind(PyObject *module, PyObject *args) {
    const char *name, *takes, *rows, *letters;
    PyObject *run, *refuse, *sizes, *expected;
    int threads, number;
    long long item, most_rows;
    if (!PyArg_ParseTuple(args, "ssiLOOsLisO!O!", &name, &takes, &number, &item, &run, &refuse, &rows, &most_rows, &threads,
                          &letters, &PyTuple_Type, &sizes, &PyTuple_Type, &expected))
        return NULL;
    const InstructionSet *set = set_number(number);
    if (set == NULL)
        return NULL;
    Py_ssize_t arguments = PyTuple_GET_SIZE(expected);
    Dims dims;
    int known = (size_t)PyTuple_GET_SIZE(sizes) == strlen(letters) && (rows[0] == 0 || dim_of(&dims, rows[0]) != NULL);
    for (const char *letter = letters; *letter != 0; letter++)
        known = known && dim_of(&dims, *letter) != NULL;
    if (arguments < 1 || arguments > MOST_ARGUMENTS || !known)
        return PyErr_Format(PyExc_ValueError, "%s: too many arguments, or dimensions that no body has", name);
    Body *body = find(name, takes, set, item);
    if (body == NULL && !PyCallable_Check(run))
        return PyErr_Format(PyExc_ValueError, "%s: there is no such body", name);
    Bound *bound = PyObject_New(Bound, &BoundType);
    if (bound == NULL)
        return NULL;
    memset((char *)bound + sizeof(PyObject), 0, sizeof(Bound) - sizeof(PyObject));
    bound->call = bound_call;
    bound->body = body;
    bound->run = Py_NewRef(run);
    bound->refuse = Py_NewRef(refuse);
    bound->arguments = (int)arguments;
    bound->rows = rows[0];
    bound->most_rows = most_rows;
    bound->threads = threads;
    if (fill(bound, letters, sizes, expected) != 0) {
        Py_DECREF(bound);
        return NULL;
    }
    return (PyObject *)bound;
}
