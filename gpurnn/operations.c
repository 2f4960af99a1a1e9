/* The table of compiled bodies, and what hands each its arguments,
made by scripts/operations --write from their declarations in Python. */
#include "operations.h"

static void NAME(call_absolute)(void *const *arrays, const Dims *dims) {
    absolute(dims->K, dims->N, arrays[0], arrays[1], arrays[2]);
}

static void NAME(call_absolute_with_error)(void *const *arrays, const Dims *dims) {
    absolute_with_error(dims->K, dims->N, arrays[0], arrays[1], arrays[2], arrays[3], arrays[4]);
}

static void NAME(call_adam)(void *const *arrays, const Dims *dims) {
    adam(dims->P, dims->first, arrays[0], arrays[1], arrays[2], arrays[3], arrays[4], arrays[5], arrays[6]);
}

static void NAME(call_add_bias)(void *const *arrays, const Dims *dims) {
    add_bias(dims->K, dims->N, arrays[0], arrays[1]);
}

static void NAME(call_add_ends)(void *const *arrays, const Dims *dims) {
    add_ends(dims->B, dims->C, dims->K, dims->Q, arrays[0], arrays[1], arrays[2], arrays[3], arrays[4]);
}

static void NAME(call_add_reversed)(void *const *arrays, const Dims *dims) {
    add_reversed(dims->B, dims->lanes, dims->H, dims->N, arrays[0], arrays[1]);
}

static void NAME(call_additive_attention)(void *const *arrays, const Dims *dims) {
    additive_attention(dims->B, dims->C, dims->H, dims->K, dims->N, dims->Q, arrays[0], arrays[1], arrays[2], arrays[3],
        arrays[4], arrays[5], arrays[6], arrays[7], arrays[8]);
}

static void NAME(call_additive_attention_error)(void *const *arrays, const Dims *dims) {
    additive_attention_error(dims->B, dims->C, dims->H, dims->K, dims->N, dims->Q, arrays[0], arrays[1], arrays[2],
        arrays[3], arrays[4], arrays[5], arrays[6], arrays[7], arrays[8], arrays[9], arrays[10], arrays[11], arrays[12],
        arrays[13], arrays[14], arrays[15]);
}

static void NAME(call_bias_tanh)(void *const *arrays, const Dims *dims) {
    bias_tanh(dims->K, dims->N, arrays[0], arrays[1]);
}

static void NAME(call_carry_out)(void *const *arrays, const Dims *dims) {
    carry_out(dims->B, dims->H, arrays[0], arrays[1], arrays[2], arrays[3]);
}

static void NAME(call_ctc)(void *const *arrays, const Dims *dims) {
    ctc(dims->B, dims->lanes, dims->K, dims->L, dims->N, arrays[0], arrays[1], arrays[2], arrays[3], arrays[4],
        arrays[5], arrays[6]);
}

static void NAME(call_ctc_loss)(void *const *arrays, const Dims *dims) {
    ctc_loss(dims->B, dims->lanes, dims->K, dims->L, dims->N, arrays[0], arrays[1], arrays[2], arrays[3], arrays[4],
        arrays[5]);
}

static void NAME(call_dot_attention)(void *const *arrays, const Dims *dims) {
    dot_attention(dims->B, dims->C, dims->K, dims->N, dims->Q, arrays[0], arrays[1], arrays[2], arrays[3], arrays[4],
        arrays[5], arrays[6]);
}

static void NAME(call_dot_attention_error)(void *const *arrays, const Dims *dims) {
    dot_attention_error(dims->B, dims->C, dims->K, dims->N, dims->Q, arrays[0], arrays[1], arrays[2], arrays[3],
        arrays[4], arrays[5], arrays[6], arrays[7], arrays[8], arrays[9], arrays[10], arrays[11]);
}

static void NAME(call_gru_backward)(void *const *arrays, const Dims *dims) {
    gru_backward(dims->B, dims->H, arrays[0], arrays[1], arrays[2], arrays[3], arrays[4], arrays[5]);
}

static void NAME(call_gru_forward)(void *const *arrays, const Dims *dims) {
    gru_forward(dims->B, dims->H, arrays[0], arrays[1], arrays[2], arrays[3], arrays[4], arrays[5]);
}

static void NAME(call_huber)(void *const *arrays, const Dims *dims) {
    huber(dims->K, dims->N, arrays[0], arrays[1], arrays[2]);
}

