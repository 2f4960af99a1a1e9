/* Compiled bodies of operations, made by scripts/operations --write from their declarations in Python.

Each is compiled for every instruction set and REAL. Arrays stand in C order. Of rows N and elements P a body
gets those of one thread; first: the number of the first of its elements. Where rows follow from one another,
it gets B of all lanes. */
#ifndef GPURNN_OPERATIONS_H
#define GPURNN_OPERATIONS_H

#include "kernels.h"
#include "real.h"

/* Constants of operations: see the Python files that declare them. */
enum { RATE = 0, NORM = 1, CLIP_FACTOR = 2, OUTCOME = 3, UPDATES = 4, SKIPPED = 5, SKIPPED_IN_A_ROW = 6, LOSS = 7,
    WEIGHT = 8, MOST_SKIPPED_IN_A_ROW = 9, CLIPPED = 10, LARGEST_NORM = 11, CHANGE = 12, SIZE = 13, NOT_FINITE = 0,
    LEARNT = 1, UNWEIGHTED = 2, CLIP_NORM = 0, CLIP_VALUE = 1, DECAY = 2, DECOUPLED = 3, BETA1 = 4, BETA2 = 5,
    EPSILON = 6, MATRICES = 7, REACH = 8, PARTS = 256 };

/* For the linker: a name for each instruction set and REAL. */
#define absolute NAME(absolute)
#define absolute_with_error NAME(absolute_with_error)
#define adam NAME(adam)
#define add_bias NAME(add_bias)
#define add_ends NAME(add_ends)
#define add_reversed NAME(add_reversed)
#define additive_attention NAME(additive_attention)
#define additive_attention_error NAME(additive_attention_error)
#define bias_tanh NAME(bias_tanh)
#define carry_out NAME(carry_out)
#define ctc NAME(ctc)
#define ctc_loss NAME(ctc_loss)
#define dot_attention NAME(dot_attention)
#define dot_attention_error NAME(dot_attention_error)
#define gru_backward NAME(gru_backward)
#define gru_forward NAME(gru_forward)
#define huber NAME(huber)
#define huber_with_error NAME(huber_with_error)
#define join_directions NAME(join_directions)
#define lane_check NAME(lane_check)
#define last_pool NAME(last_pool)
#define last_pool_error NAME(last_pool_error)
#define lstm_backward NAME(lstm_backward)
#define lstm_forward NAME(lstm_forward)
#define mask_rows NAME(mask_rows)
#define max_pool NAME(max_pool)
#define max_pool_error NAME(max_pool_error)
#define mean_pool NAME(mean_pool)
#define mean_pool_error NAME(mean_pool_error)
#define own_symbols NAME(own_symbols)
#define part_directions NAME(part_directions)
#define quantile NAME(quantile)
#define quantile_with_error NAME(quantile_with_error)
#define reverse_rows NAME(reverse_rows)
#define rmsprop NAME(rmsprop)
#define sgd NAME(sgd)
#define simple_backward NAME(simple_backward)
#define simple_forward NAME(simple_forward)
#define simple_relu_backward NAME(simple_relu_backward)
#define simple_relu_forward NAME(simple_relu_forward)
#define smoothed_softmax_xent NAME(smoothed_softmax_xent)
#define smoothed_xent NAME(smoothed_xent)
#define softmax_xent NAME(softmax_xent)
#define squared NAME(squared)
#define squared_with_error NAME(squared_with_error)
#define take_ends NAME(take_ends)
#define tanh_error NAME(tanh_error)
#define weighted_loss NAME(weighted_loss)
#define xent NAME(xent)

void absolute(int64_t K, int64_t N, REAL *restrict o, const REAL *restrict target, REAL *restrict losses);

void absolute_with_error(int64_t K, int64_t N, REAL *restrict o, const REAL *restrict target,
    const REAL *restrict weight, const REAL *restrict scale, REAL *restrict losses);

void adam(int64_t P, int64_t first, REAL *restrict p, const REAL *restrict g, REAL *restrict m, REAL *restrict v,
    REAL *restrict w, const double *restrict settings, const double *restrict ctl);

void add_bias(int64_t K, int64_t N, REAL *restrict y, const REAL *restrict b);

void add_ends(int64_t B, int64_t C, int64_t K, int64_t Q, REAL *restrict e, const REAL *restrict dx,
    const intptr_t *restrict last, const intptr_t *restrict first, const REAL *restrict there);

