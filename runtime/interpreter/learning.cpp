#include <algorithm>
#include <cmath>

#include "core/error.hpp"
#include "core/fixed_point.hpp"
#include "core/math.hpp"
#include "runtime/interpreter/connections.hpp"
#include "runtime/interpreter/evaluate.hpp"
#include "runtime/weight_errors.hpp"

namespace relaxon::interpreter {
namespace {

Results one(Tensor tensor) {
  Results results;
  results.push_back(std::move(tensor));
  return results;
}

/// Operands of a rule: target, field and margins, wherever they stand among the op's operands.
struct RuleOperands {
  std::size_t target, field, margin;
};

float margin_at(const Evaluation& e, std::size_t operand, std::size_t i) {
  const auto m = e.operand(operand).data<float>();
  return m[i % m.size()];  // [K] along the last axis, or one number
}

/// Whether each entry errs: t f <= threshold, or < where `strict`.
std::vector<bool> mistakes(const Evaluation& e, const RuleOperands& r, bool strict) {
  const int bits = e.graph.fixed_bits();
  const bool fixed = e.operand_type(r.field).elem == Elem::fix;
  const std::vector<float> t = reals(e.operand(r.target));
  std::vector<bool> m(t.size());
  for (std::size_t i = 0; i < t.size(); ++i) {
    const float margin = margin_at(e, r.margin, i);
    if (fixed && is_ternary(e.operand_type(r.target))) {
      const std::int64_t product = static_cast<std::int64_t>(t[i]) * e.operand(r.field).data<std::int64_t>()[i];
      const std::int64_t bound = threshold_to_fixed(margin, bits);
      m[i] = strict ? product < bound : product <= bound;
      continue;
    }
    const float f = fixed ? from_fixed(e.operand(r.field).data<std::int64_t>()[i], bits) : e.operand(r.field).data<float>()[i];
    const float product = t[i] * f;
    m[i] = strict ? product < margin : product <= margin;
  }
  return m;
}

std::vector<float> real_field(const Evaluation& e, std::size_t operand) {
  if (e.operand_type(operand).elem == Elem::f32) return reals(e.operand(operand));
  std::vector<float> f;
  for (const std::int64_t h : e.operand(operand).data<std::int64_t>()) f.push_back(from_fixed(h, e.graph.fixed_bits()));
  return f;
}

std::vector<float> softmax_error(const Evaluation& e, const RuleOperands& r) {
  const std::vector<float> t = reals(e.operand(r.target));
  std::vector<float> v = real_field(e, r.field);
  const auto classes = static_cast<std::size_t>(e.operand(r.field).shape().back());
  for (std::size_t begin = 0; begin < v.size(); begin += classes) {
    const std::span<float> row(v.data() + begin, classes);
    const float largest = *std::max_element(row.begin(), row.end());
    float sum = 0;
    for (float& f : row) {
      f = exp_f32(f - largest);
      sum = sum + f;
    }
    for (std::size_t k = 0; k < classes; ++k) row[k] = (t[begin + k] + 1.0f) / 2.0f - row[k] / sum;
  }
  return v;
}

std::vector<float> tanh_error(const Evaluation& e, const RuleOperands& r) {
  std::vector<float> v = reals(e.operand(r.target));
  const std::vector<float> f = real_field(e, r.field);
  for (std::size_t i = 0; i < v.size(); ++i) {
    const float o = tanh_f32(f[i]);
    const float error = v[i] - o;
    v[i] = std::fabs(error) >= margin_at(e, r.margin, i) ? error * (1.0f - o * o) : 0.0f;
  }
  return v;
}

/// m t, and for the truncated rule only where the field doesn't saturate.
std::vector<float> masked_targets(const Evaluation& e, const RuleOperands& r, Rule rule) {
  std::vector<float> v = reals(e.operand(r.target));
  const std::vector<bool> m = mistakes(e, r, rule == Rule::strict);
  for (std::size_t i = 0; i < v.size(); ++i) {
    if (!m[i]) v[i] = 0;
  }
  if (rule != Rule::truncated) return v;
  const std::vector<float> f = real_field(e, r.field);
  for (std::size_t i = 0; i < v.size(); ++i) {
    if (!(1.0f - std::fabs(tanh_f32(f[i])) < margin_at(e, r.margin + 1, i))) v[i] = 0;
  }
  return v;
}

std::vector<float> errors(const Evaluation& e, const RuleOperands& r, Rule rule) {
  switch (rule) {
    case Rule::softmax: return softmax_error(e, r);
    case Rule::tanh: return tanh_error(e, r);
    case Rule::perceptron:
    case Rule::strict:
    case Rule::truncated: return masked_targets(e, r, rule);
  }
  internal_error("unknown rule {}", static_cast<int>(rule));
}

/// Sums over samples of u v, in whichever of section 11's ways their declared values call for.
class Correlation {
 public:
  Correlation(const Evaluation& e, const CorrelateAttributes& a, std::size_t sender, const Shape& error_shape)
      : e_(e), a_(a), sender_(e.operand(sender)), sender_type_(e.operand_type(sender)), error_shape_(error_shape) {}