static void NAME(call_huber_with_error)(void *const *arrays, const Dims *dims) {
    huber_with_error(dims->K, dims->N, arrays[0], arrays[1], arrays[2], arrays[3], arrays[4]);
}

static void NAME(call_join_directions)(void *const *arrays, const Dims *dims) {
    join_directions(dims->B, dims->lanes, dims->H, dims->N, arrays[0], arrays[1], arrays[2]);
}

static void NAME(call_lane_check)(void *const *arrays, const Dims *dims) {
    lane_check(dims->B, dims->H, arrays[0], arrays[1], arrays[2]);
}

static void NAME(call_last_pool)(void *const *arrays, const Dims *dims) {
    last_pool(dims->B, dims->lanes, dims->H, dims->N, arrays[0], arrays[1], arrays[2]);
}

static void NAME(call_last_pool_error)(void *const *arrays, const Dims *dims) {
    last_pool_error(dims->B, dims->lanes, dims->H, dims->N, arrays[0], arrays[1], arrays[2]);
}

static void NAME(call_lstm_backward)(void *const *arrays, const Dims *dims) {
    lstm_backward(dims->B, dims->H, arrays[0], arrays[1], arrays[2], arrays[3], arrays[4], arrays[5]);
}

static void NAME(call_lstm_forward)(void *const *arrays, const Dims *dims) {
    lstm_forward(dims->B, dims->H, arrays[0], arrays[1], arrays[2], arrays[3], arrays[4], arrays[5], arrays[6]);
}

static void NAME(call_mask_rows)(void *const *arrays, const Dims *dims) {
    mask_rows(dims->H, dims->N, arrays[0], arrays[1], arrays[2]);
}

static void NAME(call_max_pool)(void *const *arrays, const Dims *dims) {
    max_pool(dims->B, dims->lanes, dims->H, dims->N, arrays[0], arrays[1], arrays[2]);
}

static void NAME(call_max_pool_error)(void *const *arrays, const Dims *dims) {
    max_pool_error(dims->B, dims->lanes, dims->H, dims->N, arrays[0], arrays[1], arrays[2], arrays[3]);
}

static void NAME(call_mean_pool)(void *const *arrays, const Dims *dims) {
    mean_pool(dims->B, dims->lanes, dims->H, dims->N, arrays[0], arrays[1], arrays[2]);
}

static void NAME(call_mean_pool_error)(void *const *arrays, const Dims *dims) {
    mean_pool_error(dims->B, dims->lanes, dims->H, dims->N, arrays[0], arrays[1], arrays[2]);
}

static void NAME(call_own_symbols)(void *const *arrays, const Dims *dims) {
    own_symbols(dims->K, dims->N, arrays[0], arrays[1], arrays[2], arrays[3]);
}

static void NAME(call_part_directions)(void *const *arrays, const Dims *dims) {
    part_directions(dims->B, dims->lanes, dims->H, dims->N, arrays[0], arrays[1], arrays[2]);
}

static void NAME(call_quantile)(void *const *arrays, const Dims *dims) {
    quantile(dims->C, dims->N, dims->Q, arrays[0], arrays[1], arrays[2], arrays[3]);
}

static void NAME(call_quantile_with_error)(void *const *arrays, const Dims *dims) {
    quantile_with_error(dims->C, dims->N, dims->Q, arrays[0], arrays[1], arrays[2], arrays[3], arrays[4], arrays[5]);
}

static void NAME(call_reverse_rows)(void *const *arrays, const Dims *dims) {
    reverse_rows(dims->B, dims->lanes, dims->H, dims->N, arrays[0], arrays[1]);
}

static void NAME(call_rmsprop)(void *const *arrays, const Dims *dims) {
    rmsprop(dims->P, dims->first, arrays[0], arrays[1], arrays[2], arrays[3], arrays[4], arrays[5]);
}

static void NAME(call_sgd)(void *const *arrays, const Dims *dims) {
    sgd(dims->P, dims->first, arrays[0], arrays[1], arrays[2], arrays[3], arrays[4], arrays[5]);
}

static void NAME(call_simple_backward)(void *const *arrays, const Dims *dims) {
    simple_backward(dims->B, dims->H, arrays[0], arrays[1], arrays[2], arrays[3]);
}

static void NAME(call_simple_forward)(void *const *arrays, const Dims *dims) {
    simple_forward(dims->B, dims->H, arrays[0], arrays[1], arrays[2], arrays[3]);
}

