/* The compiled body of the loss of a window; what it computes stands in loss.py. */
#include "gpurnn/operations.h"

#define sum NAME(sum)
enum { MOST = 128 }; /* numbers that are added up in one go */

/* The sum of weight * loss * scale over n targets, in the order of NumPy's sum: halves, down to a few at a time, and of
   those every eighth together. */
static double sum(int64_t n, const REAL *restrict losses, const REAL *restrict weight, REAL scale) {
    if (n > MOST) {
        int64_t half = n / 2 - n / 2 % 8;
        return sum(half, losses, weight, scale) + sum(n - half, losses + half, weight + half, scale);
    }
    REAL product[MOST];
    double part[8] = {0}, total;
    for (int64_t i = 0; i < n; i++)
        product[i] = losses[i] * weight[i] * scale;
    for (int64_t i = 0; i < n - n % 8; i += 8)
        for (int lane = 0; lane < 8; lane++)
            part[lane] += product[i + lane];
    total = ((part[0] + part[1]) + (part[2] + part[3])) + ((part[4] + part[5]) + (part[6] + part[7]));
    for (int64_t i = n - n % 8; i < n; i++)
        total += product[i];
    return total;
}

void weighted_loss(
    int64_t N, const REAL *restrict losses, const REAL *restrict weight, const REAL *restrict scale,
    double *restrict loss) {
    loss[0] = sum(N, losses, weight, scale[0]);
}
