#include "frontends/check/check.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <tuple>

#include "core/error.hpp"
#include "core/fixed_point.hpp"

namespace relaxon {
namespace {

/// A value as it came: its name, the iteration, and which of several of that name it is.
using Key = std::tuple<std::string, std::vector<std::int64_t>, int>;

/// What one batch showed, in order.
class Seen {
 public:
  ProbeSink sink() {
    return [this](std::string_view name, const std::vector<std::int64_t>& at, const Tensor& value) {
      Key key{std::string(name), {at.begin() + 1, at.end()}, 0};
      while (values_.contains(key)) ++std::get<2>(key);
      order_.push_back(key);
      values_.emplace(std::move(key), value);
    };
  }
  void clear() {
    order_.clear();
    values_.clear();
  }
  const std::vector<Key>& order() const { return order_; }
  const Tensor* find(const Key& key) const {
    const auto found = values_.find(key);
    return found == values_.end() ? nullptr : &found->second;
  }

 private:
  std::vector<Key> order_;
  std::map<Key, Tensor> values_;
};

std::vector<std::int64_t> index_of(std::int64_t element, const Shape& shape) {
  std::vector<std::int64_t> index(shape.size());
  for (std::size_t axis = shape.size(); axis-- > 0; element /= shape[axis])
    index[axis] = element % shape[axis];
  return index;
}

template <class T>
std::optional<std::int64_t> first_difference(const Tensor& a, const Tensor& b) {
  const auto x = a.data<T>(), y = b.data<T>();
  const auto [at, other] = std::mismatch(x.begin(), x.end(), y.begin());
  return at == x.end() ? std::nullopt : std::optional<std::int64_t>(at - x.begin());
}

/// The first element of two arrays of one type and shape that is another number. A sum of zeros may have
/// either sign.
std::optional<std::int64_t> first_difference(const Tensor& a, const Tensor& b) {
  switch (a.dtype()) {
    case DType::f32: return first_difference<float>(a, b);
    case DType::i8: return first_difference<std::int8_t>(a, b);
    case DType::u8: return first_difference<std::uint8_t>(a, b);
    case DType::i32: return first_difference<std::int32_t>(a, b);
    case DType::i64: return first_difference<std::int64_t>(a, b);
    case DType::u32: return first_difference<std::uint32_t>(a, b);
    case DType::boolean: return first_difference<bool>(a, b);
  }
  internal_error("unknown element type {}", static_cast<int>(a.dtype()));
}

std::string element(const Tensor& values, std::int64_t i, bool field, int bits) {
  const auto at = static_cast<std::size_t>(i);
  switch (values.dtype()) {
    case DType::f32: return fmt::format("{}", values.data<float>()[at]);
    case DType::i8: return fmt::format("{}", values.data<std::int8_t>()[at]);
    case DType::i64: {
      const std::int64_t v = values.data<std::int64_t>()[at];
      return field ? fmt::format("{} 2^-{} ({})", v, bits, from_fixed(v, bits)) : fmt::format("{}", v);
    }
    default: internal_error("a probe of {}", name_of(values.dtype()));
  }
}

class LockStep {
 public:
  LockStep(Session& first, Session& second) : first_(first), second_(second) {}

  /// Has both sessions show everything from here on.
  void record(bool evaluation) {
    evaluation_ = evaluation;
    const std::vector<Probe> probes = all_probes(first_.network(), evaluation);
    constexpr std::int64_t always = std::int64_t{1} << 62;
    first_.record({probes, seen_.sink(), 0, always}, evaluation);
    second_.record({probes, expected_.sink(), 0, always}, evaluation);
  }

  /// Runs one batch on both and compares. Returns whether all agrees.
  template <class Run>
  bool agree(CheckResult& result, Run&& run) {
    seen_.clear();
    expected_.clear();
    run(first_);
    run(second_);
    for (const Key& key : expected_.order()) {
      if ((result.difference = compare(key, result.steps))) return false;
      ++result.values;
    }
    return true;
  }

 private:
  std::optional<Difference> compare(const Key& key, std::int64_t step) const {
    const auto& [name, at, which] = key;
    const Tensor* a = seen_.find(key);
    const Tensor* b = expected_.find(key);
    Difference d{.probe = name,
                 .evaluation = evaluation_,
                 .step = step,
                 .iteration = {},
                 .index = {},
                 .first = {},
                 .second = {}};
    if (!at.empty()) d.iteration = at.back();
    if (a == nullptr || a->dtype() != b->dtype() || a->shape() != b->shape()) {
      d.first = a == nullptr ? "nothing" : fmt::format("{} {}", name_of(a->dtype()), to_string(a->shape()));
      d.second = fmt::format("{} {}", name_of(b->dtype()), to_string(b->shape()));
      return d;
    }
    const auto i = first_difference(*a, *b);
    if (!i) return std::nullopt;
    const Probe::Kind kind = parse_probe(name).kind;
    const bool field = kind == Probe::Kind::field || kind == Probe::Kind::judged;
    const int bits = first_.network().fixed_bits;
    d.index = index_of(*i, a->shape());
    d.first = element(*a, *i, field, bits);
    d.second = element(*b, *i, field, bits);
    return d;
  }

  Session &first_, &second_;
  Seen seen_, expected_;
  bool evaluation_ = false;
};

}  // namespace

CheckResult check(Session& first, Session& second, const Dataset& data, BatchStream& stream,
                  std::int64_t batch, std::int64_t steps) {
  if (!(first.network() == second.network())) fail("check: the sessions are of different networks");
  CheckResult result;
  LockStep both(first, second);
  both.record(false);
  for (; result.steps < steps; ++result.steps) {
    const std::vector<std::int32_t> images = stream.next(1);
    const auto train = [&](Session& s) { s.train(labelled(data.train, data.code), images, batch); };
    if (!both.agree(result, train)) return result;
  }
  both.record(true);
  const std::int64_t tested = std::min(batch, data.test.images());
  both.agree(result, [&](Session& s) { s.hits(labelled(data.test, data.code), tested, batch); });
  return result;
}

std::string to_string(const Difference& d, const std::string& first, const std::string& second) {
  std::string text =
      d.evaluation ? fmt::format("evaluation after step {}", d.step) : fmt::format("step {}", d.step);
  text += fmt::format(", {}", d.probe);
  if (d.iteration) text += fmt::format(", iteration {}", *d.iteration);
  if (!d.index.empty()) text += fmt::format(", [{}]", fmt::join(d.index, ", "));
  return text + fmt::format(": {} on {}, {} on {}", d.first, first, d.second, second);
}

}  // namespace relaxon
