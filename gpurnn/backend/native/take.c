/* Taking hold of arrays: only what is exactly as expected is taken. */
#include "python.h"

static PyObject *array_type = NULL; /* numpy.ndarray */
static PyObject *file_type = NULL; /* numpy.memmap: other subclasses may mean something else by their memory */
static PyObject *dtype_name = NULL;
static const char common[] = "fdl";
static PyObject *common_dtype[3]; /* NumPy's objects for these formats, which nearly all arrays have */

int find_array_type(void) {
    PyObject *numpy = PyImport_ImportModule("numpy");
    if (numpy == NULL)
        return -1;
    array_type = PyObject_GetAttrString(numpy, "ndarray");
    file_type = PyObject_GetAttrString(numpy, "memmap");
    dtype_name = PyUnicode_InternFromString("dtype");
    int found = array_type != NULL && file_type != NULL && dtype_name != NULL;
    for (int i = 0; found && i < 3; i++)
        found = (common_dtype[i] = PyObject_CallMethod(numpy, "dtype", "C", common[i])) != NULL;
    Py_DECREF(numpy);
    return found ? 0 : -1;
}

/* Whether NumPy's own array has one of these formats, as its dtype tells: to ask for the format itself takes longer than
   all the rest. 0 where it takes that to tell. */
static int dtype_tells(PyObject *array, const char *formats) {
    if ((PyObject *)Py_TYPE(array) != array_type)
        return 0;
    PyObject *dtype = PyObject_GetAttr(array, dtype_name);
    int tells = 0;
    for (int i = 0; i < 3; i++)
        tells |= dtype == common_dtype[i] && strchr(formats, common[i]) != NULL;
    if (dtype == NULL)
        PyErr_Clear();
    Py_XDECREF(dtype);
    return tells;
}

int hold(PyObject *array, const char *formats, int flags, Py_buffer *view) {
    PyObject *type = (PyObject *)Py_TYPE(array);
    if (type != array_type && type != file_type)
        return 0;
    int known = dtype_tells(array, formats);
    if (PyObject_GetBuffer(array, view, (known ? 0 : PyBUF_FORMAT) | PyBUF_STRIDES | flags) != 0) {
        PyErr_Clear();
        return 0;
    }
    const char *format = view->format;
    int aligned = view->len == 0 || (uintptr_t)view->buf % (uintptr_t)view->itemsize == 0;
    if (aligned && (known || (format[0] != 0 && format[1] == 0 && strchr(formats, format[0]) != NULL)))
        return 1;
    PyBuffer_Release(view);
    return 0;
}

int numbers_below(const Py_buffer *view, int64_t below) {
    const intptr_t *number = view->buf;
    int64_t count = view->len / view->itemsize, beyond = 0;
    for (int64_t i = 0; i < count; i++)
        beyond |= (uint64_t)number[i] >= (uint64_t)below;
    return !beyond;
}

int apart(const Py_buffer *a, const Py_buffer *b) {
    const char *from = a->buf, *other = b->buf;
    return from + a->len <= other || other + b->len <= from;
}

int take(PyObject *array, const Expected *want, int64_t rows, Py_buffer *view) {
    if (!hold(array, want->formats, PyBUF_C_CONTIGUOUS | (want->written ? PyBUF_WRITABLE : 0), view))
        return 0;
    int fits = view->ndim == want->axes && view->itemsize == want->item;
    if (fits && rows < 0 && want->axes > 0)
        rows = view->shape[0];
    for (int i = 0; fits && i < want->axes; i++)
        fits = view->shape[i] == (want->extent[i] < 0 ? -want->extent[i] * rows : want->extent[i]);
    if (fits && want->below > 0)
        fits = numbers_below(view, want->below);
    if (!fits)
        PyBuffer_Release(view);
    return fits;
}

int all_apart(int count, const Expected *want, const Py_buffer *view) {
    for (int i = 0; i < count; i++)
        for (uint64_t others = want[i].hazards; others != 0; others &= others - 1)
            if (!apart(&view[i], &view[__builtin_ctzll(others)]))
                return 0;
    return 1;
}