  Tensor run(const std::vector<float>& v, const Type& error_type) {
    Tensor result = e_.result();
    const bool u_counts = is_ternary(sender_type_) || sender_type_.elem == Elem::u8;
    if (u_counts && is_ternary(error_type)) {
      exact(v, result.data<std::int64_t>());
    } else if (u_counts && error_type.elem == Elem::two) {
      two_valued(error_type, v, Side::error, reals(sender_), result.data<float>());
    } else if (sender_type_.elem == Elem::two && is_ternary(error_type)) {
      two_valued(sender_type_, reals(sender_), Side::sender, v, result.data<float>());
    } else {
      ascending(v, result.data<float>());
    }
    clear_fixed(result);
    return result;
  }

 private:
  template <class Visit>
  void visit(Visit&& at) {
    Shape weight;
    for (const Dim& d : a_.dims) weight.push_back(d.length);
    for_each_connection(a_.map, sender_.shape(), error_shape_, weight, e_.pattern(e_.result_type()),
                        [&](std::int64_t k, std::int64_t j, std::int64_t w) {
                          at(static_cast<std::size_t>(k), static_cast<std::size_t>(j), static_cast<std::size_t>(w));
                        });
  }

  void exact(const std::vector<float>& v, std::span<std::int64_t> s) {
    const std::vector<std::int64_t> u = integers(sender_);
    visit([&](std::size_t k, std::size_t j, std::size_t w) { s[w] += u[j] * static_cast<std::int64_t>(v[k]); });
  }

  enum class Side { sender, error };

  /// fma(a, n_a, f32(b n_b)): n_a and n_b sum the `counted` side where the other side's `values` are a or b.
  void two_valued(const Type& type, const std::vector<float>& values, Side side, const std::vector<float>& counted,
                  std::span<float> s) {
    std::vector<std::int64_t> n_a(s.size()), n_b(s.size());
    visit([&](std::size_t k, std::size_t j, std::size_t w) {
      const float value = values[side == Side::error ? k : j];
      const auto amount = static_cast<std::int64_t>(counted[side == Side::error ? j : k]);
      if (value == type.a) {
        n_a[w] += amount;
      } else if (value == type.b) {
        n_b[w] += amount;
      }
    });
    for (std::size_t w = 0; w < s.size(); ++w) {
      s[w] = std::fma(type.a, static_cast<float>(n_a[w]), type.b * static_cast<float>(n_b[w]));
    }
  }

  void ascending(const std::vector<float>& v, std::span<float> s) {
    const std::vector<float> u = reals(sender_);
    visit([&](std::size_t k, std::size_t j, std::size_t w) {
      if (v[k] != 0) s[w] = std::fma(u[j], v[k], s[w]);
    });
  }

  void clear_fixed(Tensor& result) {
    const std::vector<bool> fixed = fixed_entries(e_, e_.result_type());
    for (std::size_t w = 0; w < fixed.size(); ++w) {
      if (!fixed[w]) continue;
      if (result.dtype() == DType::f32) {
        result.data<float>()[w] = 0;
      } else {
        result.data<std::int64_t>()[w] = 0;
      }
    }
  }

