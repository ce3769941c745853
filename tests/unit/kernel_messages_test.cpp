#include <cmath>

#include "core/math.hpp"
#include "tests/support/panels.hpp"

namespace relaxon {
namespace {

using testing::available_isas;
using testing::Connections;
using testing::Draw;
using testing::is_part;
using testing::padded;
using testing::Panels;
using testing::random_parts;
using testing::Rows;
using testing::Signs;

constexpr int rounds = 40;

struct Sizes {
  explicit Sizes(Draw& draw, std::int64_t most_receivers = 70)
      : batch(draw.between(1, 50)),
        senders(draw.between(1, 70)),
        receivers(draw.between(1, most_receivers)) {}
  std::int64_t panels() const { return panels_of(batch); }
  std::size_t dense() const { return static_cast<std::size_t>(senders * receivers); }
  std::int64_t batch, senders, receivers;
};

std::size_t joined_words(const Sizes& n) {
  return static_cast<std::size_t>(byte_sparse_scratch(n.senders, n.panels()));
}

/// The field types with the kernels that compute them.
struct Fields32 {
  using T = std::int32_t;
  static constexpr std::int64_t weight_bound = INT32_MAX / 200;
  static constexpr auto exact_rows = &KernelTable::exact_rows32;
  static constexpr auto exact_sparse = &KernelTable::exact_sparse32;
  static constexpr auto advance_rows = &KernelTable::advance_rows32;
  static constexpr auto advance_sparse = &KernelTable::advance_sparse32;
};
struct Fields64 {
  using T = std::int64_t;
  static constexpr std::int64_t weight_bound = INT32_MAX;
  static constexpr auto exact_rows = &KernelTable::exact_rows64;
  static constexpr auto exact_sparse = &KernelTable::exact_sparse64;
  static constexpr auto advance_rows = &KernelTable::advance_rows64;
  static constexpr auto advance_sparse = &KernelTable::advance_sparse64;
};

template <class T>
DenseWeight<const T> dense_weight(const std::vector<T>& stored, const Sizes& n) {
  return {stored.data(), n.senders, n.receivers, row_stride(n.receivers)};
}

template <class T>
DenseWeight<const T> dense_weight(const std::vector<T>& stored, const Sizes& n, const Units& part) {
  return {stored.data(), n.senders, n.receivers, row_stride(n.receivers), part.begin, part.end};
}

/// The rows of some senders.
DenseWeight<const std::int32_t> rows_of(const std::vector<std::int32_t>& stored, const Sizes& n,
                                        std::int64_t first, std::int64_t last) {
  DenseWeight<const std::int32_t> weight = dense_weight(stored, n);
  weight.first_sender = first;
  weight.last_sender = last;
  return weight;
}

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

/// Whether fields, by lane or by sample, are as expected in all samples.
template <class Values, class Expected>
bool agrees(const Values& h, Expected expected) {
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
      const Sizes n(draw, round % 4 == 0 ? 200 : 70);
      const Signs x(draw, n.batch, n.senders, round % 2 ? 0.2 : 0.0);
      const auto q = draw.integers(n.dense(), TestType::weight_bound);
      const auto stored = padded(q, n.senders, n.receivers);
      Rows<T> rows(n.batch, n.receivers, std::numeric_limits<T>::min());
      INFO(name_of(isa) << " round " << round);
      (table.*TestType::exact_rows)(dense_weight(stored, n), x.in(), n.batch, nullptr, rows.data());
      REQUIRE(agrees(rows, [&](auto b, auto k) { return message(q, x, n.receivers, b, k); }));
      Rows<T> below(n.batch, n.receivers, 0);
      for (T& value : below.values) value = static_cast<T>(draw.between(-999, 999));
      (table.*TestType::exact_rows)(dense_weight(stored, n), x.in(), n.batch, below.data(), rows.data());
      REQUIRE(
          agrees(rows, [&](auto b, auto k) { return message(q, x, n.receivers, b, k) + below.at(b, k); }));

      const Connections c(draw, n.senders, n.receivers, 0.3);
      const auto entries = draw.integers(c.entries(), TestType::weight_bound);
      Panels<T> h(n.batch, n.receivers, std::numeric_limits<T>::min());
      (table.*TestType::exact_sparse)(c.weight(entries.data()), x.in(), n.batch, nullptr, h.data());
      REQUIRE(agrees(h, [&](auto b, auto k) { return message(entries, c, x, b, k); }));
      Panels<T> base(n.batch, n.receivers, 0);
      for (T& value : base.values) value = static_cast<T>(draw.between(-999, 999));
      (table.*TestType::exact_sparse)(c.weight(entries.data()), x.in(), n.batch, base.data(), h.data());
      REQUIRE(agrees(h, [&](auto b, auto k) { return message(entries, c, x, b, k) + base.at(b, k); }));
    }
  }
}

