/* Compiled bodies of connectionist temporal classification; what they compute stands in ctc.py. */
#include "gpurnn/operations.h"

#define NEVER -1e300 /* the log of 0: a number, so that the difference of two is one */
#define LEAST -1e6   /* the log of any y that is less */

enum {
    BLOCK = 64, /* numbers that are worked on at a time */
    WIDE = 8    /* what is computed of a block runs on to a multiple of it: so nothing is left for a slower loop */
};

/* Scratch: a block and one number more. Behind what is used stands any number. */
typedef double Block[BLOCK + WIDE] __attribute__((aligned(64)));
typedef struct {
    Block x, a, b, from, own, of_blank, of_mark;
} Scratch;

/* One lane: where each array has its row of step 0, and how many rows on the next step is.

   alphas: 2L numbers a step, first of the blanks, blank 0 before any label; then of the labels, from 1 on. At 0 of
   those, where no label is, stands the log of the sum of exp o. */
typedef struct {
    int64_t K, L, N, rows;
    REAL *o;
    const intptr_t *target;
    const REAL *carry, *weight;
    REAL *losses;
    double *alphas;
    Scratch *scratch;
} Lane;

/* A string: where its sequence begins and how many steps it has, its labels, and the sum of the weights of these. */
typedef struct {
    int64_t first, steps, labels;
    double weight;
} String;

INLINE double log_sum(double a, double b) {
    double most = a > b ? a : b, other = a > b ? b : a;
    return most + log1p_unit_double(exp_negative_double(other - most));
}

INLINE double log_share(REAL o, double total) {
    double share = (double)o - total;
    return share < LEAST ? LEAST : share;
}

INLINE int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

INLINE int64_t wide(int64_t count) { return (count + WIDE - 1) / WIDE * WIDE; }

/* to: overwritten with the logs of the sums of exp a and exp b, one by one. */
INLINE void log_sums(double *restrict to, const double *restrict a, const double *restrict b, int64_t count) {
    for (int64_t j = 0; j < wide(count); j++)
        to[j] = log_sum(a[j], b[j]);
}

INLINE void exps(double *restrict x, int64_t count) {
    for (int64_t j = 0; j < wide(count); j++)
        x[j] = exp_negative_double(x[j]);
}

/* The log of the sum of exp o; of every eighth there is a sum, an order that does not depend on the processor. */
INLINE double log_total(const REAL *restrict o, int64_t K, double *restrict x) {
    double sums[WIDE] = {0}, total = 0;
    REAL most = o[0];
    for (int64_t k = 1; k < K; k++)
        most = o[k] > most || o[k] != o[k] ? o[k] : most;
    double top = (double)most;
    for (int64_t start = 0; start < K; start += BLOCK) {
        int64_t count = smaller(BLOCK, K - start);
        for (int64_t j = 0; j < count; j++)
            x[j] = (double)o[start + j] - top;
        for (int64_t j = count; j < wide(count); j++)
            x[j] = NEVER;
        for (int64_t j = 0; j < wide(count); j += WIDE)
            for (int i = 0; i < WIDE; i++)
                sums[i] += exp_negative_double(x[j + i]);
    }
    for (int j = 0; j < WIDE; j++)
        total += sums[j];
    return top + log(total);
}

INLINE int64_t label(const Lane *at, const String *s, int64_t number) {
    return at->target[(s->first + number) * at->rows];
}

/* The string of the sequence that begins at step `first`; 1 if it has a loss, else 0. */
INLINE int find_string(const Lane *at, int64_t first, String *s) {
    int64_t steps = 1, labels = 0, alike = 0;
    while (first + steps < at->N && at->carry[(first + steps) * at->rows] != 0)
        steps++;
    *s = (String){first, steps, 0, (double)at->weight[first * at->rows]};
    int64_t most = smaller(steps, at->L - 1);
    for (; labels < most && label(at, s, labels) != at->K - 1; labels++)
        if (labels > 0) {
            alike += label(at, s, labels) == label(at, s, labels - 1);
            s->weight += (double)at->weight[(first + labels) * at->rows];
        }
    s->labels = labels;
    return labels + alike <= steps && (labels > 0 || s->weight != 0);
}

