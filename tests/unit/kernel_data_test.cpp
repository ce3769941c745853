// Values on their way into panels: rows of tables, fields turned by sample, numbers that become integers.
#include <cmath>

#include "core/fixed_point.hpp"
#include "core/math.hpp"
#include "tests/support/panels.hpp"

namespace relaxon {
namespace {

using testing::available_isas;
using testing::Draw;
using testing::is_part;
using testing::Panels;
using testing::random_parts;
using testing::Rows;
using testing::Signs;

constexpr int rounds = 40;

/// The field types with the kernels that make them.
struct Fields32 {
  using T = std::int32_t;
  static constexpr auto gather = &KernelTable::gather_fields32;
  static constexpr auto gather_rows = &KernelTable::gather_field_rows32;
  static constexpr auto turn = &KernelTable::turn_fields32;
  static constexpr auto to_fields = &KernelTable::to_fields32;
  static constexpr std::int64_t largest = INT32_MAX;
  static constexpr float limit = 0x1p30f;
};
struct Fields64 {
  using T = std::int64_t;
  static constexpr auto gather = &KernelTable::gather_fields64;
  static constexpr auto gather_rows = &KernelTable::gather_field_rows64;
  static constexpr auto turn = &KernelTable::turn_fields64;
  static constexpr auto to_fields = &KernelTable::to_fields64;
  static constexpr std::int64_t largest = INT64_MAX;
  static constexpr float limit = 0x1p63f;
};

struct Sizes {
  explicit Sizes(Draw& draw, std::int64_t most_units = 70)
      : batch(draw.between(1, 50)), units(draw.between(1, most_units)) {}
  std::int64_t panels() const { return panels_of(batch); }
  std::int64_t batch, units;
};

/// A table with rows chosen for each sample of a batch.
struct Table {
  Table(Draw& draw, const Sizes& n) : units(n.units), samples(draw.between(1, 70)) {
    for (std::int64_t b = 0; b < n.batch; ++b)
      rows.push_back(static_cast<std::int32_t>(draw.between(0, samples - 1)));
  }
  std::int64_t size() const { return samples * units; }
  std::size_t cell(std::int64_t b, std::int64_t k) const {
    return static_cast<std::size_t>(rows[static_cast<std::size_t>(b)] * units + k);
  }
  std::int64_t units, samples;
  std::vector<std::int32_t> rows;
};

TEST_CASE("rows of tables become panels", "[kernels]") {
  for (const Isa isa : available_isas()) {
    const KernelTable& table = kernels(isa);
    Draw draw(14);
    for (int round = 0; round < rounds; ++round) {
      const Sizes n(draw);
      const Table t(draw, n);
      std::vector<std::int8_t> signs;
      std::vector<std::uint8_t> bytes;
      std::vector<float> reals;
      for (std::int64_t i = 0; i < t.size(); ++i) {
        signs.push_back(static_cast<std::int8_t>(draw.between(-1, 1)));
        bytes.push_back(static_cast<std::uint8_t>(draw.between(0, 255)));
        reals.push_back(draw.real());
      }
      INFO(name_of(isa) << " round " << round);

      Signs s(n.batch, n.units);
      std::fill(s.plus.begin(), s.plus.end(), Mask{0xabcd});
      table.gather_signs(signs.data(), n.units, t.rows.data(), n.batch, s.out());
      Panels<std::uint8_t> u(n.batch, n.units, 1);
      table.gather_bytes(bytes.data(), n.units, t.rows.data(), n.batch, u.data());
      Panels<float> x(n.batch, n.units, 1);
      table.gather_reals(reals.data(), n.units, t.rows.data(), n.batch, x.data());
      REQUIRE(s.well_formed());
      for (std::int64_t b = 0; b < n.panels() * lanes; ++b) {
        for (std::int64_t k = 0; k < n.units; ++k) {
          if (b >= n.batch) {
            REQUIRE((u.at(b, k) == 0 && x.at(b, k) == 0));
          } else {
            REQUIRE(s.at(b, k) == signs[t.cell(b, k)]);
            REQUIRE(u.at(b, k) == bytes[t.cell(b, k)]);
            REQUIRE(x.at(b, k) == reals[t.cell(b, k)]);
          }
        }
      }
    }
  }
}

TEST_CASE("bytes become numbers, and numbers are scaled", "[kernels]") {
  for (const Isa isa : available_isas()) {
    const KernelTable& table = kernels(isa);
    Draw draw(33);
    for (const std::size_t n : {1u, 15u, 16u, 100u}) {
      INFO(name_of(isa) << " numbers " << n);
      std::vector<std::uint8_t> bytes;
      for (std::size_t i = 0; i < n; ++i) bytes.push_back(static_cast<std::uint8_t>(draw.between(0, 255)));
      std::vector<float> reals(n);
      table.bytes_to_reals(bytes.data(), static_cast<std::int64_t>(n), reals.data());
      for (std::size_t i = 0; i < n; ++i) REQUIRE(reals[i] == static_cast<float>(bytes[i]));
      table.scale(reals.data(), static_cast<std::int64_t>(n), 1.0f / 255.0f);
      for (std::size_t i = 0; i < n; ++i) REQUIRE(reals[i] == static_cast<float>(bytes[i]) * (1.0f / 255.0f));
    }
  }
}

TEMPLATE_TEST_CASE("rows of a table of fields lie by lane or by sample", "[kernels]", Fields32, Fields64) {
  using T = typename TestType::T;
  for (const Isa isa : available_isas()) {
    const KernelTable& table = kernels(isa);
    Draw draw(34);
    for (int round = 0; round < rounds; ++round) {
      const Sizes n(draw, 200);
      const Table t(draw, n);
      std::vector<std::int64_t> fields;
      for (std::int64_t i = 0; i < t.size(); ++i)
        fields.push_back(draw.between(-TestType::largest, TestType::largest));
      const Panels<T> panels_before(n.batch, n.units, 1);
      const Rows<T> rows_before(n.batch, n.units, 1);
      INFO(name_of(isa) << " round " << round);

      Panels<T> by_lane = panels_before;
      (table.*TestType::gather)(fields.data(), n.units, t.rows.data(), n.batch, by_lane.data());
      Rows<T> by_sample = rows_before;
      (table.*TestType::gather_rows)(fields.data(), n.units, t.rows.data(), n.batch, by_sample.data());
      for (std::int64_t b = 0; b < n.batch; ++b) {
        for (std::int64_t k = 0; k < n.units; ++k) {
          REQUIRE(by_lane.at(b, k) == fields[t.cell(b, k)]);
          REQUIRE(by_sample.at(b, k) == fields[t.cell(b, k)]);
        }
      }
      for (const Units& part : random_parts(draw, n.units)) {
        Panels<T> panels_part = panels_before;
        (table.*TestType::gather)(fields.data(), part, t.rows.data(), n.batch, panels_part.data());
        REQUIRE(is_part(panels_part, part, by_lane, panels_before));
        Rows<T> rows_part = rows_before;
        (table.*TestType::gather_rows)(fields.data(), part, t.rows.data(), n.batch, rows_part.data());
        REQUIRE(is_part(rows_part, part, by_sample, rows_before));
      }
    }
  }
}

TEMPLATE_TEST_CASE("fields by lane turn into fields by sample", "[kernels]", Fields32, Fields64) {
  using T = typename TestType::T;
  for (const Isa isa : available_isas()) {
    const KernelTable& table = kernels(isa);
    Draw draw(35);
    for (int round = 0; round < rounds; ++round) {
      const Sizes n(draw, 200);
      Panels<T> by_lane(n.batch, n.units, 5);
      for (std::int64_t b = 0; b < n.batch; ++b) {
        for (std::int64_t k = 0; k < n.units; ++k)
          by_lane.at(b, k) = static_cast<T>(draw.between(-TestType::largest, TestType::largest));
      }
      const Rows<T> before(n.batch, n.units, 1);
      INFO(name_of(isa) << " round " << round);
      Rows<T> turned = before;
      (table.*TestType::turn)(by_lane.data(), n.units, n.panels(), turned.data());
      for (std::int64_t b = 0; b < n.batch; ++b) {
        for (std::int64_t k = 0; k < n.units; ++k) REQUIRE(turned.at(b, k) == by_lane.at(b, k));
      }
      for (const Units& part : random_parts(draw, n.units)) {
        Rows<T> made = before;
        (table.*TestType::turn)(by_lane.data(), part, n.panels(), made.data());
        REQUIRE(is_part(made, part, turned, before));
      }
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
      Panels<float> x(n.batch, n.units, std::numeric_limits<float>::quiet_NaN());
      for (std::int64_t b = 0; b < n.batch; ++b) {
        for (std::int64_t k = 0; k < n.units; ++k) x.at(b, k) = draw.real();
      }
      x.at(0, 0) = -std::nextafter(limit, 0.0f);
      Panels<T> h(n.batch, n.units, 0);
      INFO(name_of(isa) << " round " << round);
      REQUIRE((table.*TestType::to_fields)(x.data(), n.units, n.batch, bits, h.data()) == -1);
      for (std::int64_t b = 0; b < n.batch; ++b) {
        for (std::int64_t k = 0; k < n.units; ++k) REQUIRE(h.at(b, k) == to_fixed(x.at(b, k), bits));
      }
      const std::int64_t b = draw.between(0, n.batch - 1), k = draw.between(0, n.units - 1);
      x.at(b, k) = limit;
      REQUIRE((table.*TestType::to_fields)(x.data(), n.units, n.batch, bits, h.data()) ==
              static_cast<std::int64_t>(testing::index_of(b, k, n.units)));
    }
  }
}

}  // namespace
}  // namespace relaxon
