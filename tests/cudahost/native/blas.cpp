// cuBLAS for float32 and float64: what CuPy's matmul and dot, and a handle of our own, call. TF32 is computed as
// float32.
#include <utility>

#include "device.h"

using namespace hk;

namespace {

enum Status { SUCCESS = 0, NOT_INITIALIZED = 1, INVALID_VALUE = 7, EXECUTION_FAILED = 13, NOT_SUPPORTED = 15 };
enum { POINTERS_ON_HOST = 0 };
enum { REAL_32 = 0, REAL_64 = 1 };  // cudaDataType
enum { COMPUTE_32 = 68, COMPUTE_32_PEDANTIC = 69, COMPUTE_64 = 70, COMPUTE_64_PEDANTIC = 71, COMPUTE_32_TF32 = 77 };

struct Handle {
  void* stream = nullptr;
  int device = current_device;
  int pointer_mode = POINTERS_ON_HOST, math_mode = 0;
};

// A column-major matrix, or a vector: m x 1.
template <class T>
struct Matrix {
  T* data;
  long rows, columns, leading;
  bool transposed = false;

  T& operator()(long i, long j) const { return transposed ? data[j + i * leading] : data[i + j * leading]; }
  bool valid() const {
    long stored_rows = transposed ? columns : rows, stored_columns = transposed ? rows : columns;
    if (rows < 0 || columns < 0 || leading < (stored_rows > 1 ? stored_rows : 1)) return false;
    if (!rows || !columns) return true;
    return is_device(data, ((stored_columns - 1) * leading + stored_rows) * sizeof(T));
  }
};

// A vector with a stride, as one row of a matrix.
template <class T>
Matrix<T> vector(T* data, long n, long stride) {
  return {data, n ? 1 : 0, n, stride};
}

// Reads a factor: on the host now, on the device when the work is done.
template <class T>
std::function<T()> factor(const Handle* handle, const T* pointer) {
  if (handle->pointer_mode != POINTERS_ON_HOST) return [=] { return *pointer; };
  T value = *pointer;
  return [=] { return value; };
}

Status submit(const Handle* handle, const char* name, bool valid, std::function<void()> run) {
  if (!valid) {
    complain(std::string(name) + ": an operand is not wholly in device memory, or its sizes do not fit");
    return INVALID_VALUE;
  }
  if (handle->device != current_device) {
    complain(std::string(name) + ": a handle of another device");
    return INVALID_VALUE;
  }
  LOCK;
  ++counters[BLAS];
  return enqueue(handle->stream, {KERNELS, name, run}) ? EXECUTION_FAILED : SUCCESS;
}

template <class T>
std::vector<T> packed(const Matrix<const T>& matrix) {
  std::vector<T> out(matrix.rows * matrix.columns);
  for (long j = 0; j < matrix.columns; j++)
    for (long i = 0; i < matrix.rows; i++) out[i + j * matrix.rows] = matrix(i, j);
  return out;
}

// c = alpha a b + beta c; c is not read where beta is 0.
template <class T>
void multiply(Matrix<const T> a, Matrix<const T> b, Matrix<T> c, T alpha, T beta) {
  std::vector<T> left = packed(a), right = packed(b), column(c.rows);
  for (long j = 0; j < c.columns; j++) {
    std::fill(column.begin(), column.end(), T(0));
    for (long k = 0; k < a.columns; k++) {
      T scale = right[k + j * a.columns];
      const T* from = &left[k * c.rows];
      for (long i = 0; i < c.rows; i++) column[i] += from[i] * scale;
    }
    for (long i = 0; i < c.rows; i++) c(i, j) = alpha * column[i] + (beta == T(0) ? T(0) : beta * c(i, j));
  }
}

template <class T>
Status gemm(void* handle_, int op_a, int op_b, long m, long n, long k, const T* alpha, const T* a, long lda, const T* b,
            long ldb, const T* beta, T* c, long ldc) {
  auto* handle = (Handle*)handle_;
  Matrix<const T> left{a, m, k, lda, op_a != 0}, right{b, k, n, ldb, op_b != 0};
  Matrix<T> out{c, m, n, ldc};
  auto get_alpha = factor(handle, alpha), get_beta = factor(handle, beta);
  return submit(handle, "cublasGemm", left.valid() && right.valid() && out.valid(),
                [=] { multiply(left, right, out, get_alpha(), get_beta()); });
}

template <class T>
Status gemv(void* handle_, int op, long m, long n, const T* alpha, const T* a, long lda, const T* x, long step_x,
            const T* beta, T* y, long step_y) {
  auto* handle = (Handle*)handle_;
  Matrix<const T> left{a, op ? n : m, op ? m : n, lda, op != 0};
  Matrix<const T> in = vector(x, left.columns, step_x);
  Matrix<T> out = vector(y, left.rows, step_y);
  in = {in.data, in.columns, in.rows, in.leading, true};
  out = {out.data, out.columns, out.rows, out.leading, true};
  auto get_alpha = factor(handle, alpha), get_beta = factor(handle, beta);
  return submit(handle, "cublasGemv", left.valid() && in.valid() && out.valid(),
                [=] { multiply(left, in, out, get_alpha(), get_beta()); });
}

template <class T>
Status dot(void* handle_, long n, const T* x, long step_x, const T* y, long step_y, T* result) {
  auto* handle = (Handle*)handle_;
  Matrix<const T> a = vector(x, n, step_x), b = vector(y, n, step_y);
  auto run = [=] {
    *result = 0;
    for (long i = 0; i < n; i++) *result += a(0, i) * b(0, i);
  };
  Status status = submit(handle, "cublasDot", a.valid() && b.valid(), run);
  if (status || handle->pointer_mode != POINTERS_ON_HOST) return status;
  return cudaStreamSynchronize((cudaStream_t)handle->stream) ? EXECUTION_FAILED : SUCCESS;
}

}  // namespace

