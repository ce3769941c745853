#include "core/data/dataset.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <filesystem>
#include <future>
#include <numeric>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "core/data/encoder.hpp"
#include "core/data/idx.hpp"
#include "core/error.hpp"

namespace relaxon {
namespace {

using Indices = std::vector<std::int32_t>;

constexpr std::int64_t mnist_classes = 10;
constexpr std::int64_t mnist_side = 28;
constexpr std::string_view default_folder = "/usr/share/datasets/fashion-mnist";

struct PartFiles {
  std::string_view images, labels;
};

PartFiles files_of(Part part) {
  if (part == Part::train) return {"train-images-idx3-ubyte", "train-labels-idx1-ubyte"};
  return {"t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"};
}

/// The file of that name in the data set's folder, plain if it is there, else .gz.
std::filesystem::path find_file(const DataOptions& options, std::string_view name) {
  const bool is_default = options.path.empty();
  const std::filesystem::path folder = is_default ? std::filesystem::path(default_folder) : options.path;
  for (const std::string_view extension : {"", ".gz"}) {
    auto path = folder / fmt::format("{}{}", name, extension);
    std::error_code ignored;  // a path that can't be looked at isn't there
    if (std::filesystem::exists(path, ignored)) return path;
  }
  fail("{}: no such file, plain or .gz{}", (folder / name).string(),
       is_default ? "; Debian's package dataset-fashion-mnist installs it" : "");
}

void check_image_shape(const DataOptions& options, const Tensor& images, const std::string& file) {
  if (options.name == DataSource::idx) return;
  const Shape expected = {images.shape()[0], mnist_side, mnist_side};
  if (images.shape() != expected) {
    fail("{}: expected images of shape {}, found {}", file, to_string(expected), to_string(images.shape()));
  }
}

/// The keys that a recipe makes of the data set's key (`split` is drawn by recipe `epochs` alone).
struct DataKeys {
  Key sample, projection, split, shuffle;
};

DataKeys data_keys(const DataOptions& options, RngLayout layout) {
  const Key key = walk(key_of(options.seed), options.key_path, layout);
  if (options.recipe == Recipe::once) {
    const auto keys = split(key, 3, layout);
    return {.sample = keys[0], .projection = keys[1], .split = {}, .shuffle = keys[2]};
  }
  const auto keys = split(key, 5, layout);
  return {.sample = keys[0], .projection = keys[1], .split = keys[2], .shuffle = keys[3]};
}

Indices ascending(std::int64_t n) {
  Indices indices(static_cast<std::size_t>(n));
  std::iota(indices.begin(), indices.end(), 0);
  return indices;
}

/// `wanted` images of each class, class by class: the first of a permutation of the class's images in file
/// order.
Indices class_subset(const Tensor& classes, std::int64_t wanted, Key key, RngLayout layout) {
  std::vector<Indices> members(mnist_classes);
  const auto labels = classes.data<std::int32_t>();
  for (std::size_t i = 0; i < labels.size(); ++i) {
    members[static_cast<std::size_t>(labels[i])].push_back(static_cast<std::int32_t>(i));
  }
  Indices chosen;
  for (std::size_t c = 0; c < members.size(); ++c) {
    const auto count = static_cast<std::int64_t>(members[c].size());
    if (count < wanted) {
      fail("data.num_images_per_class: expected at most {}, the train images of class {}, found {}", count, c,
           wanted);
    }
    const auto keys = split(key, 2, layout);
    key = keys[0];
    const auto order = permutation(keys[1], count, layout);
    for (const std::int32_t i : std::span(order).first(static_cast<std::size_t>(wanted))) {
      chosen.push_back(members[c][static_cast<std::size_t>(i)]);
    }
  }
  return chosen;
}

/// Cuts the last floor(N * fraction) of a permutation off `train`, which keeps the rest in the permutation's
/// order.
Indices split_validation(Indices& train, double fraction, Key key, RngLayout layout) {
  const auto total = static_cast<std::int64_t>(train.size());
  const auto cut = static_cast<std::int64_t>(std::floor(static_cast<double>(total) * fraction));
  if (cut < 1 || cut >= total) {
    fail("data.validation_fraction: expected 1 .. {} of {} train images, found {} of them, {}", total - 1,
         total, fraction, cut);
  }
  Indices permuted;
  for (const std::int32_t i : permutation(key, total, layout))
    permuted.push_back(train[static_cast<std::size_t>(i)]);
  const auto border = permuted.end() - cut;
  train.assign(permuted.begin(), border);
  return {border, permuted.end()};
}

Tensor gather_classes(const Tensor& classes, const Indices& selected) {
  Tensor out(DType::i32, {static_cast<std::int64_t>(selected.size())});
  std::transform(selected.begin(), selected.end(), out.data<std::int32_t>().begin(),
                 [&](std::int32_t i) { return classes.data<std::int32_t>()[static_cast<std::size_t>(i)]; });
  return out;
}

Split encode(const ImageEncoder& encoder, const RawImages& raw, const Indices& selected, int threads) {
  return {.x = encoder.encode(raw.images, selected, threads),
          .classes = gather_classes(raw.classes, selected)};
}

/// What a label vector holds at the class and elsewhere.
std::pair<float, float> label_pair(LabelMode mode, std::int64_t classes) {
  switch (mode) {
    case LabelMode::c_rescale:
      return {static_cast<float>(std::sqrt(static_cast<double>(classes)) / 2 - 0.5), -0.5F};
    case LabelMode::pm1: return {1.0F, -1.0F};
    case LabelMode::ooe: return {1.0F, 0.0F};
  }
  internal_error("unknown label mode {}", static_cast<int>(mode));
}

}  // namespace

RawImages load_raw(const DataOptions& options, Part part) {
  const auto images_file = find_file(options, files_of(part).images);
  const auto labels_file = find_file(options, files_of(part).labels);
  RawImages raw{.images = read_idx_images(images_file),
                .classes = read_idx_labels(labels_file, mnist_classes)};
  check_image_shape(options, raw.images, images_file.string());
  if (raw.images.shape()[0] != raw.classes.size()) {
    fail("{}: expected {} images, one for each label of {}, found {}", images_file.string(),
         raw.classes.size(), labels_file.string(), raw.images.shape()[0]);
  }
  return raw;
}

Dataset load_dataset(const DataOptions& options, RngLayout layout, int threads) {
  validate(options);
  auto later =
      std::async(threads > 1 ? std::launch::async : std::launch::deferred, load_raw, options, Part::test);
  const RawImages train = load_raw(options, Part::train);
  const RawImages test = later.get();
  const Shape expected = {test.images.shape()[0], train.images.shape()[1], train.images.shape()[2]};
  if (test.images.shape() != expected) {
    fail("{}: expected images of shape {} as for training, found {}",
         find_file(options, files_of(Part::test).images).string(), to_string(expected),
         to_string(test.images.shape()));
  }
  const DataKeys keys = data_keys(options, layout);
  Indices selected = options.num_images_per_class
                         ? class_subset(train.classes, *options.num_images_per_class, keys.sample, layout)
                         : ascending(train.classes.size());
  const ImageEncoder encoder(options, keys.projection, layout, train.images, selected);
  Indices validation;
  if (options.validation_fraction > 0) {
    validation = split_validation(selected, options.validation_fraction, keys.split, layout);
  }
  return {.train = encode(encoder, train, selected, threads),
          .test = encode(encoder, test, ascending(test.classes.size()), threads),
          .validation = encode(encoder, train, validation, threads),
          .classes = mnist_classes,
          .code = label_code(options.label_mode, mnist_classes),
          .x_values = encoder.values(),
          .y_values = label_values(options.label_mode, mnist_classes),
          .shuffle_key = keys.shuffle};
}

std::int64_t class_count(const DataOptions&) { return mnist_classes; }

std::optional<Shape> input_shape(const DataOptions& options) {
  if (options.linear_projection) return Shape{*options.linear_projection};
  if (options.name == DataSource::idx) return std::nullopt;
  return options.flatten ? Shape{mnist_side * mnist_side} : Shape{mnist_side, mnist_side, 1};
}

Tensor label_code(LabelMode mode, std::int64_t classes) {
  const auto [at_class, elsewhere] = label_pair(mode, classes);
  Tensor code(DType::f32, {classes, classes});
  code.matrix<float>().setConstant(elsewhere);
  code.matrix<float>().diagonal().setConstant(at_class);
  return code;
}

Values label_values(LabelMode mode, std::int64_t classes) {
  const auto [at_class, elsewhere] = label_pair(mode, classes);
  return mode == LabelMode::c_rescale ? Values::two_valued(at_class, elsewhere) : Values::ternary();
}

EpochOrder::EpochOrder(const DataOptions& options, const Dataset& data, RngLayout layout)
    : images_(data.train.images()),
      shuffle_(options.shuffle),
      recipe_(options.recipe),
      layout_(layout),
      key_(data.shuffle_key) {}

std::vector<std::int32_t> EpochOrder::next() {
  if (!shuffle_) return ascending(images_);
  if (recipe_ == Recipe::once) return permutation(key_, images_, layout_);
  const auto keys = split(key_, 2, layout_);
  key_ = keys[1];
  return permutation(keys[0], images_, layout_);
}

}  // namespace relaxon
