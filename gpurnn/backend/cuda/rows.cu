// Rows of a table by index, and the gradient of that: sums of rows, in a fixed order and without atomics.

// out[i] = table[index[i]], NaN where index[i] is not 0 to rows - 1. One block a row of out, (n, width).
extern "C" __global__ void gather_rows(const REAL* table, const int* index, REAL* out, int rows, int width)
{
    const bool there = (unsigned int)index[blockIdx.x] < (unsigned int)rows;
    const REAL* source = table + (long long)index[blockIdx.x] * width;
    REAL* target = out + (long long)blockIdx.x * width;
    for (int column = threadIdx.x; column < width; column += blockDim.x)
        target[column] = there ? source[column] : (REAL)nan("");
}

// d_table[rows[r]] = the sum of d_out[order[j]] over run r of equal rows; other rows are left alone. d_out: (n, width);
// d_table: (height, width). A plan that points beyond them reads and writes nothing there, and gives NaN.
// Grid (at least runs[0], column tiles), block (WARP columns, PARTS): each part takes every PARTS-th position of the
// run, then the parts are added up in their order.
extern "C" __global__ void sum_runs(const REAL* d_out, const int* order, const int* starts, const int* rows,
                                    const int* runs, REAL* d_table, int n, int height, int width)
{
    __shared__ REAL partial[PARTS][WARP];
    const int run = blockIdx.x, column = blockIdx.y * WARP + threadIdx.x;
    const int count = min(runs[0], (int)gridDim.x);
    if (run >= count || (unsigned int)rows[run] >= (unsigned int)height)
        return;
    const int end = min(n, run + 1 < count ? starts[run + 1] : n);
    REAL sum = 0;
    if (column < width)
        for (int j = max(0, starts[run]) + threadIdx.y; j < end; j += PARTS)
            sum += (unsigned int)order[j] < (unsigned int)n ? d_out[(long long)order[j] * width + column] : (REAL)nan("");
    partial[threadIdx.y][threadIdx.x] = sum;
    __syncthreads();
    if (threadIdx.y == 0 && column < width) {
        for (int part = 1; part < PARTS; part++)
            sum += partial[part][threadIdx.x];
        d_table[(long long)rows[run] * width + column] = sum;
    }
}