static void NAME(call_simple_relu_backward)(void *const *arrays, const Dims *dims) {
    simple_relu_backward(dims->B, dims->H, arrays[0], arrays[1], arrays[2], arrays[3]);
}

static void NAME(call_simple_relu_forward)(void *const *arrays, const Dims *dims) {
    simple_relu_forward(dims->B, dims->H, arrays[0], arrays[1], arrays[2], arrays[3]);
}

static void NAME(call_smoothed_softmax_xent)(void *const *arrays, const Dims *dims) {
    smoothed_softmax_xent(dims->K, dims->N, arrays[0], arrays[1], arrays[2], arrays[3], arrays[4], arrays[5]);
}

static void NAME(call_smoothed_xent)(void *const *arrays, const Dims *dims) {
    smoothed_xent(dims->K, dims->N, arrays[0], arrays[1], arrays[2], arrays[3]);
}

static void NAME(call_softmax_xent)(void *const *arrays, const Dims *dims) {
    softmax_xent(dims->K, dims->N, arrays[0], arrays[1], arrays[2], arrays[3], arrays[4]);
}

static void NAME(call_squared)(void *const *arrays, const Dims *dims) {
    squared(dims->K, dims->N, arrays[0], arrays[1], arrays[2]);
}

static void NAME(call_squared_with_error)(void *const *arrays, const Dims *dims) {
    squared_with_error(dims->K, dims->N, arrays[0], arrays[1], arrays[2], arrays[3], arrays[4]);
}

static void NAME(call_take_ends)(void *const *arrays, const Dims *dims) {
    take_ends(dims->B, dims->C, dims->K, dims->Q, arrays[0], arrays[1], arrays[2], arrays[3]);
}

static void NAME(call_tanh_error)(void *const *arrays, const Dims *dims) {
    tanh_error(dims->K, dims->N, arrays[0], arrays[1], arrays[2]);
}

static void NAME(call_weighted_loss)(void *const *arrays, const Dims *dims) {
    weighted_loss(dims->N, arrays[0], arrays[1], arrays[2], arrays[3]);
}

static void NAME(call_xent)(void *const *arrays, const Dims *dims) {
    xent(dims->K, dims->N, arrays[0], arrays[1], arrays[2]);
}

