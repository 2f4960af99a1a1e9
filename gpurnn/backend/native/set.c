/* The table of what is compiled for an instruction set and REAL. */
#include "kernels.h"
#include "matrix.h"

extern const Kernels NAME(kernels);

const Kernels NAME(kernels) = {
    .fuses = FUSES,
    .tile_rows = TILE_ROWS,
    .tile_columns = TILE_PANELS * WIDTH,
    .strip = STRIP,
    .run_gemm = NAME(run_gemm),
    .add_rows = NAME(add_rows),
    .run_loop = NAME(run_loop),
    .packed_bytes = NAME(packed_bytes),
    .pack_matrix = NAME(pack_matrix),
    .times_packed = NAME(times_packed),
    .pack_strips = NAME(pack_strips),
    .row_product = NAME(row_product),
    .dropout_mask = NAME(dropout_mask),
    .operations = NAME(operations),
};
