// Takes a block of staged arrays apart: grid (parts, arrays), any block size.
// block: first the length of each array in words of 4 bytes (0: leave it alone), then the arrays.
// table: for each array, where it goes (an address) and where in the block it begins (in words).

extern "C" __global__ void unpack(const unsigned int* block, const long long* table)
{
    const int array = blockIdx.y;
    const long long length = ((const long long*)block)[array];
    unsigned int* target = (unsigned int*)table[2 * array];
    const unsigned int* source = block + table[2 * array + 1];
    const long long stride = (long long)gridDim.x * blockDim.x;
    for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < length; i += stride)
        target[i] = source[i];
}