#define BLAS_API EXPORT Status

BLAS_API cublasCreate_v2(void** handle) {
  *handle = new Handle;
  return SUCCESS;
}

BLAS_API cublasDestroy_v2(void* handle) {
  cudaDeviceSynchronize();  // as the real one does
  delete (Handle*)handle;
  return SUCCESS;
}

BLAS_API cublasGetVersion_v2(void*, int* version) {
  *version = 130000;
  return SUCCESS;
}

BLAS_API cublasSetStream_v2(void* handle, void* stream) {
  ((Handle*)handle)->stream = stream;
  return SUCCESS;
}

BLAS_API cublasGetStream_v2(void* handle, void** stream) {
  *stream = ((Handle*)handle)->stream;
  return SUCCESS;
}

BLAS_API cublasSetPointerMode_v2(void* handle, int mode) {
  ((Handle*)handle)->pointer_mode = mode;
  return SUCCESS;
}

BLAS_API cublasGetPointerMode_v2(void* handle, int* mode) {
  *mode = ((Handle*)handle)->pointer_mode;
  return SUCCESS;
}

BLAS_API cublasSetMathMode(void* handle, int mode) {
  ((Handle*)handle)->math_mode = mode;
  return SUCCESS;
}

BLAS_API cublasGetMathMode(void* handle, int* mode) {
  *mode = ((Handle*)handle)->math_mode;
  return SUCCESS;
}

BLAS_API cublasSetWorkspace_v2(void*, void* workspace, size_t bytes) {
  return is_device(workspace, bytes) ? SUCCESS : INVALID_VALUE;
}

#define TYPED(LETTER, T)                                                                                              \
  BLAS_API cublas##LETTER##gemm_v2(void* handle, int op_a, int op_b, int m, int n, int k, const T* alpha, const T* a, \
                                   int lda, const T* b, int ldb, const T* beta, T* c, int ldc) {                      \
    return gemm(handle, op_a, op_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);                                    \
  }                                                                                                                   \
  BLAS_API cublas##LETTER##gemv_v2(void* handle, int op, int m, int n, const T* alpha, const T* a, int lda,           \
                                   const T* x, int step_x, const T* beta, T* y, int step_y) {                         \
    return gemv(handle, op, m, n, alpha, a, lda, x, step_x, beta, y, step_y);                                         \
  }                                                                                                                   \
  BLAS_API cublas##LETTER##dot_v2(void* handle, int n, const T* x, int step_x, const T* y, int step_y, T* out) {      \
    return dot(handle, n, x, step_x, y, step_y, out);                                                                 \
  }
TYPED(S, float)
TYPED(D, double)

BLAS_API cublasGemmEx(void* handle, int op_a, int op_b, int m, int n, int k, const void* alpha, const void* a,
                      int type_a, int lda, const void* b, int type_b, int ldb, const void* beta, void* c, int type_c,
                      int ldc, int compute, int) {
  auto call = [&]<class T>(T) {
    return gemm(handle, op_a, op_b, m, n, k, (const T*)alpha, (const T*)a, lda, (const T*)b, ldb, (const T*)beta, (T*)c,
                ldc);
  };
  bool all_32 = type_a == REAL_32 && type_b == REAL_32 && type_c == REAL_32;
  bool all_64 = type_a == REAL_64 && type_b == REAL_64 && type_c == REAL_64;
  if (all_32 && (compute == COMPUTE_32 || compute == COMPUTE_32_PEDANTIC || compute == COMPUTE_32_TF32))
    return call(float());
  if (all_64 && (compute == COMPUTE_64 || compute == COMPUTE_64_PEDANTIC)) return call(double());
  complain("cublasGemmEx: only float32 and float64 are emulated");
  return NOT_SUPPORTED;
}