void add_reversed(int64_t B, int64_t lanes, int64_t H, int64_t N, REAL *restrict y, const REAL *restrict x);

void additive_attention(int64_t B, int64_t C, int64_t H, int64_t K, int64_t N, int64_t Q, REAL *restrict c,
    REAL *restrict a, const REAL *restrict q, const REAL *restrict key, const REAL *restrict v, const REAL *restrict e,
    const intptr_t *restrict pair, const intptr_t *restrict first, const intptr_t *restrict last);

void additive_attention_error(int64_t B, int64_t C, int64_t H, int64_t K, int64_t N, int64_t Q, REAL *restrict dq,
    REAL *restrict dscore, REAL *restrict de, REAL *restrict dkey, REAL *restrict dv, const REAL *restrict dc,
    const REAL *restrict a, const REAL *restrict q, const REAL *restrict key, const REAL *restrict v,
    const REAL *restrict e, const intptr_t *restrict first, const intptr_t *restrict last,
    const intptr_t *restrict begin, const intptr_t *restrict end, const REAL *restrict there);

void bias_tanh(int64_t K, int64_t N, REAL *restrict y, const REAL *restrict b);

void carry_out(int64_t B, int64_t H, const double *restrict ctl, const REAL *restrict bad, const REAL *restrict last,
    REAL *restrict carried);

void ctc(int64_t B, int64_t lanes, int64_t K, int64_t L, int64_t N, REAL *restrict o, const intptr_t *restrict target,
    const REAL *restrict carry, const REAL *restrict weight, const REAL *restrict scale, REAL *restrict losses,
    double *restrict alphas);

void ctc_loss(int64_t B, int64_t lanes, int64_t K, int64_t L, int64_t N, const REAL *restrict o,
    const intptr_t *restrict target, const REAL *restrict carry, const REAL *restrict weight, REAL *restrict losses,
    double *restrict alphas);

void dot_attention(int64_t B, int64_t C, int64_t K, int64_t N, int64_t Q, REAL *restrict c, REAL *restrict a,
    const REAL *restrict q, const REAL *restrict e, const intptr_t *restrict pair, const intptr_t *restrict first,
    const intptr_t *restrict last);

void dot_attention_error(int64_t B, int64_t C, int64_t K, int64_t N, int64_t Q, REAL *restrict dq,
    REAL *restrict dscore, REAL *restrict de, const REAL *restrict dc, const REAL *restrict a, const REAL *restrict q,
    const REAL *restrict e, const intptr_t *restrict first, const intptr_t *restrict last,
    const intptr_t *restrict begin, const intptr_t *restrict end, const REAL *restrict there);

void gru_backward(int64_t B, int64_t H, const REAL *restrict dh_out, const REAL *restrict dh_rec, REAL *restrict e_h,
    const REAL *restrict h_prev, REAL *restrict a, REAL *restrict r);

void gru_forward(int64_t B, int64_t H, REAL *restrict a, REAL *restrict r, const REAL *restrict b,
    const REAL *restrict b_h, const REAL *restrict h_prev, REAL *restrict h);

void huber(int64_t K, int64_t N, REAL *restrict o, const REAL *restrict target, REAL *restrict losses);

void huber_with_error(int64_t K, int64_t N, REAL *restrict o, const REAL *restrict target, const REAL *restrict weight,
    const REAL *restrict scale, REAL *restrict losses);

void join_directions(int64_t B, int64_t lanes, int64_t H, int64_t N, const REAL *restrict ahead,
    const REAL *restrict reverse, REAL *restrict y);

void lane_check(int64_t B, int64_t H, const double *restrict ctl, REAL *restrict bad, const REAL *restrict last);

void last_pool(int64_t B, int64_t lanes, int64_t H, int64_t N, const REAL *restrict y, const REAL *restrict carry,
    REAL *restrict z);

void last_pool_error(int64_t B, int64_t lanes, int64_t H, int64_t N, const REAL *restrict dz,
    const REAL *restrict carry, REAL *restrict dy);

void lstm_backward(int64_t B, int64_t H, const REAL *restrict dh_out, const REAL *restrict dh_rec, REAL *restrict e_c,
    const REAL *restrict c_prev, const REAL *restrict tc, REAL *restrict a);

