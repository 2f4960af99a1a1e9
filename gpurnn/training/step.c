/* Compiled bodies of what is carried to the next window; the rules stand in step.py. */
#include "gpurnn/operations.h"

void lane_check(
    int64_t B, int64_t H, const double *restrict ctl, REAL *restrict bad, const REAL *restrict last) {
    if (ctl[OUTCOME] != NOT_FINITE)
        return;
    for (int64_t lane = 0; lane < B; lane++)
        for (int64_t j = 0; j < H; j++)
            if (!isfinite(last[lane * H + j]))
                bad[lane] = 1;
}

void carry_out(
    int64_t B, int64_t H, const double *restrict ctl, const REAL *restrict bad, const REAL *restrict last,
    REAL *restrict carried) {
    for (int64_t lane = 0; lane < B; lane++, last += H, carried += H)
        for (int64_t j = 0; j < H; j++) {
            REAL value = ctl[OUTCOME] != NOT_FINITE ? last[j] : bad[lane] > 0 ? 0 : carried[j];
            carried[j] = isfinite(value) ? value : 0;
        }
}
