// Generated functions over dense weights and fields by sample give what the kernel tables give.
#include <algorithm>
#include <catch2/catch.hpp>
#include <functional>

#include "core/math.hpp"
#include "tests/jit/generated.hpp"

namespace relaxon::jit {
namespace {

using relaxon::testing::available_isas;
using relaxon::testing::batches;
using relaxon::testing::Draw;
using relaxon::testing::Made;
using relaxon::testing::Panels;
using relaxon::testing::pointer;
using relaxon::testing::Rows;
using relaxon::testing::Signs;

/// Whether two arrays hold the same numbers of all units of a batch.
template <class Fields>
bool same_fields(const Fields& a, const Fields& b) {
  for (std::int64_t sample = 0; sample < a.batch; ++sample) {
    for (std::int64_t k = 0; k < a.units; ++k) {
      if (a.at(sample, k) != b.at(sample, k)) return false;
    }
  }
  return true;
}

/// Fields to be summed, some by lane, some by sample.
struct MixedFields {
  MixedFields(Draw& draw, std::int64_t batch, std::int64_t units, const Summands& n) {
    const auto fill = [&](auto& fields) {
      for (std::int32_t& value : fields.values) value = static_cast<std::int32_t>(draw.between(-5, 5));
    };
    for (int m = 0; m < n.by_lane; ++m) fill(by_lane.emplace_back(batch, units, 0));
    for (int m = 0; m < n.by_sample; ++m) fill(by_sample.emplace_back(batch, units, 0));
    for (auto& fields : by_lane) pointers.push_back(fields.data());
    for (auto& fields : by_sample) pointers.push_back(fields.data());
  }
  std::vector<void*> operands(std::initializer_list<void*> more) const {
    std::vector<void*> result;
    for (const std::int32_t* p : pointers) result.push_back(pointer(p));
    result.insert(result.end(), more);
    return result;
  }
  Messages<std::int32_t> messages() const {
    const auto n = static_cast<std::int64_t>(by_lane.size());
    return {pointers.data(), n, pointers.data() + n, static_cast<std::int64_t>(by_sample.size())};
  }
  std::vector<Panels<std::int32_t>> by_lane;
  std::vector<Rows<std::int32_t>> by_sample;
  std::vector<const std::int32_t*> pointers;
};

void check_epilogues(Draw& draw, Isa isa, std::int64_t units, const Summands& n) {
  const KernelTable& table = kernels(isa);
  const Made sum(Sum{units, n}, isa), sign(Sign{units, n}, isa), sign_error(SignError{units, n}, isa),
      pair_error(PairError{units, n, 1.08f, -0.5f, 20}, isa);
  for (const std::int64_t batch : batches) {
    INFO(name_of(isa) << ", batch " << batch << ", " << units << " units, " << n.by_lane << " by lane, "
                      << n.by_sample << " by sample");
    const MixedFields fields(draw, batch, units, n);
    const std::int64_t panels = panels_of(batch);
    Rows<std::int32_t> expected(batch, units, 7), actual(batch, units, 7);
    table.sum32(fields.messages(), units, panels, expected.data());
    sum(fields.operands({actual.data()}), batch, units);
    CHECK(same_fields(actual, expected));

    Signs expected_signs(batch, units), actual_signs(batch, units);
    table.sum_sign32(fields.messages(), units, batch, expected_signs.out());
    sign(fields.operands({actual_signs.plus.data(), actual_signs.minus.data()}), batch, units);
    CHECK(actual_signs == expected_signs);

    const Signs target(draw, batch, units, 0.2);
    std::vector<std::int64_t> margins;
    std::vector<std::int32_t> narrow;
    std::vector<float> reals;
    for (std::int64_t k = 0; k < units; ++k) {
      margins.push_back(draw.between(-4, 4));
      narrow.push_back(static_cast<std::int32_t>(margins.back()));
      reals.push_back(static_cast<float>(margins.back()) * 0x1p-20f);
    }
    narrow.resize(static_cast<std::size_t>(row_stride(units)));
    reals.resize(narrow.size());
    const auto operands = [&](void* margin) {
      return fields.operands({pointer(target.plus.data()), pointer(target.minus.data()), margin,
                              actual_signs.plus.data(), actual_signs.minus.data()});
    };
    table.sum_error32(fields.messages(), target.in(), margins.data(), units, panels, expected_signs.out());
    sign_error(operands(narrow.data()), batch, units);
    CHECK(actual_signs == expected_signs);
    table.sum_pair_error32(fields.messages(), target.in(), 1.08f, -0.5f, reals.data(), 20, units, panels,
                           expected_signs.out());
    pair_error(operands(reals.data()), batch, units);
    CHECK(actual_signs == expected_signs);
  }
}

}  // namespace

TEST_CASE("generated epilogues of fields by sample are the kernels'", "[jit]") {
  const FlushToZero mode;
  Draw draw(6);
  for (const Isa isa : available_isas()) {
    for (const std::int64_t units : {1, 15, 16, 67, 144}) {
      for (const Summands& n : {Summands{0, 1}, Summands{0, 3}, Summands{2, 1}})
        check_epilogues(draw, isa, units, n);
    }
  }
}

TEST_CASE("generated turns of fields are the kernels', and back", "[jit]") {
  Draw draw(7);
  for (const Isa isa : available_isas()) {
    for (const std::int64_t units : {1, 16, 67}) {
      const Made to_rows(Turn{units, true}, isa), to_lanes(Turn{units, false}, isa);
      for (const std::int64_t batch : batches) {
        INFO(name_of(isa) << ", batch " << batch << ", " << units << " units");
        Panels<std::int32_t> by_lane(batch, units, 0), back(batch, units, 0);
        for (std::int32_t& value : by_lane.values) value = static_cast<std::int32_t>(draw.between(-99, 99));
        Rows<std::int32_t> expected(batch, units, 0), actual(batch, units, 0);
        kernels(isa).turn_fields32(by_lane.data(), units, panels_of(batch), expected.data());
        to_rows.function(std::vector<void*>{by_lane.data(), actual.data()}.data(), batch, 0, units);
        CHECK(same_fields(actual, expected));
        to_lanes.function(std::vector<void*>{actual.data(), back.data()}.data(), batch, 0, units);
        CHECK(back.values == by_lane.values);
      }
    }
  }
}

/// Where the senders of a call are cut in two: not at all, or as two threads would.
std::vector<std::int64_t> cuts_of(std::int64_t senders) { return {senders, senders / 2, senders - 1}; }

/// Senders and receivers.
constexpr std::pair<std::int64_t, std::int64_t> shapes[] = {
    {1, 1}, {40, 10}, {31, 16}, {32, 17}, {70, 64}, {33, 131}, {300, 300}, {64, 129}, {700, 20}, {70, 2080}};

TEST_CASE("generated exact messages of dense weights are the kernels'", "[jit]") {
  Draw draw(8);
  for (const Isa isa : available_isas()) {
    const KernelTable& table = kernels(isa);
    for (const auto& [senders, receivers] : shapes) {
      const std::vector<std::int32_t> q = relaxon::testing::padded(
          draw.integers(static_cast<std::size_t>(senders * receivers), 1 << 20), senders, receivers);
      const DenseWeight<const std::int32_t> weight{q.data(), senders, receivers, row_stride(receivers)};
      const Made exact(ExactRows{senders, receivers}, isa), advance(AdvanceRows{senders, receivers}, isa);
      for (const std::int64_t batch : batches) {
        INFO(name_of(isa) << ", batch " << batch << ", " << senders << " x " << receivers);
        Rows<std::int32_t> expected(batch, receivers, 7), actual(batch, receivers, 7);
        for (const double zeros : {0.0, 0.4}) {
          const Signs x(draw, batch, senders, zeros);
          Rows<std::int32_t> base(batch, receivers, 0);
          for (std::int32_t& value : base.values) value = static_cast<std::int32_t>(draw.between(-999, 999));
          void* minus = zeros > 0 ? pointer(x.minus.data()) : nullptr;
          for (const std::int64_t cut : cuts_of(senders)) {
            Rows<std::int32_t> rest(batch, receivers, 0);
            const auto call = [&](Rows<std::int32_t>& h, std::int64_t begin, std::int64_t end,
                                  std::int32_t* below) {
              std::vector<void*> operands{pointer(q.data()), pointer(x.plus.data()), minus, h.data(), below};
              exact.function(operands.data(), batch, begin, end);
            };
            for (std::int32_t* below : {base.data(), static_cast<std::int32_t*>(nullptr)}) {
              table.exact_rows32(weight, x.in(), batch, below, expected.data());
              call(actual, 0, cut, below);
              if (cut < senders) call(rest, cut, senders, nullptr);
              std::transform(actual.values.begin(), actual.values.end(), rest.values.begin(),
                             actual.values.begin(), std::plus());
              CHECK(same_fields(actual, expected));
            }
          }
        }
        // Few changes, many, and such as involve 0.
        for (const double zeros : {0.0, 0.3}) {
          for (const double changed : {0.02, 0.9}) {
            const Signs from(draw, batch, senders, zeros), drawn(draw, batch, senders, zeros);
            Signs to = from;
            for (std::int64_t b = 0; b < batch; ++b) {
              for (std::int64_t j = 0; j < senders; ++j) {
                if (draw.chance(changed)) to.set(b, j, drawn.at(b, j));
              }
            }
            for (const std::int64_t cut : cuts_of(senders)) {
              table.advance_rows32(weight, from.in(), to.in(), panels_of(batch), expected.data());
              std::vector<void*> operands{pointer(q.data()),          pointer(from.plus.data()),
                                          pointer(from.minus.data()), pointer(to.plus.data()),
                                          pointer(to.minus.data()),   actual.data()};
              advance.function(operands.data(), batch, 0, cut);
              advance.function(operands.data(), batch, cut, senders);
              CHECK(same_fields(actual, expected));
            }
          }
        }
      }
    }
  }
}

TEST_CASE("generated affine maps of senders round twice", "[jit]") {
  const FlushToZero mode;
  Draw draw(10);
  constexpr std::int64_t units = 19;
  float a = 0.81649658f, b = -0.4082483f;
  for (const Isa isa : available_isas()) {
    for (const Sender::Kind kind : relaxon::testing::sender_kinds) {
      const Affine operation{units, relaxon::testing::sender_of(kind)};
      const Made affine(operation, isa);
      for (const std::int64_t batch : batches) {
        INFO(name_of(isa) << ", " << text_of(operation) << ", batch " << batch);
        relaxon::testing::SenderData x(draw, operation.x, batch, units);
        Panels<float> expected(batch, units, 0), actual(batch, units, 7);
        for (std::int64_t sample = 0; sample < batch; ++sample) {
          for (std::int64_t j = 0; j < units; ++j) {
            const float number = x.numbers.at(sample, j) * operation.x.scale;
            expected.at(sample, j) = a * number + b;
          }
        }
        affine({x.first(), x.second(), &a, &b, actual.data()}, batch, units);
        CHECK(std::equal(actual.values.begin(), actual.values.end(), expected.values.begin(),
                         relaxon::testing::same));
      }
    }
  }
}

TEST_CASE("generated real messages of dense weights are the kernels'", "[jit]") {
  const FlushToZero mode;
  Draw draw(9);
  for (const Isa isa : available_isas()) {
    if (isa == Isa::x86_64) continue;
    const KernelTable& table = kernels(isa);
    for (const auto& [senders, receivers] :
         std::vector<std::pair<std::int64_t, std::int64_t>>{{1, 1}, {40, 10}, {20, 24}, {33, 131}}) {
      const std::vector<float> w = relaxon::testing::padded(
          draw.reals(static_cast<std::size_t>(senders * receivers)), senders, receivers);
      for (const Sender::Kind kind : relaxon::testing::sender_kinds) {
        const RealDense operation{senders, receivers, relaxon::testing::sender_of(kind)};
        const Made real(operation, isa);
        for (const std::int64_t batch : batches) {
          INFO(name_of(isa) << ", " << text_of(operation) << ", batch " << batch);
          relaxon::testing::SenderData x(draw, operation.x, batch, senders);
          Panels<float> expected(batch, receivers, 0), actual(batch, receivers, 0);
          table.real_dense({w.data(), senders, receivers, row_stride(receivers)}, x.numbers.data(),
                           panels_of(batch), expected.data());
          table.scale(expected.data(), static_cast<std::int64_t>(expected.values.size()), operation.x.scale);
          real({pointer(w.data()), x.first(), x.second(), actual.data()}, batch, receivers);
          CHECK(std::equal(actual.values.begin(), actual.values.end(), expected.values.begin(),
                           relaxon::testing::same));
        }
      }
    }
  }
}

}  // namespace relaxon::jit