/* alphas of the sequence, overwritten; returns the log of the probability of its string. */
INLINE double find_alphas(const Lane *at, const String *s) {
    int64_t L = at->L, m = s->labels;
    Scratch *of = at->scratch;
    double *alphas = at->alphas + s->first * at->rows * 2 * L;
    for (int64_t t = 0; t < s->steps; t++) {
        int64_t row = (s->first + t) * at->rows;
        at->alphas[row * 2 * L + L] = log_total(at->o + row * at->K, at->K, of->x);
    }
    for (int64_t t = 0; t < s->steps; t++, alphas += at->rows * 2 * L) {
        const REAL *o = at->o + (s->first + t) * at->rows * at->K;
        const double *blanks_before = alphas - at->rows * 2 * L, *marks_before = blanks_before + L;
        double *blanks = alphas, *marks = alphas + L, total = marks[0];
        double blank = log_share(o[at->K - 1], total);
        if (t == 0) {
            for (int64_t i = 1; i <= m; i++)
                blanks[i] = marks[i] = NEVER;
            blanks[0] = blank;
            if (m > 0)
                marks[1] = log_share(o[label(at, s, 0)], total);
            continue;
        }
        for (int64_t start = 0; start <= m; start += BLOCK) {
            int64_t states = smaller(BLOCK, m + 1 - start), labels = smaller(BLOCK, m - start);
            int64_t before = start > 0 ? label(at, s, start - 1) : -1;
            memcpy(of->a, blanks_before + start, (size_t)states * sizeof(double));
            memcpy(of->b, marks_before + start, (size_t)states * sizeof(double));
            if (start == 0)
                of->b[0] = NEVER;
            log_sums(of->of_blank, of->a, of->b, states);
            for (int64_t j = 0; j < labels; j++) {
                int64_t k = label(at, s, start + j);
                of->own[j] = log_share(o[k], total);
                of->from[j] = k == before ? of->a[j] : of->of_blank[j];
                before = k;
            }
            memcpy(of->b, marks_before + start + 1, (size_t)labels * sizeof(double));
            log_sums(of->of_mark, of->b, of->from, labels);
            for (int64_t j = 0; j < states; j++)
                blanks[start + j] = of->of_blank[j] + blank;
            for (int64_t j = 0; j < labels; j++)
                marks[start + j + 1] = of->of_mark[j] + of->own[j];
        }
    }
    alphas -= at->rows * 2 * L;
    return m > 0 ? log_sum(alphas[m], alphas[L + m]) : alphas[0];
}

/* o: overwritten with factor y. */
INLINE void scaled_softmax(REAL *restrict o, int64_t K, double total, double factor, double *restrict x) {
    for (int64_t start = 0; start < K; start += BLOCK) {
        int64_t count = smaller(BLOCK, K - start);
        for (int64_t j = 0; j < count; j++)
            x[j] = (double)o[start + j] - total;
        exps(x, count);
        for (int64_t j = 0; j < count; j++)
            o[start + j] = (REAL)(x[j] * factor);
    }
}

/* The sum of n numbers, likewise. */
INLINE double sum_of(const double *restrict x, int64_t n) {
    double sums[WIDE] = {0}, total = 0;
    int64_t whole = n - n % WIDE;
    for (int64_t i = 0; i < whole; i += WIDE)
        for (int j = 0; j < WIDE; j++)
            sums[j] += x[i + j];
    for (int j = 0; j < WIDE; j++)
        total += sums[j];
    for (int64_t i = whole; i < n; i++)
        total += x[i];
    return total;
}

/* One step back. behind: 2L numbers of the next step, in which stands beta + log y of each state; overwritten with the
   occupancies of this one's states. alphas: overwritten with what will stand in `behind` for the step before. */
INLINE void step_back(
    const Lane *at, const String *s, const REAL *restrict o, double likelihood, double *restrict alphas,
    double *restrict behind) {
    int64_t m = s->labels;
    Scratch *of = at->scratch;
    double *marks = alphas + at->L, *marks_behind = behind + at->L, total = marks[0];
    double blank = log_share(o[at->K - 1], total);
    for (int64_t start = 0; start <= m; start += BLOCK) {
        int64_t states = smaller(BLOCK, m + 1 - start), labels = smaller(BLOCK, m - start);
        int64_t ahead = smaller(BLOCK + 1, m - start), here = label(at, s, start < m ? start : 0);
        memcpy(of->a, behind + start, (size_t)smaller(BLOCK + 1, m + 1 - start) * sizeof(double));
        memcpy(of->b, marks_behind + start + 1, (size_t)ahead * sizeof(double));
        of->b[ahead] = NEVER;
        log_sums(of->of_blank, of->a, of->b, ahead + 1);
        for (int64_t j = 0; j < labels; j++) {
            int64_t next = start + j + 1 < m ? label(at, s, start + j + 1) : -1;
            of->own[j] = log_share(o[here], total);
            of->from[j] = here == next ? of->a[j + 1] : of->of_blank[j + 1];
            here = next;
        }
        log_sums(of->of_mark, of->b, of->from, labels);
        for (int64_t j = 0; j < states; j++) {
            of->a[j] = alphas[start + j] + of->of_blank[j] - likelihood;
            alphas[start + j] = of->of_blank[j] + blank;
        }
        for (int64_t j = 0; j < labels; j++) {
            of->b[j] = marks[start + j + 1] + of->of_mark[j] - likelihood;
            marks[start + j + 1] = of->of_mark[j] + of->own[j];
        }
        exps(of->a, states);
        exps(of->b, labels);
        memcpy(behind + start, of->a, (size_t)states * sizeof(double));
        memcpy(marks_behind + start + 1, of->b, (size_t)labels * sizeof(double));
    }
}

