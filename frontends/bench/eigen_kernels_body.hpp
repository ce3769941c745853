// What the tables of eigen_kernels.hpp are made of; included by one source file for each instruction set.
//
// Such a file renames Eigen's namespace before it includes anything: without that, the linker would keep one
// copy of each of Eigen's functions for the whole program, compiled for whichever instruction set came first.
#ifndef Eigen
#error "define Eigen as a name of this file's own first"
#endif

#include <Eigen/Core>
#include <Eigen/SparseCore>

#include "frontends/bench/eigen_kernels.hpp"

namespace relaxon::bench {
namespace {

using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using In = Eigen::Map<const Matrix>;
using Out = Eigen::Map<Matrix>;
using ArrayIn = Eigen::Map<const Eigen::ArrayXf>;
using ArrayOut = Eigen::Map<Eigen::ArrayXf>;
using Sparse = Eigen::Map<const Eigen::SparseMatrix<float, Eigen::RowMajor>>;

Sparse as_matrix(const SparseView& w) { return {w.d, w.K, w.entries, w.offsets, w.receiver, w.values}; }

void multiply(const float* w, const float* x, std::int64_t d, std::int64_t K, std::int64_t B, float* out) {
  Out(out, K, B).noalias() = In(w, d, K).transpose() * In(x, d, B);
}

void multiply_sparse(const SparseView& w, const float* x, std::int64_t B, float* out) {
  Out(out, w.K, B).noalias() = as_matrix(w).transpose() * In(x, w.d, B);
}

void correlate(const float* u, const float* v, std::int64_t d, std::int64_t K, std::int64_t B, float* s) {
  Out(s, d, K).noalias() = In(u, d, B) * In(v, K, B).transpose();
}

void correlate_sparse(const float* u, const float* v, std::int64_t B, const SparseView& pattern, float* s) {
  const In senders(u, pattern.d, B);
  const In receivers(v, pattern.K, B);
  const Sparse entries = as_matrix(pattern);
  for (Eigen::Index j = 0; j < pattern.d; ++j) {
    for (Sparse::InnerIterator entry(entries, j); entry; ++entry) {
      *s++ = senders.row(j).dot(receivers.row(entry.col()));
    }
  }
}

void add(const float* x, std::int64_t n, float* sum) { ArrayOut(sum, n) += ArrayIn(x, n); }
void subtract(const float* x, std::int64_t n, float* difference) { ArrayOut(difference, n) -= ArrayIn(x, n); }
void mask(const float* mask, std::int64_t n, float* s) { ArrayOut(s, n) *= ArrayIn(mask, n); }

void affine(float a, const float* x, float b, std::int64_t n, float* out) {
  ArrayOut(out, n) = a * ArrayIn(x, n) + b;
}

void sign(const float* h, std::int64_t n, float* out) {
  for (std::int64_t i = 0; i < n; ++i) out[i] = h[i] >= 0 ? 1.0f : -1.0f;
}

void error(const float* t, const float* f, const float* margin, std::int64_t K, std::int64_t B, float* v) {
  for (std::int64_t k = 0; k < K; ++k) {
    for (std::int64_t i = k * B; i < (k + 1) * B; ++i) v[i] = t[i] * f[i] <= margin[k] ? t[i] : 0.0f;
  }
}

void sgd(float alpha, float k, const float* s, std::int64_t n, float* w) {
  if (k == 0) {
    ArrayOut(w, n) += alpha * ArrayIn(s, n);
  } else {
    ArrayOut(w, n) = (1 - k) * ArrayOut(w, n) + alpha * ArrayIn(s, n);
  }
}

void momentum(float beta, float delta, float mu, float eta, bool nesterov, const float* s, std::int64_t n,
              float* w, float* m) {
  const ArrayIn correlation(s, n);
  ArrayOut weight(w, n), moment(m, n);
  if (!nesterov) {
    moment = mu * moment + (delta * weight - beta * correlation);
    weight -= eta * moment;
    return;
  }
  const Eigen::ArrayXf gradient = delta * weight - beta * correlation;
  moment = mu * moment + gradient;
  weight -= eta * (gradient + mu * moment);
}

void adam(const AdamScalars& c, const float* s, std::int64_t n, float* w, float* m, float* v) {
  const ArrayIn correlation(s, n);
  ArrayOut weight(w, n), first(m, n), second(v, n);
  if (c.delta == 0) {
    first = c.b1 * first - (c.c1 * c.beta) * correlation;
    second = c.b2 * second + (c.c2 * c.beta * c.beta) * correlation.square();
  } else {
    first = c.b1 * first + c.c1 * (c.delta * weight - c.beta * correlation);
    second = c.b2 * second + c.c2 * (c.delta * weight - c.beta * correlation).square();
  }
  weight = (1 - c.decay) * weight - c.a * first / (c.r * second.sqrt() + c.eps);
}

double multiply_add(std::int64_t rounds) {
#if defined(__AVX512F__)
  constexpr int bytes = 64;
#elif defined(__AVX2__)
  constexpr int bytes = 32;
#else
  constexpr int bytes = 16;
#endif
  using Vector [[gnu::vector_size(bytes)]] = float;
  constexpr int vectors = 12;  // more than latency times units of any of these machines
  Vector x[vectors];
  const Vector a = Vector{} + 0.999f;
  const Vector b = Vector{} + 0.001f;
  for (int i = 0; i < vectors; ++i) x[i] = Vector{} + static_cast<float>(i);
  for (std::int64_t round = 0; round < rounds; ++round) {
#pragma GCC unroll 12
    for (int i = 0; i < vectors; ++i) x[i] = x[i] * a + b;
  }
  for (int i = 0; i < vectors; ++i) asm volatile("" : : "x"(x[i]));  // the results count as used
  return 2.0 * vectors * (bytes / 4) * static_cast<double>(rounds);
}

constexpr EigenKernels table{.multiply = multiply,
                             .multiply_sparse = multiply_sparse,
                             .correlate = correlate,
                             .correlate_sparse = correlate_sparse,
                             .add = add,
                             .subtract = subtract,
                             .mask = mask,
                             .affine = affine,
                             .sign = sign,
                             .error = error,
                             .sgd = sgd,
                             .momentum = momentum,
                             .adam = adam,
                             .multiply_add = multiply_add};

}  // namespace
}  // namespace relaxon::bench
