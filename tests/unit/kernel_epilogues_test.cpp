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

constexpr int rounds = 80;

/// The field types with the kernels that sum them.
struct Fields32 {
  using T = std::int32_t;
  static constexpr auto sum = &KernelTable::sum32;
  static constexpr auto sum_sign = &KernelTable::sum_sign32;
  static constexpr auto sum_error = &KernelTable::sum_error32;
  static constexpr auto sum_pair_error = &KernelTable::sum_pair_error32;
};
struct Fields64 {
  using T = std::int64_t;
  static constexpr auto sum = &KernelTable::sum64;
  static constexpr auto sum_sign = &KernelTable::sum_sign64;
  static constexpr auto sum_error = &KernelTable::sum_error64;
  static constexpr auto sum_pair_error = &KernelTable::sum_pair_error64;
};

/// Up to eight messages, by lane and by sample, whose sums stay within a quarter of the field's range; some
/// entries exactly 0.
template <class T>
class RandomMessages {
 public:
  RandomMessages(Draw& draw, std::int64_t batch, std::int64_t units, int bits) {
    const std::int64_t bound =
        draw.chance(0.5) ? std::numeric_limits<T>::max() / 4 / 8 : std::int64_t{1} << bits;
    const auto total = draw.between(1, 8);
    const std::int64_t by_sample = draw.chance(0.3) ? 0 : draw.chance(0.3) ? total : draw.between(0, total);
    for (std::int64_t m = 0; m < total; ++m) {
      if (m < by_sample) {
        by_sample_.push_back(drawn(draw, Rows<T>(batch, units, std::numeric_limits<T>::min()), bound));
      } else {
        by_lane_.push_back(drawn(draw, Panels<T>(batch, units, std::numeric_limits<T>::min()), bound));
      }
    }
    for (const auto& m : by_lane_) lane_data_.push_back(m.data());
    for (const auto& m : by_sample_) sample_data_.push_back(m.data());
  }
  RandomMessages(const RandomMessages&) = delete;
  RandomMessages& operator=(const RandomMessages&) = delete;

  bool any_by_sample() const { return !by_sample_.empty(); }
  Messages<T> in() const {
    return {lane_data_.data(), static_cast<std::int64_t>(lane_data_.size()), sample_data_.data(),
            static_cast<std::int64_t>(sample_data_.size())};
  }
  std::int64_t field(std::int64_t b, std::int64_t k) const {
    std::int64_t h = 0;
    for (const auto& m : by_lane_) h += m.at(b, k);
    for (const auto& m : by_sample_) h += m.at(b, k);
    return h;
  }

 private:
  template <class Values>
  static Values drawn(Draw& draw, Values values, std::int64_t bound) {
    for (std::int64_t b = 0; b < values.batch; ++b) {
      for (std::int64_t k = 0; k < values.units; ++k)
        values.at(b, k) = static_cast<T>(draw.chance(0.2) ? 0 : draw.between(-bound, bound));
    }
    return values;
  }

  std::vector<Panels<T>> by_lane_;
  std::vector<Rows<T>> by_sample_;
  std::vector<const T*> lane_data_, sample_data_;
};

/// Calls test(table, draw, messages, batch, units, bits) with every instruction set and many messages.
template <class T, class Test>
void for_each_sum(std::uint64_t seed, Test test) {
  const FlushToZero mode;
  for (const Isa isa : available_isas()) {
    Draw draw(seed);
    for (int round = 0; round < rounds; ++round) {
      const std::int64_t batch = draw.between(1, 50), units = draw.between(1, round % 2 ? 200 : 40);
      const int bits = static_cast<int>(draw.between(4, 26));
      const RandomMessages<T> messages(draw, batch, units, bits);
      INFO(name_of(isa) << " round " << round << ": " << messages.in().by_lane_count << " by lane, "
                        << messages.in().by_sample_count << " by sample");
      test(kernels(isa), draw, messages, batch, units, bits);
    }
  }
}

/// What run(values, part) makes of all units; parts of them are the same bits, and the other units stay as
/// they were.
template <class Values, class Run>
Values made_whole_and_in_parts(Draw& draw, const Values& before, Run run) {
  Values whole = before;
  run(whole, Units(before.units));
  for (const Units& part : random_parts(draw, before.units)) {
    INFO("units " << part.begin << " to " << part.end << " of " << part.count);
    Values made = before;
    run(made, part);
    REQUIRE(is_part(made, part, whole, before));
  }
  return whole;
}

