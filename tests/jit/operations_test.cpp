// Generated functions give what the kernel tables give, on random data of all shapes, on every instruction
// set of this machine.
#include <algorithm>
#include <bit>
#include <catch2/catch.hpp>
#include <cmath>

#include "core/math.hpp"
#include "tests/jit/generated.hpp"
#include "tests/support/panels.hpp"

namespace relaxon::jit {
namespace {

using relaxon::testing::available_isas;
using relaxon::testing::batches;
using relaxon::testing::Connections;
using relaxon::testing::Draw;
using relaxon::testing::Made;
using relaxon::testing::Panels;
using relaxon::testing::pointer;
using relaxon::testing::sender_kinds;
using relaxon::testing::Signs;

constexpr std::int64_t unit_counts[] = {1, 2, 15, 67, 130};

struct Fields {
  Fields(Draw& draw, std::int64_t batch, std::int64_t units, int messages) {
    for (int m = 0; m < messages; ++m) {
      all.push_back(draw.integers(static_cast<std::size_t>(panels_of(batch) * units * lanes), 5));
      pointers.push_back(all.back().data());
    }
  }
  std::vector<void*> operands() const {
    std::vector<void*> result;
    for (const auto& one : all) result.push_back(pointer(one.data()));
    return result;
  }
  Messages<std::int32_t> messages() const {
    return {pointers.data(), static_cast<std::int64_t>(pointers.size())};
  }
  std::vector<std::vector<std::int32_t>> all;
  std::vector<const std::int32_t*> pointers;
};

/// Order and stream of a pattern, as ColumnStream wants them: written plainly, entry by entry.
struct Stream {
  Stream(const Connections& c, const ColumnStream& kind, Isa isa) {
    const auto length = [&](std::int32_t k) {
      return c.offsets[static_cast<std::size_t>(k) + 1] - c.offsets[static_cast<std::size_t>(k)];
    };
    const std::int64_t tile = ColumnStream::tile(isa);
    for (std::int64_t first = 0; first < c.receivers; first += ColumnStream::block) {
      const std::int64_t count = std::min(ColumnStream::block, c.receivers - first);
      std::vector<std::int32_t> block;
      for (std::int64_t k = 0; k < count; ++k) block.push_back(static_cast<std::int32_t>(first + k));
      std::stable_sort(block.begin(), block.end(), [&](auto a, auto b) { return length(a) < length(b); });
      for (std::int64_t k = 0; k < count;) {
        const std::int64_t columns = k + tile <= count ? tile : 1;
        const std::int32_t shortest = length(block[static_cast<std::size_t>(k)]);
        const auto put = [&](std::int64_t column, std::int32_t i) {
          const std::int32_t receiver = block[static_cast<std::size_t>(k + column)];
          const std::int32_t entry = c.offsets[static_cast<std::size_t>(receiver)] + i;
          senders.push_back(c.sender[static_cast<std::size_t>(entry)] * static_cast<std::int32_t>(kind.unit));
        };
        for (std::int32_t i = 0; i < shortest; ++i) {
          for (std::int64_t column = 0; column < columns; ++column) put(column, i);
        }
        for (std::int64_t column = 0; column < columns; ++column) {
          for (std::int32_t i = shortest; i < length(block[static_cast<std::size_t>(k + column)]); ++i)
            put(column, i);
        }
        k += columns;
      }
      order.insert(order.end(), block.begin(), block.end());
    }
    if (kind.short_indices()) short_senders.assign(senders.begin(), senders.end());
  }
  void* data() { return short_senders.empty() ? pointer(senders.data()) : pointer(short_senders.data()); }
  std::vector<std::int32_t> order, senders;
  std::vector<std::uint16_t> short_senders;
};

}  // namespace

TEST_CASE("generated conversions are the kernels'", "[jit]") {
  const FlushToZero mode;
  Draw draw(1);
  for (const Isa isa : available_isas()) {
    const KernelTable& table = kernels(isa);
    for (const std::int64_t n : {0, 1, 15, 16, 17, 100}) {
      INFO(name_of(isa) << ", " << n << " numbers");
      std::vector<float> w = draw.reals(static_cast<std::size_t>(n));
      std::vector<std::int32_t> expected(w.size(), 7), actual(w.size(), 7);
      const Made quantise(Quantise{20}, isa);
      CHECK(quantise({w.data(), actual.data()}, 1, n) == table.quantise(w.data(), n, 20, expected.data()));
      CHECK(actual == expected);
      for (const float bad : {2048.0f, -2048.0f, std::numeric_limits<float>::quiet_NaN()}) {
        if (n == 0) continue;
        w[static_cast<std::size_t>(n - 1)] = bad;
        CHECK(quantise({w.data(), actual.data()}, 1, n) == n - 1);
      }
    }
    for (const std::int64_t batch : batches) {
      const std::int64_t units = 67;
      Panels<float> x(batch, units, 1e30f);
      Panels<std::int32_t> expected(batch, units, 0), actual(batch, units, 0);
      for (std::int64_t b = 0; b < batch; ++b) {
        for (std::int64_t k = 0; k < units; ++k) x.at(b, k) = draw.real() * 100;
      }
      const Made to_fields(ToFields{units, 20}, isa);
      CHECK(to_fields({x.data(), actual.data()}, batch, units) == -1);
      CHECK(table.to_fields32(x.data(), units, batch, 20, expected.data()) == -1);
      for (std::int64_t b = 0; b < batch; ++b) {
        for (std::int64_t k = 0; k < units; ++k) CHECK(actual.at(b, k) == expected.at(b, k));
      }
      x.at(batch - 1, 66) = 1024.0f;
      CHECK(to_fields({x.data(), actual.data()}, batch, units) ==
            static_cast<std::int64_t>(relaxon::testing::index_of(batch - 1, 66, units)));
    }
  }
}

TEST_CASE("generated epilogues are the kernels'", "[jit]") {
  const FlushToZero mode;
  Draw draw(2);
  for (const Isa isa : available_isas()) {
    const KernelTable& table = kernels(isa);
    for (const std::int64_t units : unit_counts) {
      for (const int messages : {0, 1, 3}) {
        const Summands summands{messages, 0};
        const Made sum(Sum{units, summands}, isa), sign(Sign{units, summands}, isa),
            sign_error(SignError{units, summands}, isa),
            pair_error(PairError{units, summands, 1.08f, -0.5f, 20}, isa);
        for (const std::int64_t batch : batches) {
          INFO(name_of(isa) << ", batch " << batch << ", " << units << " units, " << messages << " messages");
          const Fields fields(draw, batch, units, messages);
          const std::int64_t panels = panels_of(batch), n = panels * units * lanes;
          std::vector<std::int32_t> expected(static_cast<std::size_t>(n)), actual(expected);
          auto operands = fields.operands();
          operands.push_back(actual.data());
          sum(operands, batch, units);
          table.sum32(fields.messages(), units, panels, expected.data());
          CHECK(actual == expected);

          Signs expected_signs(batch, units), actual_signs(batch, units);
          operands = fields.operands();
          operands.insert(operands.end(), {actual_signs.plus.data(), actual_signs.minus.data()});
          sign(operands, batch, units);
          table.sum_sign32(fields.messages(), units, batch, expected_signs.out());
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
          operands = fields.operands();
          operands.insert(operands.end(),
                          {pointer(target.plus.data()), pointer(target.minus.data()), narrow.data(),
                           actual_signs.plus.data(), actual_signs.minus.data()});
          sign_error(operands, batch, units);
          table.sum_error32(fields.messages(), target.in(), margins.data(), units, panels,
                            expected_signs.out());
          CHECK(actual_signs == expected_signs);
          operands[static_cast<std::size_t>(messages) + 2] = reals.data();
          pair_error(operands, batch, units);
          table.sum_pair_error32(fields.messages(), target.in(), 1.08f, -0.5f, reals.data(), 20, units,
                                 panels, expected_signs.out());
          CHECK(actual_signs == expected_signs);
        }
      }
    }
  }
}

TEST_CASE("generated sparse messages are the kernels'", "[jit]") {
  const FlushToZero mode;
  Draw draw(3);
  for (const Isa isa : available_isas()) {
    const KernelTable& table = kernels(isa);
    for (const auto& [senders, receivers] : std::vector<std::pair<std::int64_t, std::int64_t>>{
             {1, 1}, {40, 9}, {70, 70}, {33, 131}, {9000, 20}}) {
      const Connections c(draw, senders, receivers, senders > 1000 ? 0.01 : 0.3);
      const std::vector<std::int32_t> q = draw.integers(c.entries(), 1 << 20);
      const std::vector<float> w = draw.reals(c.entries());
      const ExactSparse message{senders, receivers};
      const Made exact(message, isa), advance(AdvanceSparse{senders, receivers}, isa);
      Stream masks(c, message.stream(), isa);
      // One to four panels: two of them may be summed at once.
      for (const std::int64_t batch : {1, 16, 32, 37, 61}) {
        INFO(name_of(isa) << ", batch " << batch << ", " << senders << " x " << receivers);
        const auto n = static_cast<std::size_t>(panels_of(batch) * receivers * lanes);
        const Signs from(draw, batch, senders, 0.3), state(draw, batch, senders, 0),
            to(draw, batch, senders, 0.2);
        std::vector<std::int32_t> expected(n), actual(n);
        std::vector<std::int32_t> below = draw.integers(n, 999);
        for (std::int32_t* base : {static_cast<std::int32_t*>(nullptr), below.data()}) {
          table.exact_sparse32(c.weight(q.data()), state.in(), batch, base, expected.data());
          exact({pointer(q.data()), pointer(c.offsets.data()), masks.data(), masks.order.data(),
                 pointer(state.plus.data()), actual.data(), base},
                batch, receivers);
          CHECK(actual == expected);
        }
        const SenderIndex rows = c.rows();
        std::vector<void*> operands{pointer(q.data()),          pointer(rows.first),
                                    pointer(rows.last),         pointer(rows.receiver),
                                    pointer(rows.entry),        pointer(from.plus.data()),
                                    pointer(from.minus.data()), pointer(to.plus.data()),
                                    pointer(to.minus.data()),   actual.data()};
        advance.function(operands.data(), batch, 0, receivers);
        table.advance_sparse32(c.weight(q.data()), rows, from.in(), to.in(), panels_of(batch),
                               expected.data());
        CHECK(actual == expected);

        if (isa == Isa::x86_64) continue;
        for (const Sender::Kind kind : sender_kinds) {
          const RealSparse operation{senders, receivers, relaxon::testing::sender_of(kind)};
          const Made real(operation, isa);
          Stream stream(c, operation.stream(), isa);
          relaxon::testing::SenderData x(draw, operation.x, batch, senders);
          std::vector<float> expected_sums(n), actual_sums(n);
          std::vector<std::uint32_t> joined(
              static_cast<std::size_t>(byte_sparse_scratch(senders, panels_of(batch))));
          table.real_sparse(c.weight(w.data()), x.numbers.data(), panels_of(batch), expected_sums.data());
          table.scale(expected_sums.data(), static_cast<std::int64_t>(n), operation.x.scale);
          real({pointer(w.data()), pointer(c.offsets.data()), stream.data(), stream.order.data(), x.first(),
                x.second(), actual_sums.data(), joined.data()},
               batch, receivers);
          CHECK(std::equal(actual_sums.begin(), actual_sums.end(), expected_sums.begin(),
                           relaxon::testing::same));
        }
      }
    }
  }
}

namespace {

std::vector<float> scalars_of(StepRule rule, bool decays) {
  const float decay = decays ? 0.013f : 0.0f;
  switch (rule) {
    case StepRule::sgd: return {0.3f, decay};
    case StepRule::momentum:
    case StepRule::nesterov: return {0.3f, decay, 0.9f, 0.11f};
    case StepRule::adam: return {0.3f, decay, 0.9f, 0.1f, 0.999f, 0.001f, 0.003f, 1.7f, 1e-8f};
    case StepRule::adamw: return {0.3f, decay, 0.9f, 0.1f, 0.999f, 0.001f, 0.003f, 1.7f, 1e-8f, 0.02f};
  }
  return {};
}

struct Learned {
  std::vector<float> w, m, v;
  bool operator==(const Learned& other) const {
    const auto equal = [](const std::vector<float>& a, const std::vector<float>& b) {
      return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), relaxon::testing::same);
    };
    return equal(w, other.w) && equal(m, other.m) && equal(v, other.v);
  }
};

