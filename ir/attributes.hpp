// What an op says about itself beside its operands: small value types, one alternative of `Attributes` each.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/layer_map.hpp"
#include "ir/type.hpp"

namespace relaxon {

/// input, param: the name that the caller binds and the type of what is bound.
struct BindingAttributes {
  std::string name;
  Type type;
  bool operator==(const BindingAttributes&) const = default;
};

/// zeros: the type of the result.
struct TypeAttributes {
  Type type;
  bool operator==(const TypeAttributes&) const = default;
};

/// const: one number, of type f32 or i32.
struct ConstantAttributes {
  Elem elem = Elem::f32;
  float real = 0;             // f32
  std::int32_t integer = 0;   // i32
  bool operator==(const ConstantAttributes&) const = default;
};

enum class Padding : std::uint8_t { none, constant, edge, reflect };

/// How a weight couples senders to receivers (ir/SEMANTICS.md, "maps").
///
///     dense      x (B,d), W (d,K)            -> (B,K)
///     diag       x (B,..K), W (K) or ()      -> as x       elementwise
///     conv       x (B,H,W,C), W (kh,kw,C/groups,C') -> (B,H',W',C')
///     convt      x (B,H,W,C), W (kh,kw,C,C')        -> (B,H',W',C')
///     repeat     x (B,H,W,C), W ()           -> each pixel repeated kernel times, cropped by `crop`
///     broadcast  x, W ()                     -> x with axes of length 1 inserted at `axes`, then to `shape`
enum class MapKind : std::uint8_t { dense, diag, conv, convt, repeat, broadcast };

struct MapAttributes {
  MapKind kind = MapKind::dense;
  std::array<std::int64_t, 2> kernel{0, 0};  // repeat; of convolutions it follows from the weight
  std::array<std::int64_t, 2> stride{1, 1};  // conv, convt
  std::int64_t groups = 1;                   // conv
  Padding padding = Padding::none;           // conv, convt
  std::array<std::int64_t, 2> crop{0, 0};    // repeat
  std::vector<std::int64_t> axes;            // broadcast
  Shape shape;                               // broadcast, correlate of a map that has it: without the batch
  bool operator==(const MapAttributes&) const = default;
};

/// message, advance: the map, the edge it belongs to (for messages and explain), and whether the result is an
/// exact field (fix) instead of a float32 sum.
struct MessageAttributes {
  MapAttributes map;
  std::optional<EdgeId> edge;
  bool fixed = false;
  bool operator==(const MessageAttributes&) const = default;
};

/// majority: +1 where the sum over a window (or over whole axes) is positive, else -1.
struct WindowAttributes {
  std::array<std::int64_t, 2> kernel{1, 1};
  std::array<std::int64_t, 2> stride{1, 1};
  Padding padding = Padding::none;
  std::vector<std::int64_t> axes;  // not empty: over these axes instead of a window
  bool operator==(const WindowAttributes&) const = default;
};

enum class Activation : std::uint8_t { sign, sign0, tanh, identity };

struct ThresholdAttributes {
  Activation activation = Activation::sign;
  bool operator==(const ThresholdAttributes&) const = default;
};

/// Rules of section 5. `strict` is the perceptron rule of convolutions: t f < threshold.
enum class Rule : std::uint8_t { perceptron, strict, softmax, tanh, truncated };

struct ErrorAttributes {
  Rule rule = Rule::perceptron;
  bool operator==(const ErrorAttributes&) const = default;
};

/// correlate, update: the map whose adjoint is taken, the shape and entries of the weight.
struct CorrelateAttributes {
  MapAttributes map;
  Dims dims;
  Entries entries;
  std::optional<EdgeId> edge;
  bool operator==(const CorrelateAttributes&) const = default;
};

struct UpdateAttributes {
  Rule rule = Rule::perceptron;
  CorrelateAttributes correlate;
  bool operator==(const UpdateAttributes&) const = default;
};

/// Optimizer rules of section 11.
enum class ApplyRule : std::uint8_t { sgd, momentum, nesterov, adam, adamw };

struct ApplyAttributes {
  ApplyRule rule = ApplyRule::sgd;
  std::optional<EdgeId> edge;
  bool operator==(const ApplyAttributes&) const = default;
};

/// scan: carries (by position) that end the loop once an iteration leaves them all unchanged; empty: none.
struct ScanAttributes {
  std::vector<std::int32_t> until_unchanged;
  bool operator==(const ScanAttributes&) const = default;
};

/// return: the names of the results. probe: one name.
struct NamesAttributes {
  std::vector<std::string> names;
  bool operator==(const NamesAttributes&) const = default;
};

using Attributes =
    std::variant<std::monostate, BindingAttributes, TypeAttributes, ConstantAttributes, MessageAttributes,
                 WindowAttributes, ThresholdAttributes, ErrorAttributes, CorrelateAttributes, UpdateAttributes,
                 ApplyAttributes, ScanAttributes, NamesAttributes>;

/// Names of the enumerations in the text form, in the order of their values.
inline constexpr std::array<std::string_view, 6> map_names{"dense", "diag", "conv", "convt", "repeat", "broadcast"};
inline constexpr std::array<std::string_view, 4> padding_names{"none", "constant", "edge", "reflect"};
inline constexpr std::array<std::string_view, 4> activation_names{"sign", "sign0", "tanh", "identity"};
inline constexpr std::array<std::string_view, 5> rule_names{"perceptron", "strict", "softmax", "tanh", "truncated"};
inline constexpr std::array<std::string_view, 5> apply_names{"sgd", "momentum", "nesterov", "adam", "adamw"};

template <std::size_t N, class E>
std::string_view name_in(const std::array<std::string_view, N>& names, E value) {
  return names.at(static_cast<std::size_t>(value));
}

/// Number of margins that error and update take for a rule: none for softmax, threshold and tolerance for
/// truncated, else one.
int margins_of(Rule rule);
/// Number of moments that apply carries.
int moments_of(ApplyRule rule);
/// Length of apply's vector of step scalars (ir/SEMANTICS.md, "apply").
int scalars_of(ApplyRule rule);

}  // namespace relaxon