const Operation NAME(operations)[] = {
    {"absolute", "*(N,K) (N,K) *(N)", NAME(call_absolute)},
    {"absolute_with_error", "*(N,K) (N,K) (N) (1) *(N)", NAME(call_absolute_with_error)},
    {"adam", "*(P) (P) *(P) *(P) *(P) (9)double (14)double", NAME(call_adam)},
    {"add_bias", "*(N,K) (K)", NAME(call_add_bias)},
    {"add_ends", "*(BQ,K) (C,K) (C)index<BQ (C)index<BQ (C)", NAME(call_add_ends)},
    {"add_reversed", "*(N,B,H) (N,B,H)", NAME(call_add_reversed)},
    {"additive_attention", "*(N,K) *(N,Q) (N,H) (BQ,H) (H) (BQ,K) (N)index<C (C)index<BQ (C)index<BQ", NAME(call_additive_attention)},
    {"additive_attention_error", "*(N,H) *(N,Q) *(BQ,K) *(BQ,H) *(C,H) (N,K) (N,Q) (N,H) (BQ,H) (H) (BQ,K) (C)index<BQ (C)index<BQ (C)index<N (C)index<N (C)", NAME(call_additive_attention_error)},
    {"bias_tanh", "*(N,K) (K)", NAME(call_bias_tanh)},
    {"carry_out", "(14)double (B) (B,H) *(B,H)", NAME(call_carry_out)},
    {"ctc", "*(N,B,K) (N,B)index<K (N,B,1) (N,B) (1) *(N,B) *(N,B,2L)double", NAME(call_ctc)},
    {"ctc_loss", "(N,B,K) (N,B)index<K (N,B,1) (N,B) *(N,B) *(N,B,2L)double", NAME(call_ctc_loss)},
    {"dot_attention", "*(N,K) *(N,Q) (N,K) (BQ,K) (N)index<C (C)index<BQ (C)index<BQ", NAME(call_dot_attention)},
    {"dot_attention_error", "*(N,K) *(N,Q) *(BQ,K) (N,K) (N,Q) (N,K) (BQ,K) (C)index<BQ (C)index<BQ (C)index<N (C)index<N (C)", NAME(call_dot_attention_error)},
    {"gru_backward", "(B,H) (B,H) *(B,H) (B,H) *(B,3H) *(B,3H)", NAME(call_gru_backward)},
    {"gru_forward", "*(B,3H) *(B,3H) (3H) (H) (B,H) *(B,H)", NAME(call_gru_forward)},
    {"huber", "*(N,K) (N,K) *(N)", NAME(call_huber)},
    {"huber_with_error", "*(N,K) (N,K) (N) (1) *(N)", NAME(call_huber_with_error)},
    {"join_directions", "(N,B,H) (N,B,H) *(N,B,2H)", NAME(call_join_directions)},
    {"lane_check", "(14)double *(B) (B,H)", NAME(call_lane_check)},
    {"last_pool", "(N,B,2H) (N,B,1) *(N,B,2H)", NAME(call_last_pool)},
    {"last_pool_error", "(N,B,2H) (N,B,1) *(N,B,2H)", NAME(call_last_pool_error)},
    {"lstm_backward", "(B,H) (B,H) *(B,H) (B,H) (B,H) *(B,4H)", NAME(call_lstm_backward)},
    {"lstm_forward", "*(B,4H) (B,4H) (4H) (B,H) *(B,H) *(B,H) *(B,H)", NAME(call_lstm_forward)},
    {"mask_rows", "(N,H) (N,1) *(N,H)", NAME(call_mask_rows)},
    {"max_pool", "(N,B,H) (N,B,1) *(N,B,H)", NAME(call_max_pool)},
    {"max_pool_error", "(N,B,H) (N,B,1) *(N,B,H) (N,B,H)", NAME(call_max_pool_error)},
    {"mean_pool", "(N,B,H) (N,B,1) *(N,B,H)", NAME(call_mean_pool)},
    {"mean_pool_error", "(N,B,H) (N,B,1) *(N,B,H)", NAME(call_mean_pool_error)},
    {"own_symbols", "*(N)index<K (N,K) (N) (N)", NAME(call_own_symbols)},
    {"part_directions", "(N,B,2H) *(N,B,H) *(N,B,H)", NAME(call_part_directions)},
    {"quantile", "*(N,CQ) (N,C) *(N) (Q)", NAME(call_quantile)},
    {"quantile_with_error", "*(N,CQ) (N,C) (N) (1) *(N) (Q)", NAME(call_quantile_with_error)},
    {"reverse_rows", "(N,B,H) *(N,B,H)", NAME(call_reverse_rows)},
    {"rmsprop", "*(P) (P) *(P) *(P) (9)double (14)double", NAME(call_rmsprop)},
    {"sgd", "*(P) (P) *(P) *(P) (9)double (14)double", NAME(call_sgd)},
    {"simple_backward", "(B,H) (B,H) (B,H) *(B,H)", NAME(call_simple_backward)},
    {"simple_forward", "(B,H) (B,H) (H) *(B,H)", NAME(call_simple_forward)},
    {"simple_relu_backward", "(B,H) (B,H) (B,H) *(B,H)", NAME(call_simple_relu_backward)},
    {"simple_relu_forward", "(B,H) (B,H) (H) *(B,H)", NAME(call_simple_relu_forward)},
    {"smoothed_softmax_xent", "*(N,K) (N)index<K (N) (1) *(N) (1)", NAME(call_smoothed_softmax_xent)},
    {"smoothed_xent", "*(N,K) (N)index<K *(N) (1)", NAME(call_smoothed_xent)},
    {"softmax_xent", "*(N,K) (N)index<K (N) (1) *(N)", NAME(call_softmax_xent)},
    {"squared", "*(N,K) (N,K) *(N)", NAME(call_squared)},
    {"squared_with_error", "*(N,K) (N,K) (N) (1) *(N)", NAME(call_squared_with_error)},
    {"take_ends", "*(C,K) (BQ,K) (C)index<BQ (C)index<BQ", NAME(call_take_ends)},
    {"tanh_error", "*(N,K) (N,K) (N,K)", NAME(call_tanh_error)},
    {"weighted_loss", "(N) (N) (1) *(1)double", NAME(call_weighted_loss)},
    {"xent", "*(N,K) (N)index<K *(N)", NAME(call_xent)},
    {0},
};