/// Planes that no kernel writes.
Signs unwritten(std::int64_t batch, std::int64_t units) {
  Signs s(batch, units);
  std::fill(s.plus.begin(), s.plus.end(), Mask{0xabcd});
  std::fill(s.minus.begin(), s.minus.end(), Mask{0xabcd});
  return s;
}

TEMPLATE_TEST_CASE("sums of messages by lane and by sample", "[kernels]", Fields32, Fields64) {
  using T = typename TestType::T;
  for_each_sum<T>(17, [](const KernelTable& table, Draw& draw, const RandomMessages<T>& messages,
                         std::int64_t batch, std::int64_t units, int) {
    const auto check = [&](const auto& before) {
      const auto h = made_whole_and_in_parts(draw, before, [&](auto& to, const Units& part) {
        (table.*TestType::sum)(messages.in(), part, panels_of(batch), to.data());
      });
      for (std::int64_t b = 0; b < batch; ++b) {
        for (std::int64_t k = 0; k < units; ++k) REQUIRE(h.at(b, k) == messages.field(b, k));
      }
    };
    if (messages.any_by_sample()) return check(Rows<T>(batch, units, 3));
    check(Panels<T>(batch, units, 3));
  });
}

TEMPLATE_TEST_CASE("signs of sums", "[kernels]", Fields32, Fields64) {
  using T = typename TestType::T;
  for_each_sum<T>(36, [](const KernelTable& table, Draw& draw, const RandomMessages<T>& messages,
                         std::int64_t batch, std::int64_t units, int) {
    const Signs state =
        made_whole_and_in_parts(draw, unwritten(batch, units), [&](Signs& to, const Units& part) {
          (table.*TestType::sum_sign)(messages.in(), part, batch, to.out());
        });
    REQUIRE(state.well_formed());
    for (std::int64_t b = 0; b < batch; ++b) {
      for (std::int64_t k = 0; k < units; ++k)
        REQUIRE(state.at(b, k) == (messages.field(b, k) >= 0 ? 1 : -1));
    }
  });
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

TEMPLATE_TEST_CASE("errors of sums with margins", "[kernels]", Fields32, Fields64) {
  using T = typename TestType::T;
  for_each_sum<T>(37, [](const KernelTable& table, Draw& draw, const RandomMessages<T>& messages,
                         std::int64_t batch, std::int64_t units, int) {
    const Signs t(draw, batch, units, 0.2);
    std::vector<std::int64_t> margin;
    for (std::int64_t k = 0; k < units; ++k) margin.push_back(random_margin(draw, messages.field(0, k)));
    const Signs v = made_whole_and_in_parts(draw, unwritten(batch, units), [&](Signs& to, const Units& part) {
      (table.*TestType::sum_error)(messages.in(), t.in(), margin.data(), part, panels_of(batch), to.out());
    });
    REQUIRE(v.well_formed());
    for (std::int64_t b = 0; b < batch; ++b) {
      for (std::int64_t k = 0; k < units; ++k) {
        const bool errs = t.at(b, k) * messages.field(b, k) <= margin[static_cast<std::size_t>(k)];
        REQUIRE(v.at(b, k) == (errs ? t.at(b, k) : 0));
      }
    }
  });
}

TEMPLATE_TEST_CASE("errors of two-valued targets", "[kernels]", Fields32, Fields64) {
  using T = typename TestType::T;
  for_each_sum<T>(38, [](const KernelTable& table, Draw& draw, const RandomMessages<T>& messages,
                         std::int64_t batch, std::int64_t units, int bits) {
    const float a = 1.0811388f, c = -0.5f;
    const Signs t(draw, batch, units, 0.2);
    std::vector<float> margin;
    for (std::int64_t k = 0; k < units; ++k)
      margin.push_back(draw.chance(0.5) ? draw.real() : a * from_fixed(messages.field(0, k), bits));
    const Signs v = made_whole_and_in_parts(draw, unwritten(batch, units), [&](Signs& to, const Units& part) {
      (table.*TestType::sum_pair_error)(messages.in(), t.in(), a, c, margin.data(), bits, part,
                                        panels_of(batch), to.out());
    });
    REQUIRE(v.well_formed());
    for (std::int64_t b = 0; b < batch; ++b) {
      for (std::int64_t k = 0; k < units; ++k) {
        const float value = t.at(b, k) > 0 ? a : c;
        const bool errs =
            value * from_fixed(messages.field(b, k), bits) <= margin[static_cast<std::size_t>(k)];
        REQUIRE(v.at(b, k) == (errs ? t.at(b, k) : 0));
      }
    }
  });
}

}  // namespace
}  // namespace relaxon