/// A state, and one in which few, many or no senders have another value.
struct States {
  States(Draw& draw, const Sizes& n, int round)
      : from(draw, n.batch, n.senders, round % 2 ? 0.3 : 0.0), to(from) {
    const Signs other(draw, n.batch, n.senders, round % 2 ? 0.3 : 0.0);
    const double flips = round % 3 == 0 ? 0.01 : round % 3 == 1 ? 0.5 : 0.0;
    for (std::int64_t b = 0; b < n.batch; ++b) {
      for (std::int64_t j = 0; j < n.senders; ++j) {
        if (draw.chance(flips)) to.set(b, j, other.at(b, j));
      }
    }
  }
  Signs from, to;
};

TEMPLATE_TEST_CASE("advanced messages are those of the new state", "[kernels]", Fields32, Fields64) {
  using T = typename TestType::T;
  for (const Isa isa : available_isas()) {
    const KernelTable& table = kernels(isa);
    Draw draw(12);
    for (int round = 0; round < rounds; ++round) {
      Sizes n(draw, round % 4 == 0 ? 200 : 70);
      if (round % 10 == 1) n.senders += 600;     // more blocks of senders than are noted at once
      if (round % 20 == 4) n.receivers += 2000;  // rows of which few fit into a cache
      const States x(draw, n, round);
      INFO(name_of(isa) << " round " << round);
      const auto q = draw.integers(n.dense(), TestType::weight_bound / 3);
      const auto stored = padded(q, n.senders, n.receivers);
      const auto weight = dense_weight(stored, n);
      Rows<T> rows(n.batch, n.receivers, std::numeric_limits<T>::min());
      (table.*TestType::exact_rows)(weight, x.from.in(), n.batch, nullptr, rows.data());
      (table.*TestType::advance_rows)(weight, x.from.in(), x.to.in(), n.panels(), rows.data());
      REQUIRE(agrees(rows, [&](auto b, auto k) { return message(q, x.to, n.receivers, b, k); }));

      const Connections c(draw, n.senders, n.receivers, 0.3);
      const auto entries = draw.integers(c.entries(), TestType::weight_bound / 3);
      Panels<T> h(n.batch, n.receivers, std::numeric_limits<T>::min());
      (table.*TestType::exact_sparse)(c.weight(entries.data()), x.from.in(), n.batch, nullptr, h.data());
      (table.*TestType::advance_sparse)(c.weight(entries.data()), c.rows(), x.from.in(), x.to.in(),
                                        n.panels(), h.data());
      REQUIRE(agrees(h, [&](auto b, auto k) { return message(entries, c, x.to, b, k); }));
    }
  }
}

/// Calls run(values, part) for all units and for parts that make them up: the parts' bits are the same, and
/// the other units stay as they were.
template <class Values, class Run>
void check_parts(Draw& draw, const Values& before, Run run) {
  Values whole = before;
  run(whole, Units(before.units));
  for (const Units& part : random_parts(draw, before.units)) {
    INFO("units " << part.begin << " to " << part.end << " of " << part.count);
    Values made = before;
    run(made, part);
    REQUIRE(is_part(made, part, whole, before));
  }
}

