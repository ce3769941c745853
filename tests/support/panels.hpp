// Random batch-innermost arrays for tests of kernels, and plain views of them: sample b, unit k.
#pragma once

#include <algorithm>
#include <bit>
#include <catch2/catch.hpp>
#include <limits>
#include <random>
#include <vector>

#include "runtime/kernels/kernels.hpp"

namespace relaxon::testing {

inline constexpr Sender::Kind sender_kinds[] = {Sender::Kind::signs, Sender::Kind::pair, Sender::Kind::bytes,
                                                Sender::Kind::real};

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

/// [sample][unit], rows of row_stride(units); inactive samples and the padding filled with `garbage`.
template <class T>
struct Rows {
  Rows(std::int64_t batch_size, std::int64_t width, T garbage)
      : batch(batch_size),
        units(width),
        values(static_cast<std::size_t>(panels_of(batch_size) * lanes * row_stride(width)), garbage) {}
  T& at(std::int64_t b, std::int64_t k) { return values[place(b, k)]; }
  T at(std::int64_t b, std::int64_t k) const { return values[place(b, k)]; }
  T* data() { return values.data(); }
  const T* data() const { return values.data(); }
  std::size_t place(std::int64_t b, std::int64_t k) const {
    return static_cast<std::size_t>(b * row_stride(units) + k);
  }

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

/// Up to three parts that make up n units, as calls may share them.
inline std::vector<Units> random_parts(Draw& draw, std::int64_t n) {
  std::vector<std::int64_t> cuts{0, n};
  for (int i = 0; i < 2; ++i) cuts.push_back(draw.between(0, (n - 1) / unit_block) * unit_block);
  std::sort(cuts.begin(), cuts.end());
  std::vector<Units> parts;
  for (std::size_t i = 0; i + 1 < cuts.size(); ++i) {
    if (cuts[i] < cuts[i + 1]) parts.emplace_back(n, cuts[i], cuts[i + 1]);
  }
  return parts;
}

inline bool contains(const Units& part, std::int64_t k) { return k >= part.begin && k < part.end; }

/// Whether a call wrote what a call for all units did (`whole`) into its part, and left the other units of
/// what was there before alone.
template <class T>
bool is_part(const Panels<T>& made, const Units& part, const Panels<T>& whole, const Panels<T>& before) {
  for (std::int64_t b = 0; b < panels_of(made.batch) * lanes; ++b) {
    for (std::int64_t k = 0; k < made.units; ++k) {
      if (contains(part, k) && b >= made.batch) continue;  // anything
      if (made.at(b, k) != (contains(part, k) ? whole : before).at(b, k)) return false;
    }
  }
  return true;
}

template <class T>
bool is_part(const Rows<T>& made, const Units& part, const Rows<T>& whole, const Rows<T>& before) {
  const std::int64_t stride = row_stride(made.units);
  const Units written(stride, part.begin, part.end == made.units ? stride : part.end);
  for (std::int64_t b = 0; b < panels_of(made.batch) * lanes; ++b) {
    for (std::int64_t k = 0; k < stride; ++k) {
      if (contains(written, k) && (b >= made.batch || k >= made.units)) continue;  // anything
      if (made.at(b, k) != (contains(written, k) ? whole : before).at(b, k)) return false;
    }
  }
  return true;
}

inline bool is_part(const Signs& made, const Units& part, const Signs& whole, const Signs& before) {
  for (std::size_t i = 0; i < made.plus.size(); ++i) {
    const Signs& expected = contains(part, static_cast<std::int64_t>(i) % made.units) ? whole : before;
    if (made.plus[i] != expected.plus[i] || made.minus[i] != expected.minus[i]) return false;
  }
  return true;
}

/// Connections by sender, those to the receivers of a part.
struct PartRows {
  SenderIndex index() const { return {first.data(), last.data(), receiver, entry}; }
  std::vector<std::int32_t> first, last;
  const std::int32_t* receiver;
  const std::int32_t* entry;
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
  template <class T>
  SparseWeight<T> weight(T* entries, const Units& part) const {
    SparseWeight<T> w = weight(entries);
    w.begin = part.begin;
    w.end = part.end;
    return w;
  }
  SenderIndex rows() const {
    return {row_offsets.data(), row_offsets.data() + 1, receiver.data(), entry.data()};
  }
  PartRows rows(const Units& part) const {
    PartRows rows{{}, {}, receiver.data(), entry.data()};
    for (std::size_t j = 0; j + 1 < row_offsets.size(); ++j) {
      const auto begin = receiver.begin() + row_offsets[j], end = receiver.begin() + row_offsets[j + 1];
      const auto place = [&](std::int64_t k) {
        return static_cast<std::int32_t>(std::lower_bound(begin, end, k) - receiver.begin());
      };
      rows.first.push_back(place(part.begin));
      rows.last.push_back(place(part.end));
    }
    return rows;
  }
  std::size_t entries() const { return sender.size(); }

  std::int64_t senders, receivers;
  std::vector<std::int32_t> offsets, sender, order, row_offsets, receiver, entry;
};

/// Entries of a dense weight with rows of row_stride(receivers), the padding 0.
template <class T>
std::vector<T> padded(const std::vector<T>& entries, std::int64_t senders, std::int64_t receivers) {
  const std::int64_t stride = row_stride(receivers);
  std::vector<T> result(static_cast<std::size_t>(senders * stride));
  for (std::int64_t j = 0; j < senders; ++j) {
    for (std::int64_t k = 0; k < receivers; ++k) {
      result[static_cast<std::size_t>(j * stride + k)] = entries[static_cast<std::size_t>(j * receivers + k)];
    }
  }
  return result;
}

}  // namespace relaxon::testing