/* o: overwritten with its error, from alphas, which are used up. */
INLINE void find_errors(const Lane *at, const String *s, double likelihood, double factor) {
    int64_t m = s->labels, K = at->K, last = s->first + s->steps - 1;
    for (int64_t t = last; t >= s->first; t--) {
        REAL *o = at->o + t * at->rows * K;
        double *alphas = at->alphas + t * at->rows * 2 * at->L, *marks = alphas + at->L;
        double *behind = alphas + at->rows * 2 * at->L, *marks_behind = behind + at->L;
        double total = marks[0];
        if (t == last) {
            double of_blank = exp_negative_double(alphas[m] - likelihood);
            double of_label = m > 0 ? exp_negative_double(marks[m] - likelihood) : 0;
            for (int64_t i = 0; i < m; i++)
                alphas[i] = marks[i + 1] = NEVER;
            alphas[m] = log_share(o[K - 1], total);
            if (m > 0)
                marks[m] = log_share(o[label(at, s, m - 1)], total);
            scaled_softmax(o, K, total, factor, at->scratch->x);
            o[K - 1] -= (REAL)(of_blank * factor);
            if (m > 0)
                o[label(at, s, m - 1)] -= (REAL)(of_label * factor);
            continue;
        }
        step_back(at, s, o, likelihood, alphas, behind);
        scaled_softmax(o, K, total, factor, at->scratch->x);
        o[K - 1] -= (REAL)(sum_of(behind, m + 1) * factor);
        for (int64_t i = 0; i < m; i++)
            o[label(at, s, i)] -= (REAL)(marks_behind[i + 1] * factor);
    }
}

/* All sequences of a lane. scale: NULL: no errors are asked for, and o stays as it is. */
INLINE void of_lane(const Lane *at, const REAL *scale) {
    String s;
    for (int64_t first = 0; first < at->N; first += s.steps) {
        int counts = find_string(at, first, &s);
        double likelihood = counts ? find_alphas(at, &s) : 0;
        int64_t labels = s.labels > 0 ? s.labels : 1;
        double factor = counts && scale != NULL ? (double)scale[0] * s.weight / (double)labels : 0;
        for (int64_t t = 0; t < s.steps; t++)
            at->losses[(first + t) * at->rows] = t < labels && counts ? (REAL)(-likelihood / (double)labels) : 0;
        if (factor != 0)
            find_errors(at, &s, likelihood, factor);
        else if (scale != NULL)
            for (int64_t t = first; t < first + s.steps; t++)
                memset(at->o + t * at->rows * at->K, 0, (size_t)at->K * sizeof(REAL));
    }
}

/* Those of as many lanes, of which `at` is the first. */
INLINE void of_lanes(int64_t lanes, Lane at, const REAL *scale) {
    Scratch scratch = {0};
    at.scratch = &scratch;
    for (int64_t b = 0; b < lanes; b++) {
        of_lane(&at, scale);
        at.o += at.K;
        at.target++, at.carry++, at.weight++, at.losses++;
        at.alphas += 2 * at.L;
    }
}

void ctc(
    int64_t B, int64_t lanes, int64_t K, int64_t L, int64_t N, REAL *restrict o, const intptr_t *restrict target,
    const REAL *restrict carry, const REAL *restrict weight, const REAL *restrict scale, REAL *restrict losses,
    double *restrict alphas) {
    of_lanes(B, (Lane){K, L, N, lanes, o, target, carry, weight, losses, alphas, NULL}, scale);
}

void ctc_loss(
    int64_t B, int64_t lanes, int64_t K, int64_t L, int64_t N, const REAL *restrict o, const intptr_t *restrict target,
    const REAL *restrict carry, const REAL *restrict weight, REAL *restrict losses, double *restrict alphas) {
    of_lanes(B, (Lane){K, L, N, lanes, (REAL *)o, target, carry, weight, losses, alphas, NULL}, NULL);
}
