// Connectionist temporal classification: what is computed stands in ctc.py. One block a lane, which goes through its
// sequences in turn and through their steps; a thread has states of its own. What needs no other step, the softmax of
// each and its error, is done by a warp a step. Sums are taken in a fixed order.
//
// alphas: 2L numbers a step, first of the blanks, blank 0 before any label; then of the labels, from 1 on. At 0 of
// those, where no label is, stands the log of the sum of exp o.

#define ALL 0xffffffffu
#define THREADS 128
#define NEVER -1e300  // the log of 0: a number, so that the difference of two is one
#define LEAST -1e6    // the log of any y that is less

struct String {
    int first, steps, labels;
    double weight;
    bool counts;
};

static __device__ __forceinline__ long long row_of(int t)
{
    return (long long)t * B + blockIdx.x;
}

static __device__ __forceinline__ double* alphas_of(double* alphas, int t)
{
    return alphas + row_of(t) * 2 * L;
}

static __device__ __forceinline__ double log_sum(double a, double b)
{
    const double most = a > b ? a : b, other = a > b ? b : a;
    return most + log1p(exp(other - most));
}

// A label that is none loses the window, no more.
static __device__ __forceinline__ double log_share(const REAL* row, int label, double total)
{
    const double share = (unsigned int)label < K ? (double)row[label] - total : nan("");
    return share < LEAST ? LEAST : share;
}

static __device__ __forceinline__ double warp_sum(double x)
{
    for (int step = WARP / 2; step > 0; step /= 2)
        x += __shfl_xor_sync(ALL, x, step);
    return x;
}

// The log of the sum of exp o, of a row.
static __device__ __forceinline__ double log_total(const REAL* row)
{
    const int lane = threadIdx.x % WARP;
    double top = (double)row[0], total = 0;
    for (int k = lane; k < K; k += WARP)
        top = (double)row[k] > top ? (double)row[k] : top;
    for (int step = WARP / 2; step > 0; step /= 2) {
        const double other = __shfl_xor_sync(ALL, top, step);
        top = other > top ? other : top;
    }
    for (int k = lane; k < K; k += WARP)
        total += exp((double)row[k] - top);
    return top + log(warp_sum(total));
}

// The sequence that begins at a step, and its string.
static __device__ __forceinline__ String find_string(const int* target, const REAL* carry, const REAL* weight,
                                                     int first, int n)
{
    __shared__ int end, blank, alike;
    __shared__ double weights[THREADS];
    __syncthreads();  // every thread has read those of the sequence before
    if (threadIdx.x == 0) {
        end = n;
        alike = 0;
    }
    __syncthreads();
    for (int t = first + 1 + threadIdx.x; t < n; t += THREADS)
        if (carry[row_of(t)] == 0)
            atomicMin(&end, t);
    __syncthreads();
    if (threadIdx.x == 0)
        blank = end < first + L - 1 ? end : first + L - 1;
    __syncthreads();
    const int most = blank;
    __syncthreads();
    for (int t = first + threadIdx.x; t < most; t += THREADS)
        if (target[row_of(t)] == K - 1)
            atomicMin(&blank, t);
    __syncthreads();
    String s = {first, end - first, blank - first, 0, false};
    for (int t = first + threadIdx.x; t < blank; t += THREADS) {
        s.weight += (double)weight[row_of(t)];
        if (t > first && target[row_of(t)] == target[row_of(t - 1)])
            atomicAdd(&alike, 1);
    }
    weights[threadIdx.x] = s.weight;
    for (int half = THREADS / 2; half > 0; half /= 2) {
        __syncthreads();
        if (threadIdx.x < half)
            weights[threadIdx.x] += weights[threadIdx.x + half];
    }
    __syncthreads();
    s.weight = s.labels > 0 ? weights[0] : (double)weight[row_of(first)];
    s.counts = s.labels + alike <= s.steps && (s.labels > 0 || s.weight != 0);
    return s;
}

// alphas of the sequence, overwritten. Returns the log of the probability of its string.
static __device__ __forceinline__ double find_alphas(const REAL* o, const int* target, double* alphas, String s)
{
    const int m = s.labels;
    for (int t = s.first + threadIdx.x / WARP; t < s.first + s.steps; t += THREADS / WARP) {
        const double total = log_total(o + row_of(t) * K);
        if (threadIdx.x % WARP == 0)
            alphas_of(alphas, t)[L] = total;
    }
    __syncthreads();
    for (int t = s.first; t < s.first + s.steps; t++) {
        double *blanks = alphas_of(alphas, t), *marks = blanks + L;
        const double *blanks_before = blanks - (long long)B * 2 * L, *marks_before = blanks_before + L;
        const REAL* row = o + row_of(t) * K;
        const double total = marks[0], blank = log_share(row, K - 1, total);
        for (int i = threadIdx.x; i <= m; i += THREADS) {
            double ways = i == 0 ? 0 : NEVER, from = ways, to = NEVER;
            if (t > s.first) {
                ways = i > 0 ? log_sum(blanks_before[i], marks_before[i]) : blanks_before[0];
                from = blanks_before[i];
                to = i < m ? marks_before[i + 1] : NEVER;
            }
            blanks[i] = blank + ways;
            if (i == m)
                continue;
            const int label = target[row_of(s.first + i)];
            if (i == 0 || label != target[row_of(s.first + i - 1)])
                from = ways;
            marks[i + 1] = log_share(row, label, total) + log_sum(to, from);
        }
        __syncthreads();
    }
    const double* last = alphas_of(alphas, s.first + s.steps - 1);
    return m > 0 ? log_sum(last[m], last[L + m]) : last[0];
}