TEMPLATE_TEST_CASE("exact messages of parts of the senders add up", "[kernels]", Fields32, Fields64) {
  using T = typename TestType::T;
  for (const Isa isa : available_isas()) {
    const KernelTable& table = kernels(isa);
    Draw draw(32);
    for (int round = 0; round < rounds; ++round) {
      const Sizes n(draw, round % 4 == 0 ? 200 : 70);
      const States x(draw, n, round);
      const auto q = draw.integers(n.dense(), TestType::weight_bound / 3);
      const auto stored = padded(q, n.senders, n.receivers);
      const std::int64_t cut = draw.between(0, n.senders);
      INFO(name_of(isa) << " round " << round << ", " << cut << " of " << n.senders << " senders");
      Rows<T> first(n.batch, n.receivers, T{-77}), rest(n.batch, n.receivers, T{0});
      const auto first_rows = rows_of(stored, n, 0, cut), other_rows = rows_of(stored, n, cut, n.senders);
      if (cut == 0) std::fill(first.values.begin(), first.values.end(), T{0});
      if (cut > 0) (table.*TestType::exact_rows)(first_rows, x.from.in(), n.batch, nullptr, first.data());
      if (cut < n.senders)
        (table.*TestType::exact_rows)(other_rows, x.from.in(), n.batch, nullptr, rest.data());
      REQUIRE(agrees(first,
                     [&](auto b, auto k) { return message(q, x.from, n.receivers, b, k) - rest.at(b, k); }));
      (table.*TestType::advance_rows)(first_rows, x.from.in(), x.to.in(), n.panels(), first.data());
      (table.*TestType::advance_rows)(other_rows, x.from.in(), x.to.in(), n.panels(), rest.data());
      REQUIRE(
          agrees(first, [&](auto b, auto k) { return message(q, x.to, n.receivers, b, k) - rest.at(b, k); }));
    }
  }
}

TEMPLATE_TEST_CASE("parts of exact messages are the same bits, and nothing else is written", "[kernels]",
                   Fields32, Fields64) {
  using T = typename TestType::T;
  for (const Isa isa : available_isas()) {
    const KernelTable& table = kernels(isa);
    Draw draw(31);
    for (int round = 0; round < rounds; ++round) {
      const Sizes n(draw, 260);
      const States x(draw, n, round);
      const Connections c(draw, n.senders, n.receivers, 0.2);
      const auto entries = draw.integers(c.entries(), TestType::weight_bound / 3);
      INFO(name_of(isa) << " round " << round);

      Panels<T> panels(n.batch, n.receivers, T{-77});
      check_parts(draw, panels, [&](Panels<T>& h, const Units& part) {
        (table.*TestType::exact_sparse)(c.weight(entries.data(), part), x.from.in(), n.batch, nullptr,
                                        h.data());
      });
      (table.*TestType::exact_sparse)(c.weight(entries.data()), x.from.in(), n.batch, nullptr, panels.data());
      check_parts(draw, panels, [&](Panels<T>& h, const Units& part) {
        const testing::PartRows senders = c.rows(part);
        (table.*TestType::advance_sparse)(c.weight(entries.data(), part), senders.index(), x.from.in(),
                                          x.to.in(), n.panels(), h.data());
      });
    }
  }
}

