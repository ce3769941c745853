// The modules a layer map is made of, as plain values (semantics: section 4).
//
// d = in_features is the number of sender units, K = out_features (or features) the number of receiver units.
// Both follow from the map's sizes; where they are given they must agree with them.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <variant>
#include <vector>

namespace relaxon {

/// A number for all K outputs, or one per output. Kept in double as declared; float32 where it is used.
struct PerOutput {
  std::vector<double> values;  // empty: not given; one: for every output
  bool is_vector = false;

  PerOutput() = default;
  PerOutput(double value) : values{value} {}  // NOLINT: a plain number is meant to convert
  PerOutput(std::vector<double> per_output) : values(std::move(per_output)), is_vector(true) {}
  PerOutput(std::initializer_list<double> per_output) : values(per_output), is_vector(true) {}

  bool given() const { return is_vector || !values.empty(); }
  /// The float32 value of output k.
  float at(std::size_t k) const { return static_cast<float>(is_vector ? values[k] : values[0]); }
  bool operator==(const PerOutput&) const = default;
};

/// How a module's learning rate is scaled: as given, or by the reference density over its own (section 5).
enum class LrScaling : std::uint8_t { none, sparsity };

/// "none" or "sparsity".
std::string_view name_of(LrScaling scaling);

/// One named argument of a module: what TOML files, golden cases and error messages call it.
template <class Module, class T>
struct Argument {
  std::string_view name;
  T Module::*member;
  bool required;
};

template <class Module, class T>
constexpr Argument<Module, T> required(std::string_view name, T Module::*member) {
  return {name, member, true};
}
template <class Module, class T>
constexpr Argument<Module, T> optional(std::string_view name, T Module::*member) {
  return {name, member, false};
}

/// Trainable dense map; message x W, W = N(0,1) (d,K) * strength / sqrt(d); perceptron rule.
struct FullyConnected {
  PerOutput strength = {}, threshold = {};
  double lr = 1, weight_decay = 0;
  std::optional<std::int64_t> in_features = {}, out_features = {};
  bool operator==(const FullyConnected&) const = default;
};

/// As FullyConnected, never trained.
struct FrozenFullyConnected {
  PerOutput strength = {}, threshold = {};
  std::optional<std::int64_t> in_features = {}, out_features = {};
  bool operator==(const FrozenFullyConnected&) const = default;
};

/// Never trained; message (a x + b) W with r = sqrt(d-1), a = (r/2 + 1/r)/2, b = (r/2 - 1/r)/2; d >= 2.
struct FrozenRescaledFullyConnected {
  PerOutput strength = {}, threshold = {};
  std::optional<std::int64_t> in_features = {}, out_features = {};
  bool operator==(const FrozenRescaledFullyConnected&) const = default;
};

/// Trainable map of which a share `sparsity` of the connections is absent; perceptron rule on the rest.
struct SparseFullyConnected {
  PerOutput strength = {}, threshold = {};
  std::optional<double> sparsity = {};
  double lr = 1, weight_decay = 0;
  LrScaling lr_scaling = LrScaling::none;
  std::optional<std::int64_t> in_features = {}, out_features = {};
  bool operator==(const SparseFullyConnected&) const = default;
};

/// A layer of +-1 units coupled by J (K,K); the diagonal is j_d for good; perceptron rule.
struct RecurrentDiscrete {
  PerOutput j_d = {}, threshold = {};
  double strength = 1, lr = 1, weight_decay = 0;
  std::optional<std::int64_t> features = {};
  bool operator==(const RecurrentDiscrete&) const = default;
};

/// As RecurrentDiscrete with a share `sparsity` of the couplings absent.
struct SparseRecurrentDiscrete {
  PerOutput j_d = {}, threshold = {};
  std::optional<double> sparsity = {};
  double strength = 1, lr = 1, weight_decay = 0;
  LrScaling lr_scaling = LrScaling::none;
  std::optional<std::int64_t> features = {};
  bool operator==(const SparseRecurrentDiscrete&) const = default;
};

/// The layer of the last row: sends nothing, its activation is the field itself.
struct OutputLayer {
  bool operator==(const OutputLayer&) const = default;
};

using Module = std::variant<FullyConnected, FrozenFullyConnected, FrozenRescaledFullyConnected,
                            SparseFullyConnected, RecurrentDiscrete, SparseRecurrentDiscrete, OutputLayer>;

/// Name and arguments of every module, in the order they are documented. One table serves the network file,
/// the golden cases, the C++ checks and the messages.
template <class M>
struct ModuleInfo;

template <>
struct ModuleInfo<FullyConnected> {
  using M = FullyConnected;
  static constexpr std::string_view name = "FullyConnected";
  static constexpr auto arguments = std::make_tuple(
      optional("in_features", &M::in_features), optional("out_features", &M::out_features),
      required("strength", &M::strength), required("threshold", &M::threshold), optional("lr", &M::lr),
      optional("weight_decay", &M::weight_decay));
};
template <>
struct ModuleInfo<FrozenFullyConnected> {
  using M = FrozenFullyConnected;
  static constexpr std::string_view name = "FrozenFullyConnected";
  static constexpr auto arguments =
      std::make_tuple(optional("in_features", &M::in_features), optional("out_features", &M::out_features),
                      required("strength", &M::strength), required("threshold", &M::threshold));
};
template <>
struct ModuleInfo<FrozenRescaledFullyConnected> {
  using M = FrozenRescaledFullyConnected;
  static constexpr std::string_view name = "FrozenRescaledFullyConnected";
  static constexpr auto arguments =
      std::make_tuple(optional("in_features", &M::in_features), optional("out_features", &M::out_features),
                      required("strength", &M::strength), required("threshold", &M::threshold));
};
template <>
struct ModuleInfo<SparseFullyConnected> {
  using M = SparseFullyConnected;
  static constexpr std::string_view name = "SparseFullyConnected";
  static constexpr auto arguments = std::make_tuple(
      optional("in_features", &M::in_features), optional("out_features", &M::out_features),
      required("strength", &M::strength), required("threshold", &M::threshold),
      required("sparsity", &M::sparsity), optional("lr", &M::lr), optional("weight_decay", &M::weight_decay),
      optional("lr_scaling", &M::lr_scaling));
};
template <>
struct ModuleInfo<RecurrentDiscrete> {
  using M = RecurrentDiscrete;
  static constexpr std::string_view name = "RecurrentDiscrete";
  static constexpr auto arguments =
      std::make_tuple(optional("features", &M::features), required("j_d", &M::j_d),
                      required("threshold", &M::threshold), optional("strength", &M::strength),
                      optional("lr", &M::lr), optional("weight_decay", &M::weight_decay));
};
template <>
struct ModuleInfo<SparseRecurrentDiscrete> {
  using M = SparseRecurrentDiscrete;
  static constexpr std::string_view name = "SparseRecurrentDiscrete";
  static constexpr auto arguments = std::make_tuple(
      optional("features", &M::features), required("j_d", &M::j_d), required("sparsity", &M::sparsity),
      required("threshold", &M::threshold), optional("strength", &M::strength), optional("lr", &M::lr),
      optional("weight_decay", &M::weight_decay), optional("lr_scaling", &M::lr_scaling));
};
template <>
struct ModuleInfo<OutputLayer> {
  static constexpr std::string_view name = "OutputLayer";
  static constexpr auto arguments = std::make_tuple();
};

std::string_view name_of(const Module& module);
/// The module of that name with nothing set; nullopt for an unknown name.
std::optional<Module> module_named(std::string_view name);
/// All module names, for messages: "FullyConnected, FrozenFullyConnected, ...".
std::string module_names();

/// A diagonal module: a layer. The others are adapters.
bool is_layer(const Module& module);
bool is_output(const Module& module);
bool is_recurrent(const Module& module);
bool is_sparse(const Module& module);
/// Has a weight at all (every module here but OutputLayer).
bool has_weight(const Module& module);
bool is_trainable(const Module& module);

/// Arguments that several modules share; the value that means "none" where a module lacks them.
double lr_of(const Module& module);            // 1 where there is none
double weight_decay_of(const Module& module);  // 0
double sparsity_of(const Module& module);      // 0
LrScaling lr_scaling_of(const Module& module);
/// The margin of the module's rule; nullptr without one.
const PerOutput* threshold_of(const Module& module);

/// Checks the arguments against fan-in `d` and fan-out `K`: everything required is given, vector lengths are
/// K, numbers are finite and in range. Throws Error starting with `where`, e.g. "edge 1-0".
void validate(const Module& module, std::int64_t d, std::int64_t K, std::string_view where);

}  // namespace relaxon
