/* Dropout masks, shared among threads. */
#include "python.h"

#include "kernels.h"
#include "parallel.h"

typedef struct {
    DropoutMask *fill;
    char *out;
    int64_t window, count, item;
    unsigned long long seed, layer;
    double p, scale;
} Mask;

static void part_of_mask(void *given, int part, int parts) {
    Mask *mask = given;
    int64_t first = mask->count * part / parts, end = mask->count * (part + 1) / parts;
    char *out = mask->out + first * mask->item;
    mask->fill(first, end - first, out, mask->window, mask->seed, mask->layer, mask->p, mask->scale);
}

/* mask(out, window, seed, layer, p, scale, threads, set) */
PyObject *mask(PyObject *module, PyObject *args) {
    PyObject *array, *number;
    Py_buffer out, window;
    Mask mask;
    int threads, number_of_set;
    if (!PyArg_ParseTuple(args, "OOKKddii", &array, &number, &mask.seed, &mask.layer, &mask.p, &mask.scale, &threads,
                          &number_of_set))
        return NULL;
    const InstructionSet *set = set_number(number_of_set);
    if (set == NULL)
        return NULL;
    if (!hold(array, "fd", PyBUF_C_CONTIGUOUS | PyBUF_WRITABLE, &out))
        Py_RETURN_FALSE;
    Expected one = {.formats = "lq", .item = sizeof(int64_t), .axes = 1, .extent = {1}};
    if (!take(number, &one, -1, &window)) {
        PyBuffer_Release(&out);
        Py_RETURN_FALSE;
    }
    int fits = apart(&out, &window);
    if (fits) {
        mask.fill = kernels_for(set, out.itemsize)->dropout_mask;
        mask.out = out.buf;
        mask.window = *(const int64_t *)window.buf;
        mask.item = out.itemsize;
        mask.count = out.len / out.itemsize;
        Py_BEGIN_ALLOW_THREADS;
        in_parallel(threads_for(100.0 * (double)mask.count, mask.count, threads), part_of_mask, &mask);
        Py_END_ALLOW_THREADS;
    }
    PyBuffer_Release(&out);
    PyBuffer_Release(&window);
    return PyBool_FromLong(fits);
}
