/* The inner loops of products of bfloat16, see bf16.h. */
#include "bf16.h"

#ifdef SETS_OF_BF16
#include "inline.h"
#include <immintrin.h>

enum { PAIRS_BYTES = 2 * 2 * PANEL }; /* of a panel's columns in two rows */

#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512vl,avx512bf16,amx-tile,amx-bf16")

/* Registers, as plain numbers, which is what the intrinsics take: sums of the rows above and below with the left and the
   right half of the panel, then these factors. The intrinsics do not say what memory they read; BARRIER does. */
#define ABOVE_LEFT 0
#define ABOVE_RIGHT 1
#define BELOW_LEFT 2
#define BELOW_RIGHT 3
#define ABOVE 4
#define BELOW 5
#define LEFT 6
#define RIGHT 7
#define BARRIER(address) __asm__ volatile("" : : "r"(address) : "memory")
static _Thread_local int shaped_above, shaped_below; /* as the registers are now; 0: not in use */

static void shape_registers(int64_t above, int64_t below) {
    if (above == shaped_above && below == shaped_below)
        return;
    shaped_above = (int)above;
    shaped_below = (int)below;
    struct {
        uint8_t palette, start_row, reserved[14];
        uint16_t row_bytes[16];
        uint8_t rows[16];
    } shape = {.palette = 1};
    const int64_t rows[8] = {above, above, below, below, above, below, K_TILE / 2, K_TILE / 2};
    for (int n = 0; n < 8; n++) {
        shape.rows[n] = (uint8_t)(rows[n] > 0 ? rows[n] : 1);
        shape.row_bytes[n] = ROW_BYTES;
    }
    BARRIER(&shape);
    _tile_loadconfig(&shape);
}

static void two_amx_tiles(
    int64_t above, int64_t below, int64_t parts, const char *rows, const char *panel, float *out, int64_t out_down,
    int add) {
    const char *more = rows + parts * above * ROW_BYTES;
    float *under = out + above * out_down;
    int64_t apart = out_down * (int64_t)sizeof(float);
    shape_registers(above, below);
    BARRIER(rows);
    if (add) {
        _tile_loadd(ABOVE_LEFT, out, apart);
        _tile_loadd(ABOVE_RIGHT, out + PANEL / 2, apart);
        if (below > 0) {
            _tile_loadd(BELOW_LEFT, under, apart);
            _tile_loadd(BELOW_RIGHT, under + PANEL / 2, apart);
        }
    } else {
        _tile_zero(ABOVE_LEFT);
        _tile_zero(ABOVE_RIGHT);
        _tile_zero(BELOW_LEFT);
        _tile_zero(BELOW_RIGHT);
    }
    for (int64_t n = 0; n < parts; n++, panel += PANEL_BYTES, rows += above * ROW_BYTES, more += below * ROW_BYTES) {
        _tile_loadd(ABOVE, rows, ROW_BYTES);
        _tile_loadd(LEFT, panel, PAIRS_BYTES);
        _tile_loadd(RIGHT, panel + PAIRS_BYTES / 2, PAIRS_BYTES);
        _tile_dpbf16ps(ABOVE_LEFT, ABOVE, LEFT);
        _tile_dpbf16ps(ABOVE_RIGHT, ABOVE, RIGHT);
        if (below > 0) {
            _tile_loadd(BELOW, more, ROW_BYTES);
            _tile_dpbf16ps(BELOW_LEFT, BELOW, LEFT);
            _tile_dpbf16ps(BELOW_RIGHT, BELOW, RIGHT);
        }
    }
    _tile_stored(ABOVE_LEFT, out, apart);
    _tile_stored(ABOVE_RIGHT, out + PANEL / 2, apart);
    if (below > 0) {
        _tile_stored(BELOW_LEFT, under, apart);
        _tile_stored(BELOW_RIGHT, under + PANEL / 2, apart);
    }
}

static void release_registers(void) {
    _tile_release();
    shaped_above = shaped_below = 0;
}

#pragma GCC pop_options

const Bf16 amx_bf16 = {AMX_ROWS, two_amx_tiles, release_registers};

#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512vl,avx512bf16,prefer-vector-width=512")

/* rows is a constant where this is called, so that the sums stay in registers. */
INLINE void tile(int rows, int64_t parts, const char *x, const char *panel, float *out, int64_t out_down, int add) {
    __m512 sum[AVX512_ROWS][2];
#pragma GCC unroll 12
    for (int r = 0; r < rows; r++) {
        sum[r][0] = add ? _mm512_loadu_ps(out + r * out_down) : _mm512_setzero_ps();
        sum[r][1] = add ? _mm512_loadu_ps(out + r * out_down + PANEL / 2) : _mm512_setzero_ps();
    }
    for (int64_t n = 0; n < parts; n++, x += rows * ROW_BYTES)
        for (int pair = 0; pair < K_TILE / 2; pair++, panel += PAIRS_BYTES) {
            __m512bh left = (__m512bh)_mm512_load_si512(panel);
            __m512bh right = (__m512bh)_mm512_load_si512(panel + PAIRS_BYTES / 2);
#pragma GCC unroll 12
            for (int r = 0; r < rows; r++) {
                __m512bh both = (__m512bh)_mm512_set1_epi32(((const int *)(x + r * ROW_BYTES))[pair]);
                sum[r][0] = _mm512_dpbf16_ps(sum[r][0], both, left);
                sum[r][1] = _mm512_dpbf16_ps(sum[r][1], both, right);
            }
        }
#pragma GCC unroll 12
    for (int r = 0; r < rows; r++) {
        _mm512_storeu_ps(out + r * out_down, sum[r][0]);
        _mm512_storeu_ps(out + r * out_down + PANEL / 2, sum[r][1]);
    }
}

static void any_tile(
    int64_t rows, int64_t parts, const char *x, const char *panel, float *out, int64_t out_down, int add) {
#define TILE(n)                                                                                                        \
    case n:                                                                                                            \
        tile(n, parts, x, panel, out, out_down, add);                                                                  \
        break
    switch (rows) {
        TILE(12);
        TILE(11);
        TILE(10);
        TILE(9);
        TILE(8);
        TILE(7);
        TILE(6);
        TILE(5);
        TILE(4);
        TILE(3);
        TILE(2);
        TILE(1);
    }
#undef TILE
}

static void two_avx512_tiles(
    int64_t above, int64_t below, int64_t parts, const char *rows, const char *panel, float *out, int64_t out_down,
    int add) {
    any_tile(above, parts, rows, panel, out, out_down, add);
    any_tile(below, parts, rows + parts * above * ROW_BYTES, panel, out + above * out_down, out_down, add);
}

#pragma GCC pop_options

static void nothing(void) {}

const Bf16 avx512_bf16 = {AVX512_ROWS, two_avx512_tiles, nothing};
#endif
