// Types of IR values. A type says which values can occur, never how they are stored.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace relaxon {

/// Kinds of elements.
///
///     pm1        +1, -1
///     tern       -1, 0, +1
///     two{a,b}   0, a or b: a declared two-valued buffer and errors taken from it
///     u8{s}      a byte n that stands for f32(n * s)
///     f32        any finite float32
///     fix        an exact integer h that stands for h * 2^-F, F the graph's fixed_bits
///     i32        an index or a number of iterations
///     i64        an exact count
enum class Elem : std::uint8_t { pm1, tern, two, u8, f32, fix, i32, i64 };

std::string_view name_of(Elem elem);

/// Length of an axis: a number, or a symbol bound at run time (B: the batch, N: images, T: steps).
struct Dim {
  std::int64_t length = 0;
  char symbol = 0;  // 0: `length` counts

  Dim() = default;
  Dim(std::int64_t n) : length(n) {}  // NOLINT: a plain length is meant to convert
  static Dim symbolic(char letter) {
    Dim d;
    d.symbol = letter;
    return d;
  }
  bool is_symbolic() const { return symbol != 0; }
  bool operator==(const Dim&) const = default;
};

inline const Dim batch_dim = Dim::symbolic('B');

using Dims = std::vector<Dim>;

/// A sparse pattern declared by the graph; its connections are data.
struct PatternId {
  std::int32_t index = -1;
  auto operator<=>(const PatternId&) const = default;
};

/// Which entries of a weight exist and may change.
///
///     dense    every entry
///     offdiag  every entry exists, the diagonal never changes; of a kernel [kh,kw,C/groups,C] the taps that
///              couple a channel of a pixel to itself
///     sparse   the entries of a pattern (and its fixed diagonal, if it has one)
struct Entries {
  enum class Kind : std::uint8_t { dense, offdiag, sparse };
  Kind kind = Kind::dense;
  PatternId pattern;  // sparse
  bool operator==(const Entries&) const = default;
};

struct Type {
  Elem elem = Elem::f32;
  Dims dims;
  float a = 0, b = 0;  // two{a,b}
  float scale = 0;     // u8{scale}
  Entries entries;     // of a weight, its moments and its correlations

  bool operator==(const Type&) const = default;
  std::size_t rank() const { return dims.size(); }
  /// Numbers of one sample or row: the product of all axes but the first, which have lengths.
  std::int64_t units() const {
    std::int64_t n = 1;
    for (std::size_t axis = 1; axis < rank(); ++axis) n *= dims[axis].length;
    return n;
  }
  bool is_scalar() const { return dims.empty(); }
};

Type make_type(Elem elem, Dims dims);
/// The same values in another shape, dense.
Type with_dims(Type type, Dims dims);
/// The same shape and entries with other elements.
Type with_elem(Type type, Elem elem);

/// Values that are all -1, 0 or 1, so that a sum over them is exact.
bool is_ternary(const Type& type);
/// Values that are float32 numbers as they stand: pm1, tern, two, f32.
bool is_real(const Type& type);

/// "pm1[B,300]", "u8{0.003921569}[B,784]", "f32[300,300]{offdiag}"; `pattern_name` names sparse entries.
std::string to_string(const Type& type, const std::vector<std::string>& pattern_names);
std::string to_string(const Dims& dims);
/// A float32 that reads back as itself.
std::string to_string(float value);

}  // namespace relaxon
