#include "runtime/jit/llvm/row_sums.hpp"

namespace relaxon::jit {
namespace {

constexpr unsigned width = 16;

}  // namespace

V sum_of(Emitter& e, const Values& messages, V index) {
  if (messages.empty()) return e.zeros(e.i32, width);
  V sum = e.load_vector(e.i32, width, messages[0], index);
  for (std::size_t m = 1; m < messages.size(); ++m)
    sum = e.b.CreateAdd(sum, e.load_vector(e.i32, width, messages[m], index));
  return sum;
}

RowSums::RowSums(Emitter& e, std::int64_t units, const Summands& messages)
    : e_(e), units_(units), stride_(row_stride(units)) {
  for (unsigned m = 0; m < messages.count(); ++m)
    (m < messages.by_lane ? by_lane_ : by_sample_).push_back(e.operand(m));
  if (!by_lane_.empty()) {
    block_ = e.scratch(e.i32, lanes * lanes);
    turned_ = e.scratch(e.i32, lanes * lanes);
  }
}

void RowSums::for_each_block(const std::function<void(V, V)>& body) {
  e_.loop(e_.number(0), e_.panels, 1,
          [&](V panel) { e_.loop(e_.begin, e_.end, width, [&](V k) { body(panel, k); }); });
}

Values RowSums::turned(V panel, V k) {
  V count = e_.smaller(e_.b.CreateSub(e_.number(units_), k), e_.number(width));
  e_.loop(e_.number(0), count, 1, [&](V i) {
    V unit = e_.scaled(panel, units_, e_.b.CreateAdd(k, i));
    e_.store(sum_of(e_, by_lane_, e_.scaled(unit, lanes)), e_.at(e_.i32, block_, e_.scaled(i, lanes)));
  });
  Values rows;
  for (unsigned i = 0; i < width; ++i)
    rows.push_back(e_.load_vector(e_.i32, width, block_, e_.number(i * lanes)));
  return e_.transposed(rows);
}

void RowSums::start(V panel, V k) {
  panel_ = panel;
  k_ = k;
  if (by_lane_.empty()) return;
  const Values rows = turned(panel, k);
  for (unsigned lane = 0; lane < lanes; ++lane)
    e_.store(rows[lane], e_.at(e_.i32, turned_, e_.number(lane * width)));
}

V RowSums::at(V lane) {
  V sum = sum_of(e_, by_sample_, place(lane));
  if (by_lane_.empty()) return sum;
  return e_.b.CreateAdd(sum, e_.load_vector(e_.i32, width, turned_, e_.scaled(lane, width)));
}

Values RowSums::masks(V panel, V k, const std::vector<Condition>& conditions) {
  start(panel, k);
  auto& b = e_.b;
  V top = e_.splat(e_.word(INT32_MIN), width), one = e_.splat(e_.word(1), width);
  // A sample's bit enters above those of the samples before it.
  constexpr std::int64_t unrolled = 4;
  const Values none(conditions.size(), e_.zeros(e_.i32, width));
  const Values bits =
      e_.loop(e_.number(0), e_.number(lanes), unrolled, none, [&](V first, const Values& carried) {
        Values next = carried;
        for (std::int64_t i = 0; i < unrolled; ++i) {
          V sums = at(b.CreateAdd(first, e_.number(i)));
          for (std::size_t c = 0; c < conditions.size(); ++c) {
            V older = b.CreateLShr(next[c], one);
            next[c] = b.CreateSelect(conditions[c](sums), b.CreateOr(older, top), older);
          }
        }
        return next;
      });
  Values masks;
  for (V words : bits)
    masks.push_back(
        b.CreateTrunc(b.CreateLShr(words, e_.splat(e_.word(16), width)), e_.vector(e_.i16, width)));
  return masks;
}

V RowSums::load_masks(V plane, V panel, V k) {
  return e_.load_block(e_.i16, width, plane, e_.scaled(panel, units_, k), k, units_);
}

void RowSums::store_masks(V masks, V plane, V panel, V k) {
  e_.store_block(masks, plane, e_.scaled(panel, units_, k), k, units_);
}

}  // namespace relaxon::jit
