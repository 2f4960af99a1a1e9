/* Runs compiled functions on the arrays that a test sends, where there is no Python: `driver` answers each request on
standard input with its arrays as they are afterwards, on standard output. It takes the best instruction set that there is,
whose name is its last line on standard error. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels.h"

enum { NUMBERS = 10, ARRAYS = 16 };

/* function: one of those below, or "" for the body alone. numbers: what they take, or the dimensions B, H, K, N and P. */
typedef struct {
    char function[32], body[32];
    int64_t item, arrays, numbers[NUMBERS], bytes[ARRAYS], axes[ARRAYS];
} Request;

static void *made(int64_t bytes) {
    void *memory = aligned_alloc(64, ((size_t)bytes + 64) / 64 * 64);
    if (memory == NULL) {
        fprintf(stderr, "no memory for %lld bytes\n", (long long)bytes);
        exit(1);
    }
    return memory;
}

static Body *body_of(const Request *request, const Kernels *kernels) {
    for (const Operation *operation = kernels->operations; operation->name != NULL; operation++)
        if (strcmp(operation->name, request->body) == 0)
            return operation->body;
    fprintf(stderr, "there is no %s\n", request->body);
    exit(1);
}

/* a, b, out. */
static void run_gemm(const Request *request, const Kernels *kernels, void *const *array) {
    const int64_t *n = request->numbers;
    Gemm gemm = {n[0], n[1], n[2], array[0], array[1], array[2], n[3], n[4], n[5], n[6], n[7], (int)n[8], (int)n[9]};
    void *scratch = made(GEMM_SCRATCH);
    kernels->run_gemm(&gemm, 0, gemm.columns, scratch);
    free(scratch);
}

/* x, w, y. */
static void times_packed(const Request *request, const Kernels *kernels, void *const *array) {
    int64_t lanes = request->numbers[0], rows = request->numbers[1], columns = request->numbers[2];
    void *packed = made(kernels->packed_bytes(rows, columns));
    kernels->pack_matrix(rows, columns, array[1], request->numbers[3], request->numbers[4], packed);
    kernels->times_packed(lanes, rows, columns, array[0], packed, array[2], NULL);
    free(packed);
}

/* x, w, y. */
static void row_product(const Request *request, const Kernels *kernels, void *const *array) {
    int64_t rows = request->numbers[0], columns = request->numbers[1];
    int64_t strips = (columns + kernels->strip - 1) / kernels->strip;
    void *packed = made(strips * kernels->strip * rows * request->item);
    kernels->pack_strips(rows, columns, array[1], packed);
    kernels->row_product(rows, columns, array[0], packed, array[2], 0, strips, (int)request->numbers[2]);
    free(packed);
}

/* W, carry, the body's arguments, others; x, y: places among all of them. */
static void run_loop(const Request *request, const Kernels *kernels, void *const *array) {
    const int64_t *n = request->numbers;
    int64_t steps = n[0], lanes = n[1], hidden = n[2], wide = n[3];
    Through through[ARRAYS];
    for (int64_t i = 0; i < request->arrays; i++) {
        int64_t step = request->axes[i] == 3 ? request->bytes[i] / steps : 0;
        int64_t lane = request->axes[i] == 3 ? step / lanes : request->axes[i] == 2 ? request->bytes[i] / lanes : 0;
        through[i] = (Through){array[i], step, lane};
    }
    Loop loop = {
        .body = body_of(request, kernels), .times_packed = kernels->times_packed, .arguments = (int)n[5], .backward = (int)n[4],
        .masked = (uint64_t)n[6], .cleared = (uint64_t)n[7], .x = through[n[8]], .y = through[n[9]], .lanes = lanes,
        .rows = n[4] ? wide : hidden, .columns = n[4] ? hidden : wide, .steps = steps, .hidden = hidden, .carry = array[1],
    };
    memcpy(loop.arg, through + 2, (size_t)loop.arguments * sizeof(Through));
    loop.packed = made(kernels->packed_bytes(loop.rows, loop.columns));
    loop.seen = made((loop.arguments + 1) * lanes * hidden * request->item);
    kernels->pack_matrix(loop.rows, loop.columns, array[0], n[4] ? 1 : wide, n[4] ? wide : 1, loop.packed);
    kernels->run_loop(&loop, 0, lanes);
    free(loop.packed);
    free(loop.seen);
}

/* mask, (probability, scale); numbers: of elements, the window, seed, layer. */
static void dropout_mask(const Request *request, const Kernels *kernels, void *const *array) {
    const int64_t *n = request->numbers;
    const double *chance = array[1];
    kernels->dropout_mask(0, n[0], array[0], n[1], (uint64_t)n[2], (uint64_t)n[3], chance[0], chance[1]);
}

static void answer(const Request *request, const InstructionSet *set, void *const *array) {
    const Kernels *kernels = kernels_for(set, request->item);
    const char *function = request->function;
    if (strcmp(function, "run_gemm") == 0)
        run_gemm(request, kernels, array);
    else if (strcmp(function, "times_packed") == 0)
        times_packed(request, kernels, array);
    else if (strcmp(function, "row_product") == 0)
        row_product(request, kernels, array);
    else if (strcmp(function, "add_rows") == 0)
        kernels->add_rows(request->numbers[0], request->numbers[1], request->numbers[1], array[0], array[1], array[2]);
    else if (strcmp(function, "dropout_mask") == 0)
        dropout_mask(request, kernels, array);
    else if (strcmp(function, "run_loop") == 0)
        run_loop(request, kernels, array);
    else {
        const int64_t *n = request->numbers;
        Dims dims = {.B = n[0], .H = n[1], .K = n[2], .N = n[3], .P = n[4]};
        body_of(request, kernels)(array, &dims);
    }
}

int main(void) {
    const InstructionSet *set = instruction_sets;
    while (!set->runs())
        set++;
    Request request;
    while (fread(&request, sizeof request, 1, stdin) == 1) {
        void *array[ARRAYS];
        for (int64_t i = 0; i < request.arrays; i++) {
            array[i] = made(request.bytes[i]);
            if (fread(array[i], 1, (size_t)request.bytes[i], stdin) != (size_t)request.bytes[i])
                return 1;
        }
        answer(&request, set, array);
        for (int64_t i = 0; i < request.arrays; i++) {
            fwrite(array[i], 1, (size_t)request.bytes[i], stdout);
            free(array[i]);
        }
    }
    fprintf(stderr, "%s\n", set->name);
    return 0;
}