// One step back. behind: 2L numbers of the next step, in which stands beta + log y of each state; overwritten with the
// occupancies of this one's states. blanks: overwritten with what will stand in `behind` for the step before.
static __device__ __forceinline__ void step_back(const REAL* row, const int* target, double* blanks, double* behind,
                                                 String s, double likelihood)
{
    const int m = s.labels;
    double *marks = blanks + L, *marks_behind = behind + L;
    const double total = marks[0], blank = log_share(row, K - 1, total);
    for (int start = 0; start <= m; start += THREADS) {
        const int i = start + threadIdx.x;
        double of_blank = 0, of_mark = 0, own = 0;
        if (i <= m)
            of_blank = i < m ? log_sum(behind[i], marks_behind[i + 1]) : behind[m];
        if (i < m) {
            const int label = target[row_of(s.first + i)];
            double from = behind[i + 1];
            if (i + 1 < m && label != target[row_of(s.first + i + 1)])
                from = log_sum(from, marks_behind[i + 2]);
            of_mark = log_sum(marks_behind[i + 1], from);
            own = log_share(row, label, total);
        }
        __syncthreads();  // every thread has read what its neighbours overwrite
        if (i <= m) {
            behind[i] = exp(blanks[i] + of_blank - likelihood);
            blanks[i] = of_blank + blank;
        }
        if (i < m) {
            marks_behind[i + 1] = exp(marks[i + 1] + of_mark - likelihood);
            marks[i + 1] = of_mark + own;
        }
    }
    __syncthreads();
}

// row: overwritten with its error. The rest: what its states have of it.
static __device__ __forceinline__ void row_error(REAL* row, const int* target, const double* marks, double total,
                                                 double of_blanks, String s, double factor)
{
    for (int k = threadIdx.x % WARP; k < K; k += WARP) {
        double occupied = k == K - 1 ? of_blanks : 0;
        for (int i = 0; i < s.labels; i++)
            if (target[row_of(s.first + i)] == k)
                occupied += marks[i + 1];
        row[k] = (REAL)((exp((double)row[k] - total) - occupied) * factor);
    }
}

// o: overwritten with its error, from alphas, which are used up.
static __device__ __forceinline__ void find_errors(REAL* o, const int* target, double* alphas, String s,
                                                   double likelihood, double factor)
{
    const int m = s.labels, last = s.first + s.steps - 1, warp = threadIdx.x / WARP, lane = threadIdx.x % WARP;
    double *end = alphas_of(alphas, last), *marks = end + L;
    const REAL* row = o + row_of(last) * K;
    const double total = marks[0], of_blank = exp(end[m] - likelihood);
    const double of_mark = m > 0 ? exp(marks[m] - likelihood) : 0;
    __syncthreads();
    for (int i = threadIdx.x; i <= m; i += THREADS) {
        end[i] = i == m ? log_share(row, K - 1, total) : NEVER;
        if (i < m)
            marks[i + 1] = i == m - 1 ? log_share(row, target[row_of(s.first + i)], total) : NEVER;
    }
    __syncthreads();
    for (int t = last - 1; t >= s.first; t--)
        step_back(o + row_of(t) * K, target, alphas_of(alphas, t), alphas_of(alphas, t + 1), s, likelihood);
    for (int t = s.first + warp; t < last; t += THREADS / WARP) {
        const double* behind = alphas_of(alphas, t + 1);
        double of_blanks = 0;
        for (int i = lane; i <= m; i += WARP)
            of_blanks += behind[i];
        row_error(o + row_of(t) * K, target, behind + L, alphas_of(alphas, t)[L], warp_sum(of_blanks), s, factor);
    }
    for (int k = threadIdx.x; k < K; k += THREADS) {
        const double y = exp((double)row[k] - total);
        const bool named = m > 0 && k == target[row_of(s.first + m - 1)];
        o[row_of(last) * K + k] = (REAL)((y - (k == K - 1 ? of_blank : named ? of_mark : 0.0)) * factor);
    }
}

// All sequences of a lane. errors: o; nullptr: they are not asked for.
static __device__ __forceinline__ void of_lane(const REAL* o, const int* target, const REAL* carry, const REAL* weight,
                                               REAL scale, REAL* losses, double* alphas, REAL* errors, int n)
{
    String s;
    for (int first = 0; first < n; first += s.steps) {
        s = find_string(target, carry, weight, first, n);
        const double likelihood = s.counts ? find_alphas(o, target, alphas, s) : 0;
        const int labels = s.labels > 0 ? s.labels : 1;
        const double factor = s.counts ? (double)scale * s.weight / (double)labels : 0;
        for (int t = threadIdx.x; t < s.steps; t += THREADS)
            losses[row_of(first + t)] = t < labels && s.counts ? (REAL)(-likelihood / (double)labels) : REAL(0);
        if (!errors)
            continue;
        if (factor != 0)
            find_errors(errors, target, alphas, s, likelihood, factor);
        else
            for (int t = first; t < first + s.steps; t++)
                for (int k = threadIdx.x; k < K; k += THREADS)
                    errors[row_of(t) * K + k] = 0;
    }
}

LAUNCH(THREADS * B, THREADS)
extern "C" __global__ void ctc(REAL* o, const int* target, const REAL* carry, const REAL* weight, const REAL* scale,
                               REAL* losses, double* alphas, int n)
{
    of_lane(o, target, carry, weight, scale[0], losses, alphas, o, n);
}

LAUNCH(THREADS * B, THREADS)
extern "C" __global__ void ctc_loss(const REAL* o, const int* target, const REAL* carry, const REAL* weight,
                                    REAL* losses, double* alphas, int n)
{
    of_lane(o, target, carry, weight, 1, losses, alphas, nullptr, n);
}
