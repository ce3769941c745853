// The array operations of the naive baseline: plain Eigen, built once for each instruction set.
//
// Values of a batch are (units, B) arrays, row-major: the samples of a unit lie side by side, which suits
// Eigen's dense and sparse products alike. Weights are (d, K), sender by receiver. Each table is compiled
// with what a user would compile for that machine: -O3, its vector instructions, contraction allowed.
#pragma once

#include <cstdint>

#include "runtime/kernels/kernels.hpp"

namespace relaxon::bench {

/// A sparse (d, K) weight as compressed rows, as Eigen::SparseMatrix<float, Eigen::RowMajor> stores it.
struct SparseView {
  std::int64_t d, K, entries;
  const std::int32_t* offsets;   // d + 1
  const std::int32_t* receiver;  // one per entry
  const float* values;
};

/// Settings of one Adam or AdamW step, named as in section 11.
struct AdamScalars {
  float beta, delta, b1, c1, b2, c2, a, r, eps, decay;
};

struct EigenKernels {
  /// out (K, B) = w^T x, for x (d, B).
  void (*multiply)(const float* w, const float* x, std::int64_t d, std::int64_t K, std::int64_t B,
                   float* out);
  void (*multiply_sparse)(const SparseView& w, const float* x, std::int64_t B, float* out);
  /// s (d, K) = u v^T, for u (d, B) and v (K, B); the sparse one at the entries only.
  void (*correlate)(const float* u, const float* v, std::int64_t d, std::int64_t K, std::int64_t B, float* s);
  void (*correlate_sparse)(const float* u, const float* v, std::int64_t B, const SparseView& pattern,
                           float* s);
  void (*add)(const float* x, std::int64_t n, float* sum);
  void (*subtract)(const float* x, std::int64_t n, float* difference);
  void (*mask)(const float* mask, std::int64_t n, float* s);
  /// out = a x + b.
  void (*affine)(float a, const float* x, float b, std::int64_t n, float* out);
  /// out = +1 where h >= 0, else -1.
  void (*sign)(const float* h, std::int64_t n, float* out);
  /// The perceptron rule: v (K, B) = t where t f <= margin[k], else 0.
  void (*error)(const float* t, const float* f, const float* margin, std::int64_t K, std::int64_t B,
                float* v);
  /// Optimizer steps of n entries from S (section 11).
  void (*sgd)(float alpha, float k, const float* s, std::int64_t n, float* w);
  void (*momentum)(float beta, float delta, float mu, float eta, bool nesterov, const float* s,
                   std::int64_t n, float* w, float* m);
  void (*adam)(const AdamScalars& scalars, const float* s, std::int64_t n, float* w, float* m, float* v);
  /// `rounds` times 12 independent vectors x = x a + b; returns the flops. Not Eigen: it measures the peak.
  double (*multiply_add)(std::int64_t rounds);
};

extern const EigenKernels eigen_x86_64, eigen_avx2, eigen_avx512;

const EigenKernels& eigen_kernels(Isa isa);

}  // namespace relaxon::bench