/// Both sides of a correlation of some kinds; planes lie one after the other, as the executor has them.
struct Sides {
  Sides(Draw& draw, const Update& o, std::int64_t batch) {
    const Signs u_signs(draw, batch, o.senders, o.u == Sender::Kind::signs ? 0 : 0.2);
    const Signs v_signs(draw, batch, o.receivers, 0.9);
    u_planes = u_signs.plus;
    u_planes.insert(u_planes.end(), u_signs.minus.begin(), u_signs.minus.end());
    v_planes = v_signs.plus;
    v_planes.insert(v_planes.end(), v_signs.minus.begin(), v_signs.minus.end());
    bytes = Panels<std::uint8_t>(batch, o.senders, 0).values;
    u_real = Panels<float>(batch, o.senders, 0).values;
    v_real = Panels<float>(batch, o.receivers, 0).values;
    for (std::int64_t b = 0; b < batch; ++b) {
      for (std::int64_t j = 0; j < o.senders; ++j) {
        bytes[relaxon::testing::index_of(b, j, o.senders)] = static_cast<std::uint8_t>(draw.between(0, 255));
        u_real[relaxon::testing::index_of(b, j, o.senders)] = draw.real();
      }
      for (std::int64_t k = 0; k < o.receivers; ++k) {
        if (draw.chance(0.2)) v_real[relaxon::testing::index_of(b, k, o.receivers)] = draw.real();
      }
    }
    const Mask* u_minus = u_planes.data() + u_signs.plus.size();
    const Mask* v_minus = v_planes.data() + v_signs.plus.size();
    u = {o.u, {u_planes.data(), u_minus}, bytes.data(), u_real.data(), o.u_a, o.u_b};
    v = {o.v, {v_planes.data(), v_minus}, v_real.data(), o.v_a, o.v_b};
  }
  const void* u_data() const {
    return u.kind == Sender::Kind::real    ? static_cast<const void*>(u.real)
           : u.kind == Sender::Kind::bytes ? static_cast<const void*>(u.bytes)
                                           : u.signs.plus;
  }
  const void* v_data() const {
    return v.kind == Errors::Kind::real ? static_cast<const void*>(v.real) : v.signs.plus;
  }
  std::vector<Mask> u_planes, v_planes;
  std::vector<std::uint8_t> bytes;
  std::vector<float> u_real, v_real;
  Sender u;
  Errors v;
};

