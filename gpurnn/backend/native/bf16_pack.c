/* Rounds float32 to bfloat16 and packs it, see bf16.h. */
#include "bf16.h"

#ifdef SETS_OF_BF16
#include "inline.h"
#include <immintrin.h>

#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512vl,avx512bf16,prefer-vector-width=512")

enum { LANES = 16 }; /* 32-bit numbers of a vector, and the lines of a tile that are rounded at a time */

INLINE __mmask16 first(int64_t n) { return n >= LANES ? 0xffff : n <= 0 ? 0 : (__mmask16)((1u << n) - 1); }

/* Rounded: the numbers of low, then those of high. */
INLINE __m512i rounded(__m512 low, __m512 high) { return (__m512i)_mm512_cvtne2ps_pbh(high, low); }

/* K_TILE numbers of one line, which stand side by side; of which there are `depth`. */
INLINE __m512i line_of(const float *from, int64_t depth) {
    if (depth >= K_TILE)
        return rounded(_mm512_loadu_ps(from), _mm512_loadu_ps(from + LANES));
    return rounded(_mm512_maskz_loadu_ps(first(depth), from), _mm512_maskz_loadu_ps(first(depth - LANES), from + LANES));
}

/* Two numbers of each of LANES lines side by side: even[n], odd[n]. */
INLINE __m512i pairs_of(__m512 even, __m512 odd) {
    const __m512i mixed = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8,
                                           23, 7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    return _mm512_permutexvar_epi16(mixed, rounded(even, odd));
}

/* v[n]: line n of LANES, of which there are `lines`, of `depth` numbers each. Number k of line n: from[n * line + k]. */
INLINE void load_lines(int64_t lines, int64_t depth, const float *from, int64_t line, __m512i v[LANES]) {
    for (int64_t n = 0; n < LANES; n++)
        v[n] = n < lines ? line_of(from + n * line, depth) : _mm512_setzero_si512();
}

/* v[p]: numbers 2p and 2p + 1 of each line. Number k of line n: from[k * along + n]. */
INLINE void load_pairs(int64_t lines, int64_t depth, const float *from, int64_t along, __m512i v[LANES]) {
    __mmask16 there = first(lines), none = 0;
    for (int64_t p = 0; p < LANES; p++, from += 2 * along)
        v[p] = pairs_of(_mm512_maskz_loadu_ps(2 * p < depth ? there : none, from),
                        _mm512_maskz_loadu_ps(2 * p + 1 < depth ? there : none, from + along));
}

/* Lines become pairs, and pairs lines: element n of v[m] changes places with element m of v[n]. */
INLINE void transpose(__m512i v[LANES]) {
    __m512i w[LANES];
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++) {
        w[2 * i] = _mm512_unpacklo_epi32(v[2 * i], v[2 * i + 1]);
        w[2 * i + 1] = _mm512_unpackhi_epi32(v[2 * i], v[2 * i + 1]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < LANES; i += 4) {
        v[i] = _mm512_unpacklo_epi64(w[i], w[i + 2]);
        v[i + 1] = _mm512_unpackhi_epi64(w[i], w[i + 2]);
        v[i + 2] = _mm512_unpacklo_epi64(w[i + 1], w[i + 3]);
        v[i + 3] = _mm512_unpackhi_epi64(w[i + 1], w[i + 3]);
    }
    /* v[i]: of each of the vectors 4 (i / 4) and the three after it, the elements i % 4, 4 + i % 4, 8 + i % 4, ... */
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        w[i] = _mm512_shuffle_i32x4(v[i], v[i + 4], 0x88);
        w[i + 4] = _mm512_shuffle_i32x4(v[i], v[i + 4], 0xdd);
        w[i + 8] = _mm512_shuffle_i32x4(v[i + 8], v[i + 12], 0x88);
        w[i + 12] = _mm512_shuffle_i32x4(v[i + 8], v[i + 12], 0xdd);
    }
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++) {
        v[i] = _mm512_shuffle_i32x4(w[i], w[i + 8], 0x88);
        v[i + 8] = _mm512_shuffle_i32x4(w[i], w[i + 8], 0xdd);
    }
}

/* Whether the numbers of a line stand side by side; otherwise it is those of all lines with one k. line, along: how far
   apart the lines are, and the numbers of a line. */
INLINE int in_lines(int64_t depth, int64_t line, int64_t along) { return along == 1 || (line != 1 && depth == 1); }

void pack_bf16_rows(
    int64_t tile_rows, int64_t rows, int64_t depth, const float *x, int64_t down, int64_t right, char *packed) {
    int lines = in_lines(depth, down, right);
    for (int64_t i = 0; i < rows; i += tile_rows, x += tile_rows * down) {
        int64_t height = least(rows - i, tile_rows);
        if (lines) {
            for (int64_t r = 0; r < height; r++) /* a row at a time: they may be pages apart */
                for (int64_t k = 0; k < depth; k += K_TILE)
                    _mm512_store_si512(packed + k / K_TILE * height * ROW_BYTES + r * ROW_BYTES,
                                       line_of(x + r * down + k, depth - k));
            packed += parts_of(depth, K_TILE) * height * ROW_BYTES;
        } else
            for (int64_t k = 0; k < depth; k += K_TILE, packed += height * ROW_BYTES) {
                __m512i v[LANES];
                load_pairs(height, depth - k, x + k * right, right, v);
                transpose(v);
                for (int64_t r = 0; r < height; r++)
                    _mm512_store_si512(packed + r * ROW_BYTES, v[r]);
            }
    }
}

void pack_bf16_panels(int64_t depth, int64_t columns, const float *w, int64_t down, int64_t right, char *packed) {
    int lines = in_lines(depth, right, down);
    int64_t panel_bytes = parts_of(depth, K_TILE) * PANEL_BYTES, halves = parts_of(columns, PANEL) * 2;
    for (int64_t k = 0; k < depth; k += K_TILE, packed += PANEL_BYTES) /* along the rows: they may be pages apart */
        for (int64_t half = 0; half < halves; half++) {
            const float *from = w + k * down + half * LANES * right;
            char *to = packed + half / 2 * panel_bytes + half % 2 * (PANEL_BYTES / 2 / LANES);
            __m512i v[LANES];
            if (lines) {
                load_lines(columns - half * LANES, depth - k, from, right, v);
                transpose(v);
            } else
                load_pairs(columns - half * LANES, depth - k, from, down, v);
            for (int64_t p = 0; p < LANES; p++)
                _mm512_store_si512(to + p * (PANEL_BYTES / LANES), v[p]);
        }
}

#pragma GCC pop_options
#endif
