#include <cmath>

#include "core/fixed_point.hpp"
#include "core/math.hpp"
#include "tests/support/panels.hpp"

namespace relaxon {
namespace {

using testing::available_isas;
using testing::Connections;
using testing::Draw;
using testing::padded;
using testing::Panels;
using testing::same;
using testing::Signs;
using testing::stride_of;

constexpr int rounds = 40;

struct Sizes {
  explicit Sizes(Draw& draw)
      : batch(draw.between(1, 50)), senders(draw.between(1, 70)), receivers(draw.between(1, 70)) {}
  std::int64_t panels() const { return panels_of(batch); }
  std::size_t dense() const { return static_cast<std::size_t>(senders * receivers); }
  std::int64_t batch, senders, receivers;
};

/// The field types with the kernels that compute them.
struct Fields32 {
  using T = std::int32_t;
  static constexpr std::int64_t weight_bound = INT32_MAX / 200;
  static constexpr auto exact_dense = &KernelTable::exact_dense32;
  static constexpr auto exact_sparse = &KernelTable::exact_sparse32;
  static constexpr auto advance_dense = &KernelTable::advance_dense32;
  static constexpr auto advance_sparse = &KernelTable::advance_sparse32;
  static constexpr auto gather = &KernelTable::gather_fields32;
  static constexpr auto to_fields = &KernelTable::to_fields32;
  static constexpr auto sum = &KernelTable::sum32;
  static constexpr auto sum_sign = &KernelTable::sum_sign32;
  static constexpr auto sum_error = &KernelTable::sum_error32;
  static constexpr auto sum_pair_error = &KernelTable::sum_pair_error32;
  static constexpr float limit = 0x1p30f;
};
struct Fields64 {
  using T = std::int64_t;
  static constexpr std::int64_t weight_bound = INT32_MAX;
  static constexpr auto exact_dense = &KernelTable::exact_dense64;
  static constexpr auto exact_sparse = &KernelTable::exact_sparse64;
  static constexpr auto advance_dense = &KernelTable::advance_dense64;
  static constexpr auto advance_sparse = &KernelTable::advance_sparse64;
  static constexpr auto gather = &KernelTable::gather_fields64;
  static constexpr auto to_fields = &KernelTable::to_fields64;
  static constexpr auto sum = &KernelTable::sum64;
  static constexpr auto sum_sign = &KernelTable::sum_sign64;
  static constexpr auto sum_error = &KernelTable::sum_error64;
  static constexpr auto sum_pair_error = &KernelTable::sum_pair_error64;
  static constexpr float limit = 0x1p63f;
};

/// The message of sample b into receiver k over a dense weight without padding.
std::int64_t message(const std::vector<std::int32_t>& q, const Signs& x, std::int64_t receivers,
                     std::int64_t b, std::int64_t k) {
  std::int64_t sum = 0;
  for (std::int64_t j = 0; j < x.units; ++j)
    sum += std::int64_t{x.at(b, j)} * q[static_cast<std::size_t>(j * receivers + k)];
  return sum;
}

std::int64_t message(const std::vector<std::int32_t>& q, const Connections& c, const Signs& x, std::int64_t b,
                     std::int64_t k) {
  std::int64_t sum = 0;
  for (auto e = static_cast<std::size_t>(c.offsets[static_cast<std::size_t>(k)]);
       e < static_cast<std::size_t>(c.offsets[static_cast<std::size_t>(k) + 1]); ++e) {
    sum += std::int64_t{x.at(b, c.sender[e])} * q[e];
  }
  return sum;
}

template <class T, class Expected>
bool agrees(const Panels<T>& h, Expected expected) {
  for (std::int64_t b = 0; b < h.batch; ++b) {
    for (std::int64_t k = 0; k < h.units; ++k) {
      if (h.at(b, k) != expected(b, k)) return false;
    }
  }
  return true;
}

TEMPLATE_TEST_CASE("exact messages are the plain sums", "[kernels]", Fields32, Fields64) {
  using T = typename TestType::T;
  for (const Isa isa : available_isas()) {
    const KernelTable& table = kernels(isa);
    Draw draw(11);
    for (int round = 0; round < rounds; ++round) {
      const Sizes n(draw);
      const Signs x(draw, n.batch, n.senders, round % 2 ? 0.2 : 0.0);
      const auto q = draw.integers(n.dense(), TestType::weight_bound);
      const auto stored = padded(q, n.senders, n.receivers);
      Panels<T> h(n.batch, n.receivers, std::numeric_limits<T>::min());
      INFO(name_of(isa) << " round " << round);
      (table.*TestType::exact_dense)({stored.data(), n.senders, n.receivers, stride_of(n.receivers)}, x.in(),
                                     n.batch, h.data());
      REQUIRE(agrees(h, [&](auto b, auto k) { return message(q, x, n.receivers, b, k); }));

      const Connections c(draw, n.senders, n.receivers, 0.3);
      const auto entries = draw.integers(c.entries(), TestType::weight_bound);
      (table.*TestType::exact_sparse)(c.weight(entries.data()), x.in(), n.batch, h.data());
      REQUIRE(agrees(h, [&](auto b, auto k) { return message(entries, c, x, b, k); }));
    }
  }
}

TEMPLATE_TEST_CASE("advanced messages are those of the new state", "[kernels]", Fields32, Fields64) {
  using T = typename TestType::T;
  for (const Isa isa : available_isas()) {
    const KernelTable& table = kernels(isa);
    Draw draw(12);
    for (int round = 0; round < rounds; ++round) {
      const Sizes n(draw);
      const double zeros = round % 2 ? 0.3 : 0.0;
      const Signs from(draw, n.batch, n.senders, zeros), other(draw, n.batch, n.senders, zeros);
      const double flips = round % 3 == 0 ? 0.01 : round % 3 == 1 ? 0.5 : 0.0;
      Signs to = from;
      for (std::int64_t b = 0; b < n.batch; ++b) {
        for (std::int64_t j = 0; j < n.senders; ++j) {
          if (draw.chance(flips)) to.set(b, j, other.at(b, j));
        }
      }
      INFO(name_of(isa) << " round " << round);
      const auto q = draw.integers(n.dense(), TestType::weight_bound);
      const auto stored = padded(q, n.senders, n.receivers);
      const DenseWeight<const std::int32_t> weight{stored.data(), n.senders, n.receivers,
                                                   stride_of(n.receivers)};
      Panels<T> h(n.batch, n.receivers, std::numeric_limits<T>::min());
      (table.*TestType::exact_dense)(weight, from.in(), n.batch, h.data());
      (table.*TestType::advance_dense)(weight, from.in(), to.in(), n.panels(), h.data());
      REQUIRE(agrees(h, [&](auto b, auto k) { return message(q, to, n.receivers, b, k); }));

      const Connections c(draw, n.senders, n.receivers, 0.3);
      const auto entries = draw.integers(c.entries(), TestType::weight_bound);
      (table.*TestType::exact_sparse)(c.weight(entries.data()), from.in(), n.batch, h.data());
      (table.*TestType::advance_sparse)(c.weight(entries.data()), c.rows(), from.in(), to.in(), n.panels(),
                                        h.data());
      REQUIRE(agrees(h, [&](auto b, auto k) { return message(entries, c, to, b, k); }));
    }
  }
}

Panels<float> random_reals(Draw& draw, std::int64_t batch, std::int64_t units, float garbage) {
  Panels<float> x(batch, units, garbage);
  for (std::int64_t b = 0; b < batch; ++b) {
    for (std::int64_t j = 0; j < units; ++j) x.at(b, j) = draw.real();
  }
  return x;
}

TEST_CASE("real messages are one fused chain, senders ascending", "[kernels]") {
  const FlushToZero mode;
  for (const Isa isa : available_isas()) {
    const KernelTable& table = kernels(isa);
    Draw draw(13);
    for (int round = 0; round < rounds; ++round) {
      Sizes n(draw);
      if (round % 4 == 0) n.receivers += 70;  // more than one block of columns
      const auto x = random_reals(draw, n.batch, n.senders, std::numeric_limits<float>::quiet_NaN());
      const auto w = draw.reals(n.dense());
      const auto stored = padded(w, n.senders, n.receivers);
      Panels<float> acc(n.batch, n.receivers, 0);
      INFO(name_of(isa) << " round " << round);
      table.real_dense({stored.data(), n.senders, n.receivers, stride_of(n.receivers)}, x.data(), n.panels(),
                       acc.data());
      REQUIRE(agrees(acc, [&](auto b, auto k) {
        float sum = 0;
        for (std::int64_t j = 0; j < n.senders; ++j)
          sum = std::fma(x.at(b, j), w[static_cast<std::size_t>(j * n.receivers + k)], sum);
        return sum;
      }));

      const Connections c(draw, n.senders, n.receivers, 0.3);
      const auto entries = draw.reals(c.entries());
      table.real_sparse(c.weight(entries.data()), x.data(), n.panels(), acc.data());
      REQUIRE(agrees(acc, [&](auto b, auto k) {
        float sum = 0;
        for (auto e = static_cast<std::size_t>(c.offsets[static_cast<std::size_t>(k)]);
             e < static_cast<std::size_t>(c.offsets[static_cast<std::size_t>(k) + 1]); ++e) {
          sum = std::fma(x.at(b, c.sender[e]), entries[e], sum);
        }
        return sum;
      }));
    }
  }
}

TEMPLATE_TEST_CASE("rows of tables become panels", "[kernels]", Fields32, Fields64) {
  using T = typename TestType::T;
  for (const Isa isa : available_isas()) {
    const KernelTable& table = kernels(isa);
    Draw draw(14);
    for (int round = 0; round < rounds; ++round) {
      const Sizes n(draw);
      const std::int64_t samples = n.receivers, units = n.senders;
      std::vector<std::int8_t> signs;
      std::vector<std::uint8_t> bytes;
      std::vector<float> reals;
      std::vector<std::int64_t> fields;
      for (std::int64_t i = 0; i < samples * units; ++i) {
        signs.push_back(static_cast<std::int8_t>(draw.between(-1, 1)));
        bytes.push_back(static_cast<std::uint8_t>(draw.between(0, 255)));
        reals.push_back(draw.real());
        fields.push_back(draw.between(-INT32_MAX, INT32_MAX));
      }
      std::vector<std::int32_t> rows;
      for (std::int64_t b = 0; b < n.batch; ++b)
        rows.push_back(static_cast<std::int32_t>(draw.between(0, samples - 1)));
      const auto cell = [&](std::int64_t b, std::int64_t k) {
        return static_cast<std::size_t>(rows[static_cast<std::size_t>(b)] * units + k);
      };
      INFO(name_of(isa) << " round " << round);

      Signs s(n.batch, units);
      std::fill(s.plus.begin(), s.plus.end(), Mask{0xabcd});
      table.gather_signs(signs.data(), units, rows.data(), n.batch, s.out());
      Panels<std::uint8_t> u(n.batch, units, 1);
      table.gather_bytes(bytes.data(), units, rows.data(), n.batch, u.data());
      Panels<float> x(n.batch, units, 1);
      table.gather_reals(reals.data(), units, rows.data(), n.batch, x.data());
      Panels<T> h(n.batch, units, 1);
      (table.*TestType::gather)(fields.data(), units, rows.data(), n.batch, h.data());
      REQUIRE(s.well_formed());
      for (std::int64_t b = 0; b < n.panels() * lanes; ++b) {
        for (std::int64_t k = 0; k < units; ++k) {
          if (b >= n.batch) {
            REQUIRE((u.at(b, k) == 0 && x.at(b, k) == 0 && h.at(b, k) == 0));
          } else {
            REQUIRE(s.at(b, k) == signs[cell(b, k)]);
            REQUIRE(u.at(b, k) == bytes[cell(b, k)]);
            REQUIRE(x.at(b, k) == reals[cell(b, k)]);
            REQUIRE(h.at(b, k) == fields[cell(b, k)]);
          }
        }
      }
      table.bytes_to_reals(bytes.data(), samples * units, reals.data());
      for (std::size_t i = 0; i < bytes.size(); ++i) REQUIRE(reals[i] == static_cast<float>(bytes[i]));
      table.scale(reals.data(), samples * units, 1.0f / 255.0f);
      for (std::size_t i = 0; i < bytes.size(); ++i)
        REQUIRE(reals[i] == static_cast<float>(bytes[i]) * (1.0f / 255.0f));
    }
  }
}

TEST_CASE("weights become integers, or are named", "[kernels]") {
  const FlushToZero mode;
  for (const Isa isa : available_isas()) {
    const KernelTable& table = kernels(isa);
    Draw draw(15);
    for (int round = 0; round < rounds; ++round) {
      const int bits = static_cast<int>(draw.between(4, 26));
      const auto n = static_cast<std::size_t>(draw.between(1, 90));
      std::vector<float> w(n);
      for (float& value : w) value = draw.chance(0.2) ? 1e-40f : draw.real() * 0.4f * weight_limit(bits);
      w[0] = std::nextafter(weight_limit(bits), 0.0f);
      std::vector<std::int32_t> q(n);
      INFO(name_of(isa) << " round " << round);
      REQUIRE(table.quantise(w.data(), static_cast<std::int64_t>(n), bits, q.data()) == -1);
      for (std::size_t i = 0; i < n; ++i) REQUIRE(q[i] == to_fixed(w[i], bits));
      const std::size_t bad = static_cast<std::size_t>(draw.between(0, static_cast<std::int64_t>(n) - 1));
      w[n - 1] = -weight_limit(bits);
      w[bad] = round % 2 ? std::numeric_limits<float>::quiet_NaN() : weight_limit(bits);
      REQUIRE(table.quantise(w.data(), static_cast<std::int64_t>(n), bits, q.data()) ==
              static_cast<std::int64_t>(bad));
    }
  }
}

TEMPLATE_TEST_CASE("real messages become fields, or are named", "[kernels]", Fields32, Fields64) {
  using T = typename TestType::T;
  const FlushToZero mode;
  for (const Isa isa : available_isas()) {
    const KernelTable& table = kernels(isa);
    Draw draw(16);
    for (int round = 0; round < rounds; ++round) {
      const Sizes n(draw);
      const int bits = static_cast<int>(draw.between(4, 26));
      const float limit = std::ldexp(TestType::limit, -bits);
      auto x = random_reals(draw, n.batch, n.receivers, std::numeric_limits<float>::quiet_NaN());
      x.at(0, 0) = -std::nextafter(limit, 0.0f);
      Panels<T> h(n.batch, n.receivers, 0);
      INFO(name_of(isa) << " round " << round);
      REQUIRE((table.*TestType::to_fields)(x.data(), n.receivers, n.batch, bits, h.data()) == -1);
      REQUIRE(agrees(h, [&](auto b, auto k) { return to_fixed(x.at(b, k), bits); }));
      const std::int64_t b = draw.between(0, n.batch - 1), k = draw.between(0, n.receivers - 1);
      x.at(b, k) = limit;
      REQUIRE((table.*TestType::to_fields)(x.data(), n.receivers, n.batch, bits, h.data()) ==
              static_cast<std::int64_t>(testing::index_of(b, k, n.receivers)));
    }
  }
}

/// Messages whose sums stay within a quarter of the field's range, some of them exactly 0.
template <class T>
std::vector<Panels<T>> random_messages(Draw& draw, const Sizes& n, int bits) {
  const auto count = static_cast<std::size_t>(draw.between(1, 8));
  std::vector<Panels<T>> messages;
  const std::int64_t bound =
      draw.chance(0.5) ? std::numeric_limits<T>::max() / 2 / 8 : std::int64_t{1} << bits;
  for (std::size_t m = 0; m < count; ++m) {
    messages.emplace_back(n.batch, n.receivers, std::numeric_limits<T>::min());
    for (std::int64_t b = 0; b < n.batch; ++b) {
      for (std::int64_t k = 0; k < n.receivers; ++k) {
        messages.back().at(b, k) = static_cast<T>(draw.chance(0.2) ? 0 : draw.between(-bound, bound));
      }
    }
  }
  return messages;
}

/// Margins among which some meet a field exactly and some are beyond every field.
std::int64_t random_margin(Draw& draw, std::int64_t field) {
  constexpr std::int64_t extremes[] = {
      std::int64_t{1} << 62, -(std::int64_t{1} << 62), INT32_MAX, INT32_MIN, std::int64_t{1} << 31, 0};
  switch (draw.between(0, 3)) {
    case 0: return extremes[draw.between(0, 5)];
    case 1: return field;
    case 2: return -field;
    default: return draw.between(-(1 << 20), 1 << 20);
  }
}

TEMPLATE_TEST_CASE("epilogues see the sum of the messages", "[kernels]", Fields32, Fields64) {
  using T = typename TestType::T;
  const FlushToZero mode;
  for (const Isa isa : available_isas()) {
    const KernelTable& table = kernels(isa);
    Draw draw(17);
    for (int round = 0; round < 2 * rounds; ++round) {
      const Sizes n(draw);
      const int bits = static_cast<int>(draw.between(4, 26));
      const auto messages = random_messages<T>(draw, n, bits);
      std::vector<const T*> pointers;
      for (const auto& m : messages) pointers.push_back(m.data());
      const auto count = static_cast<std::int64_t>(messages.size());
      const auto field = [&](std::int64_t b, std::int64_t k) {
        std::int64_t h = 0;
        for (const auto& m : messages) h += m.at(b, k);
        return h;
      };
      INFO(name_of(isa) << " round " << round);

      Panels<T> h(n.batch, n.receivers, 0);
      (table.*TestType::sum)(pointers.data(), count, static_cast<std::int64_t>(h.values.size()), h.data());
      REQUIRE(agrees(h, field));
      // An odd number of entries, so that the rest of a register is summed too.
      (table.*TestType::sum)(pointers.data(), count, static_cast<std::int64_t>(h.values.size()) - 5,
                             h.data());
      REQUIRE(agrees(h, field));

      Signs state(n.batch, n.receivers);
      bool changed = false;
      (table.*TestType::sum_sign)(pointers.data(), count, n.receivers, n.batch, state.out(), &changed);
      REQUIRE(changed);
      REQUIRE(state.well_formed());
      for (std::int64_t b = 0; b < n.batch; ++b) {
        for (std::int64_t k = 0; k < n.receivers; ++k) REQUIRE(state.at(b, k) == (field(b, k) >= 0 ? 1 : -1));
      }
      (table.*TestType::sum_sign)(pointers.data(), count, n.receivers, n.batch, state.out(), &changed);
      REQUIRE(!changed);
      const std::int64_t b0 = draw.between(0, n.batch - 1), k0 = draw.between(0, n.receivers - 1);
      state.set(b0, k0, -state.at(b0, k0));
      (table.*TestType::sum_sign)(pointers.data(), count, n.receivers, n.batch, state.out(), &changed);
      REQUIRE(changed);
      (table.*TestType::sum_sign)(pointers.data(), count, n.receivers, n.batch, state.out(), nullptr);

      const Signs t(draw, n.batch, n.receivers, 0.2);
      Signs v(n.batch, n.receivers);
      std::vector<std::int64_t> margin;
      for (std::int64_t k = 0; k < n.receivers; ++k) margin.push_back(random_margin(draw, field(0, k)));
      (table.*TestType::sum_error)(pointers.data(), count, t.in(), margin.data(), n.receivers, n.panels(),
                                   v.out());
      REQUIRE(v.well_formed());
      for (std::int64_t b = 0; b < n.batch; ++b) {
        for (std::int64_t k = 0; k < n.receivers; ++k) {
          const int target = t.at(b, k);
          REQUIRE(v.at(b, k) == (target * field(b, k) <= margin[static_cast<std::size_t>(k)] ? target : 0));
        }
      }

      const float a = 1.0811388f, c = -0.5f;
      std::vector<float> real_margin;
      for (std::int64_t k = 0; k < n.receivers; ++k) {
        real_margin.push_back(draw.chance(0.5) ? draw.real() : a * from_fixed(field(0, k), bits));
      }
      (table.*TestType::sum_pair_error)(pointers.data(), count, t.in(), a, c, real_margin.data(), bits,
                                        n.receivers, n.panels(), v.out());
      REQUIRE(v.well_formed());
      for (std::int64_t b = 0; b < n.batch; ++b) {
        for (std::int64_t k = 0; k < n.receivers; ++k) {
          const float value = t.at(b, k) > 0 ? a : c;
          const bool errs = t.at(b, k) != 0 &&
                            value * from_fixed(field(b, k), bits) <= real_margin[static_cast<std::size_t>(k)];
          REQUIRE(v.at(b, k) == (errs ? t.at(b, k) : 0));
        }
      }
    }
  }
}

TEST_CASE("column sums bound every field", "[kernels]") {
  for (const Isa isa : available_isas()) {
    const KernelTable& table = kernels(isa);
    Draw draw(18);
    for (int round = 0; round < rounds; ++round) {
      const Sizes n(draw);
      const auto q = draw.integers(n.dense(), INT32_MAX);
      const auto stored = padded(q, n.senders, n.receivers);
      std::vector<std::int64_t> sums(static_cast<std::size_t>(n.receivers), 7), expected = sums;
      table.column_sums_dense({stored.data(), n.senders, n.receivers, stride_of(n.receivers)}, sums.data());
      for (std::size_t i = 0; i < q.size(); ++i)
        expected[i % expected.size()] += std::abs(std::int64_t{q[i]});
      REQUIRE(sums == expected);
      const Connections c(draw, n.senders, n.receivers, 0.3);
      const auto entries = draw.integers(c.entries(), INT32_MAX);
      table.column_sums_sparse(c.weight(entries.data()), sums.data());
      for (std::size_t k = 0; k + 1 < c.offsets.size(); ++k) {
        for (auto e = static_cast<std::size_t>(c.offsets[k]); e < static_cast<std::size_t>(c.offsets[k + 1]);
             ++e) {
          expected[k] += std::abs(std::int64_t{entries[e]});
        }
      }
      REQUIRE(sums == expected);
    }
  }
}

TEST_CASE("instruction sets have names", "[kernels]") {
  for (const Isa isa : {Isa::x86_64, Isa::avx2, Isa::avx512}) CHECK(isa_named(name_of(isa)) == isa);
  CHECK(isa_named("sse9") == std::nullopt);
  CHECK(has_isa(Isa::x86_64));
  CHECK(has_isa(best_isa()));
}

}  // namespace
}  // namespace relaxon
