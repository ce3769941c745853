// Data sets as a network is given them: inputs, classes, label vectors and the order of each epoch
// (semantics: section 9).
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "core/data/options.hpp"
#include "core/rng.hpp"
#include "core/tensor.hpp"
#include "core/values.hpp"

namespace relaxon {

/// Inputs and classes of the same images.
struct Split {
  Tensor x;        // (N, size) or (N, H, W, 1); u8 for bytes, i8 for ternary values, f32 else
  Tensor classes;  // i32 (N), 0 .. C-1

  std::int64_t images() const { return classes.size(); }
};

struct Dataset {
  Split train, test;
  Split validation;          // no images unless asked for
  std::int64_t classes = 0;  // C
  Tensor code;               // f32 (C, C): row c is the label vector of class c
  Values x_values, y_values;
  Key shuffle_key{};  // where the orders of the epochs start
};

/// One file pair of a data set as it is stored.
struct RawImages {
  Tensor images;   // u8 (N, H, W)
  Tensor classes;  // i32 (N)
};
enum class Part : std::uint8_t { train, test };

/// Reads one part. Throws Error naming the file, e.g. one that is missing, damaged, or doesn't fit its
/// partner.
RawImages load_raw(const DataOptions& options, Part part);

/// Reads and prepares the whole data set, on so many threads; `layout` is the network's. Validates the
/// options first. Throws Error.
Dataset load_dataset(const DataOptions& options, RngLayout layout, int threads = 1);

/// The number of classes, and the size of one input where the options alone tell (idx files may hold images
/// of any size).
std::int64_t class_count(const DataOptions& options);
std::optional<Shape> input_shape(const DataOptions& options);

/// The label code book (C, C) of a mode, and what its values are declared to be.
Tensor label_code(LabelMode mode, std::int64_t classes);
Values label_values(LabelMode mode, std::int64_t classes);

/// The order of the train images in each epoch. Recipe `epochs`: (e, key) = split(key), permutation(e, N), so
/// the key moves on; recipe `once`: permutation(key, N), the same in every epoch. Without shuffling the order
/// is 0 .. N-1 and the key stays as it is.
class EpochOrder {
 public:
  EpochOrder(const DataOptions& options, const Dataset& data, RngLayout layout);

  /// The order of the next epoch.
  std::vector<std::int32_t> next();

  /// The whole state, for checkpoints: restoring it repeats the orders that followed it.
  Key key() const { return key_; }
  void restore(Key key) { key_ = key; }

 private:
  std::int64_t images_;
  bool shuffle_;
  Recipe recipe_;
  RngLayout layout_;
  Key key_;
};

}  // namespace relaxon