  const Evaluation& e_;
  const CorrelateAttributes& a_;
  const Tensor& sender_;
  const Type& sender_type_;
  const Shape& error_shape_;
};

/// The type of an error, as the op `error` would have it.
Type error_type(const Type& target, Rule rule) {
  if (rule == Rule::softmax || rule == Rule::tanh) return make_type(Elem::f32, target.dims);
  return is_ternary(target) ? make_type(Elem::tern, target.dims) : target;
}

/// One trainable entry of a weight under section 11.
struct Entry {
  float w, m, v;  // weight and moments
  float s;        // correlation, finished
};

void sgd(Entry& x, std::span<const float> c) {
  const float alpha = c[0], k = c[1];
  const float decayed = k == 0 ? x.w : std::fma(-k, x.w, x.w);
  x.w = x.s == 0 ? decayed : std::fma(alpha, x.s, decayed);
}

float pseudo_gradient(const Entry& x, float beta, float delta) {
  const float decay = delta * x.w;
  return x.s == 0 ? decay : std::fma(-beta, x.s, decay);
}

void momentum(Entry& x, std::span<const float> c, bool nesterov) {
  const float beta = c[0], delta = c[1], mu = c[2], eta = c[3];
  const float g = pseudo_gradient(x, beta, delta);
  x.m = std::fma(mu, x.m, g);
  const float step = nesterov ? std::fma(mu, x.m, g) : x.m;
  x.w = std::fma(-eta, step, x.w);
}

void adam(Entry& x, std::span<const float> c, bool decoupled_decay) {
  const float beta = c[0], delta = c[1], b1 = c[2], c1 = c[3], b2 = c[4], c2 = c[5], a = c[6], r = c[7], eps = c[8];
  const float g = pseudo_gradient(x, beta, delta);
  if (decoupled_decay) x.w = std::fma(-c[9], x.w, x.w);
  x.m = std::fma(c1, g, b1 * x.m);
  x.v = std::fma(c2 * g, g, b2 * x.v);
  x.w = x.w - (a * x.m) / std::fma(std::sqrt(x.v), r, eps);
}

void step(ApplyRule rule, Entry& x, std::span<const float> scalars) {
  switch (rule) {
    case ApplyRule::sgd: return sgd(x, scalars);
    case ApplyRule::momentum: return momentum(x, scalars, false);
    case ApplyRule::nesterov: return momentum(x, scalars, true);
    case ApplyRule::adam: return adam(x, scalars, false);
    case ApplyRule::adamw: return adam(x, scalars, true);
  }
}

}  // namespace

Results error(const Evaluation& e) {
  const std::vector<float> v = errors(e, {0, 1, 2}, e.attributes<ErrorAttributes>().rule);
  Tensor result = e.result();
  if (result.dtype() == DType::f32) return one(Tensor::of<float>(result.shape(), v));
  std::transform(v.begin(), v.end(), result.data<std::int8_t>().begin(), [](float x) { return static_cast<std::int8_t>(x); });
  return one(std::move(result));
}

Results correlate(const Evaluation& e) {
  const auto& a = e.attributes<CorrelateAttributes>();
  return one(Correlation(e, a, 0, e.operand(1).shape()).run(reals(e.operand(1)), e.operand_type(1)));
}

Results update(const Evaluation& e) {
  const auto& a = e.attributes<UpdateAttributes>();
  const std::vector<float> v = errors(e, {1, 2, 3}, a.rule);
  return one(Correlation(e, a.correlate, 0, e.operand(1).shape()).run(v, error_type(e.operand_type(1), a.rule)));
}

Results apply(const Evaluation& e) {
  const auto& a = e.attributes<ApplyAttributes>();
  const auto moments = static_cast<std::size_t>(moments_of(a.rule));
  Results results;
  for (std::size_t i = 0; i <= moments; ++i) results.push_back(e.operand(i));
  const std::vector<float> s = reals(e.operand(moments + 1));
  const auto scalars = e.operand(moments + 2).data<float>();
  const std::vector<bool> fixed = fixed_entries(e, e.operand_type(0));
  for (std::size_t i = 0; i < s.size(); ++i) {
    if (!fixed.empty() && fixed[i]) continue;
    Entry x{results[0].data<float>()[i], 0, 0, s[i]};
    if (moments > 0) x.m = results[1].data<float>()[i];
    if (moments > 1) x.v = results[2].data<float>()[i];
    step(a.rule, x, scalars);
    if (!std::isfinite(x.w) || !std::isfinite(x.m) || !std::isfinite(x.v)) {
      fail_update(describe_entry(e, a.edge, e.operand_type(0), i), x.w, x.m, x.v);
    }
    results[0].data<float>()[i] = x.w;
    if (moments > 0) results[1].data<float>()[i] = x.m;
    if (moments > 1) results[2].data<float>()[i] = x.v;
  }
  return results;
}

}  // namespace relaxon::interpreter
