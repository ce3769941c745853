#include "core/module.hpp"

#include <cmath>
#include <limits>

#include "core/error.hpp"

namespace relaxon {
namespace {

template <class Visitor, std::size_t I = 0>
void for_each_alternative(Visitor&& visit) {
  if constexpr (I < std::variant_size_v<Module>) {
    visit(std::variant_alternative_t<I, Module>{});
    for_each_alternative<Visitor, I + 1>(std::forward<Visitor>(visit));
  }
}

// Largest magnitude that stays a float32: beyond it a setting would become infinite where it is used.
constexpr double largest = std::numeric_limits<float>::max();

void check_number(double value, std::string_view where, std::string_view name) {
  if (!(std::abs(value) <= largest)) fail("{}: {} = {}; expected a finite float32", where, name, value);
}

struct ArgumentCheck {
  std::string_view where;
  std::int64_t d, K;

  void operator()(std::string_view name, bool required, const PerOutput& value) const {
    if (!value.given()) {
      if (required) fail("{}: {} is missing", where, name);
      return;
    }
    if (value.is_vector && static_cast<std::int64_t>(value.values.size()) != K) {
      fail("{}: {} has length {}; expected a number or {} numbers, one per output", where, name,
           value.values.size(), K);
    }
    for (std::size_t k = 0; k < value.values.size(); ++k) {
      check_number(value.values[k], where, value.is_vector ? fmt::format("{}[{}]", name, k) : std::string(name));
    }
  }
  void operator()(std::string_view name, bool, double value) const { check_number(value, where, name); }
  void operator()(std::string_view name, bool, const std::optional<double>& value) const {
    if (!value) fail("{}: {} is missing", where, name);
    if (!(*value >= 0 && *value < 1)) fail("{}: {} = {}; expected 0 <= {} < 1", where, name, *value, name);
  }
  void operator()(std::string_view name, bool, const std::optional<std::int64_t>& value) const {
    const std::int64_t expected = name == "in_features" ? d : K;
    if (value && *value != expected) {
      fail("{}: {} = {}; the sizes of its buffers make it {}", where, name, *value, expected);
    }
  }
  void operator()(std::string_view, bool, LrScaling) const {}
};

template <class T, class M>
T member_or(const M& module, T none, auto&& get) {
  if constexpr (requires { get(module); }) {
    return get(module);
  } else {
    return none;
  }
}

}  // namespace

std::string_view name_of(LrScaling scaling) { return scaling == LrScaling::none ? "none" : "sparsity"; }

std::string_view name_of(const Module& module) {
  return std::visit([]<class M>(const M&) { return ModuleInfo<M>::name; }, module);
}

std::optional<Module> module_named(std::string_view name) {
  std::optional<Module> found;
  for_each_alternative([&]<class M>(M module) {
    if (ModuleInfo<M>::name == name) found = module;
  });
  return found;
}

std::string module_names() {
  std::string names;
  for_each_alternative([&]<class M>(M) { names += fmt::format("{}{}", names.empty() ? "" : ", ", ModuleInfo<M>::name); });
  return names;
}

bool is_output(const Module& module) { return std::holds_alternative<OutputLayer>(module); }

bool is_recurrent(const Module& module) {
  return std::holds_alternative<RecurrentDiscrete>(module) ||
         std::holds_alternative<SparseRecurrentDiscrete>(module);
}

bool is_layer(const Module& module) { return is_recurrent(module) || is_output(module); }

bool is_sparse(const Module& module) {
  return std::holds_alternative<SparseFullyConnected>(module) ||
         std::holds_alternative<SparseRecurrentDiscrete>(module);
}

bool has_weight(const Module& module) { return !is_output(module); }

bool is_trainable(const Module& module) {
  return has_weight(module) && !std::holds_alternative<FrozenFullyConnected>(module) &&
         !std::holds_alternative<FrozenRescaledFullyConnected>(module);
}

double lr_of(const Module& module) {
  return std::visit([](const auto& m) { return member_or(m, 1.0, [](const auto& x) -> decltype(x.lr) { return x.lr; }); },
                    module);
}

double weight_decay_of(const Module& module) {
  return std::visit(
      [](const auto& m) {
        return member_or(m, 0.0, [](const auto& x) -> decltype(x.weight_decay) { return x.weight_decay; });
      },
      module);
}

double sparsity_of(const Module& module) {
  return std::visit(
      [](const auto& m) {
        return member_or(m, 0.0, [](const auto& x) -> decltype(*x.sparsity + 0.0) { return x.sparsity.value_or(0.0); });
      },
      module);
}

LrScaling lr_scaling_of(const Module& module) {
  return std::visit(
      [](const auto& m) {
        return member_or(m, LrScaling::none, [](const auto& x) -> decltype(x.lr_scaling) { return x.lr_scaling; });
      },
      module);
}

const PerOutput* threshold_of(const Module& module) {
  return std::visit(
      [](const auto& m) {
        return member_or<const PerOutput*>(m, nullptr,
                                           [](const auto& x) -> decltype(&x.threshold) { return &x.threshold; });
      },
      module);
}

void validate(const Module& module, std::int64_t d, std::int64_t K, std::string_view where) {
  const std::string named = fmt::format("{}: {}", where, name_of(module));
  const ArgumentCheck check{named, d, K};
  std::visit(
      [&]<class M>(const M& m) {
        std::apply([&](const auto&... argument) { (check(argument.name, argument.required, m.*argument.member), ...); },
                   ModuleInfo<M>::arguments);
      },
      module);
  if (std::holds_alternative<FrozenRescaledFullyConnected>(module) && d == 1) {
    fail("{}: in_features = 1; the rescaling divides by sqrt(in_features - 1)", named);
  }
}

}  // namespace relaxon