/// Runs an update both ways on the same numbers.
void check_update(Draw& draw, const Update& o, Isa isa, const Made& update, std::int64_t batch, bool decays) {
  const KernelTable& table = kernels(isa);
  const Connections c(draw, o.senders, o.receivers, 0.3);
  const std::int64_t stride = row_stride(o.receivers);
  const std::size_t n = o.sparse ? c.entries() : static_cast<std::size_t>(o.senders * stride);
  Learned expected{draw.reals(n), draw.reals(n), draw.reals(n)};
  for (float& v : expected.v) v = std::fabs(v);
  if (!o.sparse) {
    for (std::size_t i = 0; i < n; ++i) {
      if (static_cast<std::int64_t>(i) % stride >= o.receivers)
        expected.w[i] = expected.m[i] = expected.v[i] = 0;
    }
  }
  Learned actual = expected;
  const Sides sides(draw, o, batch);
  const std::vector<float> scalars = scalars_of(o.rule, decays);
  const std::int64_t floats = update_scratch(o.u, o.v, panels_of(batch), stride);
  std::vector<float> scratch(static_cast<std::size_t>(floats), 1e30f);
  std::vector<std::int32_t> fixed;
  for (std::int64_t k = 0; k < (o.fixed_diagonal ? o.receivers : 0); ++k) {
    for (std::int32_t e = c.offsets[static_cast<std::size_t>(k)];
         e < c.offsets[static_cast<std::size_t>(k) + 1]; ++e) {
      if (c.sender[static_cast<std::size_t>(e)] == k) fixed.push_back(e);
    }
  }
  // Where nothing moves, q may stay.
  std::vector<std::int32_t> expected_q(n);
  if (o.kept_bits > 0)
    REQUIRE(table.quantise(expected.w.data(), static_cast<std::int64_t>(n), o.kept_bits, expected_q.data()) <
            0);
  std::vector<std::int32_t> q = expected_q;
  const auto by_table = [&](auto kernel, auto weight) {
    UpdateArguments<decltype(weight)> a{};
    a.rule = o.rule;
    a.scalars = scalars.data();
    a.u = sides.u;
    a.v = sides.v;
    a.panels = panels_of(batch);
    a.weight = weight;
    a.moments[0] = expected.m.data();
    a.moments[1] = expected.v.data();
    a.fixed_diagonal = o.fixed_diagonal;
    a.fixed = fixed;
    a.scratch = scratch.data();
    if (o.kept_bits > 0) a.q = {expected_q.data(), o.kept_bits};
    return kernel(a);
  };
  const UpdateReport report =
      o.sparse ? by_table(table.update_sparse, c.weight(expected.w.data()))
               : by_table(table.update_dense,
                          DenseWeight<float>{expected.w.data(), o.senders, o.receivers, stride});
  std::int32_t bits[3] = {0, 0, 0};
  update(
      {actual.w.data(), actual.m.data(), actual.v.data(), pointer(c.offsets.data()), pointer(c.sender.data()),
       pointer(sides.u_data()), pointer(sides.u.signs.minus), pointer(sides.v_data()),
       pointer(sides.v.signs.minus), pointer(scalars.data()), bits, scratch.data(), q.data()},
      batch, o.sparse ? o.receivers : o.senders);
  CHECK(actual == expected);
  if (report.fits) CHECK(q == expected_q);
  CHECK(report.fits == (bits[2] == 0));
  CHECK(report.finite == (bits[1] < 0x7f800000));
  CHECK(std::bit_cast<float>(bits[0]) <= report.growth);
}

