// Random batch-innermost arrays for tests of kernels, and plain views of them: sample b, unit k.
#pragma once

#include <bit>
#include <catch2/catch.hpp>
#include <limits>
#include <random>
#include <vector>

#include "runtime/kernels/kernels.hpp"

namespace relaxon::testing {

class Draw {
 public:
  explicit Draw(std::uint64_t seed) : engine_(seed) {}
  std::int64_t between(std::int64_t low, std::int64_t high) {
    return std::uniform_int_distribution<std::int64_t>(low, high)(engine_);
  }
  bool chance(double p) { return std::bernoulli_distribution(p)(engine_); }
  /// Mostly ordinary numbers; some 0, some so small that products and sums of them are subnormal.
  float real() {
    const float x = std::uniform_real_distribution<float>(-2, 2)(engine_);
    if (chance(0.1)) return 0;
    return chance(0.1) ? x * 1e-37f : x;
  }
  std::vector<float> reals(std::size_t n) {
    std::vector<float> x(n);
    for (float& value : x) value = real();
    return x;
  }
  std::vector<std::int32_t> integers(std::size_t n, std::int64_t bound) {
    std::vector<std::int32_t> x(n);
    for (std::int32_t& value : x) value = static_cast<std::int32_t>(between(-bound, bound));
    return x;
  }

 private:
  std::mt19937_64 engine_;
};

/// The instruction sets whose tables this machine can run.
inline std::vector<Isa> available_isas() {
  std::vector<Isa> isas;
  for (const Isa isa : {Isa::x86_64, Isa::avx2, Isa::avx512}) {
    if (has_isa(isa)) isas.push_back(isa);
  }
  return isas;
}

/// Whether two floats are the same number, bit for bit, apart from the sign of zero.
inline bool same(float a, float b) {
  return a == 0 ? b == 0 : std::bit_cast<std::uint32_t>(a) == std::bit_cast<std::uint32_t>(b);
}

inline std::size_t index_of(std::int64_t b, std::int64_t k, std::int64_t units) {
  return static_cast<std::size_t>((b / lanes * units + k) * lanes + b % lanes);
}

/// [panel][unit][lane], inactive lanes filled with `garbage`.
template <class T>
struct Panels {
  Panels(std::int64_t batch_size, std::int64_t width, T garbage)
      : batch(batch_size),
        units(width),
        values(static_cast<std::size_t>(panels_of(batch_size) * width * lanes), garbage) {}
  T& at(std::int64_t b, std::int64_t k) { return values[index_of(b, k, units)]; }
  T at(std::int64_t b, std::int64_t k) const { return values[index_of(b, k, units)]; }
  T* data() { return values.data(); }
  const T* data() const { return values.data(); }

  std::int64_t batch, units;
  std::vector<T> values;
};

/// Values in {-1, 0, 1} as bit planes.
struct Signs {
  Signs(std::int64_t batch_size, std::int64_t width)
      : batch(batch_size),
        units(width),
        plus(static_cast<std::size_t>(panels_of(batch_size) * width)),
        minus(static_cast<std::size_t>(panels_of(batch_size) * width)) {}
  Signs(Draw& draw, std::int64_t batch_size, std::int64_t width, double zeros) : Signs(batch_size, width) {
    for (std::int64_t b = 0; b < batch; ++b) {
      for (std::int64_t k = 0; k < units; ++k) set(b, k, draw.chance(zeros) ? 0 : draw.chance(0.5) ? 1 : -1);
    }
  }
  int at(std::int64_t b, std::int64_t k) const {
    const std::size_t i = place(b, k);
    return (plus[i] >> b % lanes & 1) - (minus[i] >> b % lanes & 1);
  }
  void set(std::int64_t b, std::int64_t k, int value) {
    const auto bit = static_cast<Mask>(1u << b % lanes);
    plus[place(b, k)] = static_cast<Mask>((plus[place(b, k)] & ~bit) | (value > 0 ? bit : 0));
    minus[place(b, k)] = static_cast<Mask>((minus[place(b, k)] & ~bit) | (value < 0 ? bit : 0));
  }
  /// Whether no bit is set outside the batch, and none in both planes.
  bool well_formed() const {
    for (std::size_t i = 0; i < plus.size(); ++i) {
      const Mask active = active_lanes(batch, static_cast<std::int64_t>(i) / units);
      if ((plus[i] & minus[i]) != 0 || ((plus[i] | minus[i]) & ~active) != 0) return false;
    }
    return true;
  }
  SignsIn in() const { return {plus.data(), minus.data()}; }
  SignsOut out() { return {plus.data(), minus.data()}; }
  std::size_t place(std::int64_t b, std::int64_t k) const {
    return static_cast<std::size_t>(b / lanes * units + k);
  }
  bool operator==(const Signs&) const = default;

  std::int64_t batch, units;
  std::vector<Mask> plus, minus;
};

/// Connections by receiver and by sender; `weight` fills the entries.
struct Connections {
  Connections(Draw& draw, std::int64_t d, std::int64_t K, double density) : senders(d), receivers(K) {
    std::vector<std::vector<std::pair<std::int32_t, std::int32_t>>> rows(static_cast<std::size_t>(d));
    offsets.push_back(0);
    for (std::int64_t k = 0; k < K; ++k) {
      const double column_density = k % 5 == 3 ? 0 : density;  // some receivers have no senders
      for (std::int64_t j = 0; j < d; ++j) {
        if (j != k && !draw.chance(column_density)) continue;
        rows[static_cast<std::size_t>(j)].emplace_back(k, static_cast<std::int32_t>(sender.size()));
        sender.push_back(static_cast<std::int32_t>(j));
      }
      offsets.push_back(static_cast<std::int32_t>(sender.size()));
    }
    order = columns_by_length(offsets);
    row_offsets.push_back(0);
    for (const auto& row : rows) {
      for (const auto& [k, e] : row) {
        receiver.push_back(k);
        entry.push_back(e);
      }
      row_offsets.push_back(static_cast<std::int32_t>(receiver.size()));
    }
  }
  template <class T>
  SparseWeight<T> weight(T* entries) const {
    return {entries, offsets.data(), sender.data(), order.data(), senders, receivers};
  }
  SenderIndex rows() const { return {row_offsets.data(), row_offsets.data() + 1, receiver.data(), entry.data()}; }
  std::size_t entries() const { return sender.size(); }

  std::int64_t senders, receivers;
  std::vector<std::int32_t> offsets, sender, order, row_offsets, receiver, entry;
};

/// A row length that kernels accept for `receivers`.
inline std::int64_t stride_of(std::int64_t receivers) { return (receivers + 15) / 16 * 16; }

/// Random entries of a dense weight, the padding 0.
template <class T>
std::vector<T> padded(const std::vector<T>& entries, std::int64_t senders, std::int64_t receivers) {
  const std::int64_t stride = stride_of(receivers);
  std::vector<T> result(static_cast<std::size_t>(senders * stride));
  for (std::int64_t j = 0; j < senders; ++j) {
    for (std::int64_t k = 0; k < receivers; ++k) {
      result[static_cast<std::size_t>(j * stride + k)] = entries[static_cast<std::size_t>(j * receivers + k)];
    }
  }
  return result;
}

}  // namespace relaxon::testing