void lstm_forward(int64_t B, int64_t H, REAL *restrict a, const REAL *restrict r, const REAL *restrict b,
    const REAL *restrict c_prev, REAL *restrict c, REAL *restrict tc, REAL *restrict h);

void mask_rows(int64_t H, int64_t N, const REAL *restrict x, const REAL *restrict carry, REAL *restrict y);

void max_pool(int64_t B, int64_t lanes, int64_t H, int64_t N, const REAL *restrict y, const REAL *restrict carry,
    REAL *restrict z);

void max_pool_error(int64_t B, int64_t lanes, int64_t H, int64_t N, const REAL *restrict dz, const REAL *restrict carry,
    REAL *restrict dy, const REAL *restrict z);

void mean_pool(int64_t B, int64_t lanes, int64_t H, int64_t N, const REAL *restrict y, const REAL *restrict carry,
    REAL *restrict z);

void mean_pool_error(int64_t B, int64_t lanes, int64_t H, int64_t N, const REAL *restrict dz,
    const REAL *restrict carry, REAL *restrict dy);

void own_symbols(int64_t K, int64_t N, intptr_t *restrict tokens, const REAL *restrict o, const REAL *restrict carry,
    const REAL *restrict kept);

void part_directions(int64_t B, int64_t lanes, int64_t H, int64_t N, const REAL *restrict y, REAL *restrict ahead,
    REAL *restrict reverse);

void quantile(int64_t C, int64_t N, int64_t Q, REAL *restrict o, const REAL *restrict target, REAL *restrict losses,
    const REAL *restrict levels);

void quantile_with_error(int64_t C, int64_t N, int64_t Q, REAL *restrict o, const REAL *restrict target,
    const REAL *restrict weight, const REAL *restrict scale, REAL *restrict losses, const REAL *restrict levels);

void reverse_rows(int64_t B, int64_t lanes, int64_t H, int64_t N, const REAL *restrict x, REAL *restrict y);

void rmsprop(int64_t P, int64_t first, REAL *restrict p, const REAL *restrict g, REAL *restrict v, REAL *restrict w,
    const double *restrict settings, const double *restrict ctl);

void sgd(int64_t P, int64_t first, REAL *restrict p, const REAL *restrict g, REAL *restrict m, REAL *restrict w,
    const double *restrict settings, const double *restrict ctl);

void simple_backward(int64_t B, int64_t H, const REAL *restrict dh_out, const REAL *restrict dh_rec,
    const REAL *restrict h, REAL *restrict a);

void simple_forward(int64_t B, int64_t H, const REAL *restrict a, const REAL *restrict r, const REAL *restrict b,
    REAL *restrict h);

void simple_relu_backward(int64_t B, int64_t H, const REAL *restrict dh_out, const REAL *restrict dh_rec,
    const REAL *restrict h, REAL *restrict a);

void simple_relu_forward(int64_t B, int64_t H, const REAL *restrict a, const REAL *restrict r, const REAL *restrict b,
    REAL *restrict h);

void smoothed_softmax_xent(int64_t K, int64_t N, REAL *restrict o, const intptr_t *restrict target,
    const REAL *restrict weight, const REAL *restrict scale, REAL *restrict nats, const REAL *restrict smoothing);

void smoothed_xent(int64_t K, int64_t N, REAL *restrict o, const intptr_t *restrict target, REAL *restrict nats,
    const REAL *restrict smoothing);

void softmax_xent(int64_t K, int64_t N, REAL *restrict o, const intptr_t *restrict target, const REAL *restrict weight,
    const REAL *restrict scale, REAL *restrict nats);

void squared(int64_t K, int64_t N, REAL *restrict o, const REAL *restrict target, REAL *restrict losses);

void squared_with_error(int64_t K, int64_t N, REAL *restrict o, const REAL *restrict target,
    const REAL *restrict weight, const REAL *restrict scale, REAL *restrict losses);

void take_ends(int64_t B, int64_t C, int64_t K, int64_t Q, REAL *restrict x, const REAL *restrict e,
    const intptr_t *restrict last, const intptr_t *restrict first);

void tanh_error(int64_t K, int64_t N, REAL *restrict d, const REAL *restrict y, const REAL *restrict dy);

void weighted_loss(int64_t N, const REAL *restrict losses, const REAL *restrict weight, const REAL *restrict scale,
    double *restrict loss);

void xent(int64_t K, int64_t N, REAL *restrict o, const intptr_t *restrict target, REAL *restrict nats);

#endif