constexpr StepRule all_rules[] = {StepRule::sgd, StepRule::momentum, StepRule::nesterov, StepRule::adam,
                                  StepRule::adamw};
constexpr Errors::Kind error_kinds[] = {Errors::Kind::signs, Errors::Kind::pair, Errors::Kind::real};

}  // namespace

TEST_CASE("generated updates are the kernels'", "[jit]") {
  const FlushToZero mode;
  Draw draw(4);
  std::size_t turn = 0;
  for (const Isa isa : available_isas()) {
    if (isa == Isa::x86_64) continue;
    for (const Sender::Kind u : sender_kinds) {
      for (const Errors::Kind v : error_kinds) {
        for (const bool sparse : {false, true}) {
          ++turn;
          const std::int64_t senders = turn % 3 == 0 ? 1 : 37, receivers = turn % 4 == 0   ? 37
                                                                           : turn % 4 == 1 ? 130
                                                                                           : 9;
          const bool diagonal = senders == receivers;
          for (const StepRule rule : {all_rules[turn % 5], StepRule::sgd}) {
            const Update o{rule, u, v, 1.25f, -0.5f, 0.75f, -1.5f, senders, receivers, sparse, diagonal,
                           // Of most weights some draws are too large for 30 bits.
                           sparse          ? 0
                           : turn % 4 == 2 ? 30
                                           : 12};
            const Made update(o, isa);
            for (const std::int64_t batch : batches) {
              INFO(name_of(isa) << ", " << text_of(o) << ", batch " << batch);
              check_update(draw, o, isa, update, batch, true);
              check_update(draw, o, isa, update, batch, false);
            }
          }
        }
      }
    }
  }
}

TEST_CASE("all optimizers' generated updates are the kernels'", "[jit]") {
  const FlushToZero mode;
  Draw draw(5);
  for (const StepRule rule : all_rules) {
    for (const bool sparse : {false, true}) {
      const Isa isa = best_isa();
      if (isa == Isa::x86_64) continue;
      const Update o{rule, Sender::Kind::signs, Errors::Kind::signs, 0, 0, 0, 0, 67, 67, sparse,
                     true, sparse ? 0 : 20};
      const Made update(o, isa);
      INFO(text_of(o));
      for (const std::int64_t batch : batches) check_update(draw, o, isa, update, batch, true);
    }
  }
}

}  // namespace relaxon::jit