TEST_CASE("samples differ where a bit of theirs does", "[kernels]") {
  for (const Isa isa : available_isas()) {
    Draw draw(41);
    for (const std::int64_t units : {1, 3, 40}) {
      INFO(name_of(isa) << ", " << units << " units");
      std::vector<float> a = draw.reals(static_cast<std::size_t>(units * lanes)), b = a;
      CHECK(kernels(isa).differing_samples(a.data(), b.data(), units) == 0);
      Mask expected = 0;
      for (const int lane : {0, 6, 15}) {
        float& x = b[static_cast<std::size_t>(draw.between(0, units - 1) * lanes + lane)];
        x = lane == 6 ? std::bit_cast<float>(std::bit_cast<std::uint32_t>(x) ^ 1u) : -x - 1;
        expected = static_cast<Mask>(expected | 1u << lane);
        CHECK(kernels(isa).differing_samples(a.data(), b.data(), units) == expected);
        CHECK(kernels(isa).differing_samples(b.data(), a.data(), units) == expected);
      }
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

Panels<std::uint8_t> random_bytes(Draw& draw, std::int64_t batch, std::int64_t units) {
  Panels<std::uint8_t> x(batch, units, 99);
  for (std::int64_t b = 0; b < batch; ++b) {
    for (std::int64_t j = 0; j < units; ++j)
      x.at(b, j) = static_cast<std::uint8_t>(draw.chance(0.3) ? 255 : draw.between(0, 255));
  }
  return x;
}

/// The fused chain of sample b into receiver k.
template <class X>
float real_message(const std::vector<float>& w, const Connections& c, const Panels<X>& x, std::int64_t b,
                   std::int64_t k) {
  float sum = 0;
  for (auto e = static_cast<std::size_t>(c.offsets[static_cast<std::size_t>(k)]);
       e < static_cast<std::size_t>(c.offsets[static_cast<std::size_t>(k) + 1]); ++e) {
    sum = std::fma(static_cast<float>(x.at(b, c.sender[e])), w[e], sum);
  }
  return sum;
}

TEST_CASE("real messages are one fused chain, senders ascending", "[kernels]") {
  const FlushToZero mode;
  for (const Isa isa : available_isas()) {
    const KernelTable& table = kernels(isa);
    Draw draw(13);
    for (int round = 0; round < rounds; ++round) {
      const Sizes n(draw, round % 4 == 0 ? 200 : 70);
      const auto x = random_reals(draw, n.batch, n.senders, std::numeric_limits<float>::quiet_NaN());
      const auto w = draw.reals(n.dense());
      const auto stored = padded(w, n.senders, n.receivers);
      Panels<float> acc(n.batch, n.receivers, 0);
      const auto chain = [&](auto b, auto k) {
        float sum = 0;
        for (std::int64_t j = 0; j < n.senders; ++j)
          sum = std::fma(x.at(b, j), w[static_cast<std::size_t>(j * n.receivers + k)], sum);
        return sum;
      };
      INFO(name_of(isa) << " round " << round);
      table.real_dense(dense_weight(stored, n), x.data(), n.panels(), acc.data());
      REQUIRE(agrees(acc, chain));
      std::vector<float> samples;
      for (std::int64_t b = 0; b < n.batch; ++b) {
        for (std::int64_t j = 0; j < n.senders; ++j) samples.push_back(x.at(b, j));
      }
      Rows<float> rows(n.batch, n.receivers, 0);
      table.real_rows(dense_weight(stored, n), samples.data(), n.batch, rows.data());
      REQUIRE(agrees(rows, chain));

      const Connections c(draw, n.senders, n.receivers, 0.3);
      const auto entries = draw.reals(c.entries());
      table.real_sparse(c.weight(entries.data()), x.data(), n.panels(), acc.data());
      REQUIRE(agrees(acc, [&](auto b, auto k) { return real_message(entries, c, x, b, k); }));

      const auto bytes = random_bytes(draw, n.batch, n.senders);
      std::vector<std::uint32_t> joined(joined_words(n));
      constexpr float scale = 1 / 255.0f;
      table.byte_sparse(c.weight(entries.data()), bytes.data(), n.panels(), scale, joined.data(), acc.data());
      REQUIRE(agrees(acc, [&](auto b, auto k) { return real_message(entries, c, bytes, b, k) * scale; }));
    }
  }
}

TEST_CASE("parts of real messages are the same bits, and nothing else is written", "[kernels]") {
  const FlushToZero mode;
  for (const Isa isa : available_isas()) {
    const KernelTable& table = kernels(isa);
    Draw draw(32);
    for (int round = 0; round < rounds; ++round) {
      const Sizes n(draw, 260);
      const auto x = random_reals(draw, n.batch, n.senders, 3);
      const auto bytes = random_bytes(draw, n.batch, n.senders);
      const auto stored = padded(draw.reals(n.dense()), n.senders, n.receivers);
      const Connections c(draw, n.senders, n.receivers, 0.2);
      const auto entries = draw.reals(c.entries());
      const Panels<float> before(n.batch, n.receivers, -77);
      std::vector<std::uint32_t> joined(joined_words(n));
      INFO(name_of(isa) << " round " << round);
      const auto samples = draw.reals(static_cast<std::size_t>(n.batch * n.senders));
      check_parts(draw, Rows<float>(n.batch, n.receivers, -77), [&](Rows<float>& h, const Units& part) {
        table.real_rows(dense_weight(stored, n, part), samples.data(), n.batch, h.data());
      });
      check_parts(draw, before, [&](Panels<float>& acc, const Units& part) {
        table.real_dense(dense_weight(stored, n, part), x.data(), n.panels(), acc.data());
      });
      check_parts(draw, before, [&](Panels<float>& acc, const Units& part) {
        table.real_sparse(c.weight(entries.data(), part), x.data(), n.panels(), acc.data());
      });
      check_parts(draw, before, [&](Panels<float>& acc, const Units& part) {
        table.byte_sparse(c.weight(entries.data(), part), bytes.data(), n.panels(), 0.5f, joined.data(),
                          acc.data());
      });
    }
  }
}

TEST_CASE("column sums bound every field", "[kernels]") {
  for (const Isa isa : available_isas()) {
    const KernelTable& table = kernels(isa);
    Draw draw(18);
    for (int round = 0; round < rounds; ++round) {
      const Sizes n(draw, 200);
      const auto q = draw.integers(n.dense(), INT32_MAX);
      const auto stored = padded(q, n.senders, n.receivers);
      const Connections c(draw, n.senders, n.receivers, 0.3);
      const auto entries = draw.integers(c.entries(), INT32_MAX);
      std::vector<std::int64_t> sums(static_cast<std::size_t>(n.receivers), 7), expected = sums;
      for (std::size_t i = 0; i < q.size(); ++i)
        expected[i % expected.size()] += std::abs(std::int64_t{q[i]});
      for (std::size_t k = 0; k + 1 < c.offsets.size(); ++k) {
        for (auto e = static_cast<std::size_t>(c.offsets[k]); e < static_cast<std::size_t>(c.offsets[k + 1]);
             ++e) {
          expected[k] += std::abs(std::int64_t{entries[e]});
        }
      }
      INFO(name_of(isa) << " round " << round);
      for (const Units& part : random_parts(draw, n.receivers)) {
        table.column_sums_dense(dense_weight(stored, n, part), sums.data());
        table.column_sums_sparse(c.weight(entries.data(), part), sums.data());
      }
      REQUIRE(sums == expected);
    }
  }
}

TEST_CASE("columns are ordered by length within blocks", "[kernels]") {
  Draw draw(19);
  for (int round = 0; round < rounds; ++round) {
    const auto n = static_cast<std::size_t>(draw.between(0, 200));
    std::vector<std::int32_t> offsets{0};
    for (std::size_t k = 0; k < n; ++k)
      offsets.push_back(offsets.back() + static_cast<std::int32_t>(draw.between(0, 20)));
    const auto length = [&](std::int32_t k) {
      return offsets[static_cast<std::size_t>(k) + 1] - offsets[static_cast<std::size_t>(k)];
    };
    const std::vector<std::int32_t> order = columns_by_length(offsets);
    REQUIRE(order.size() == n);
    std::vector<bool> seen(n);
    for (std::size_t i = 0; i < n; ++i) {
      const auto k = static_cast<std::size_t>(order[i]);
      REQUIRE(k / unit_block == i / unit_block);
      REQUIRE(!seen[k]);
      seen[k] = true;
      if (i % unit_block != 0) REQUIRE(length(order[i - 1]) <= length(order[i]));
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
