// How a data set is read, cut and turned into numbers (semantics: section 9).
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string_view>

#include "core/key_path.hpp"

namespace relaxon {

/// Where the images come from: a folder with the four IDX files of MNIST, each plain or .gz. fashion_mnist
/// and mnist hold 28 x 28 pixels; fashion_mnist alone has a default folder. All have 10 classes.
enum class DataSource : std::uint8_t { fashion_mnist, mnist, idx };

/// Label vectors: c_rescale: f32(sqrt(C)/2 - 0.5) at the class, -0.5 elsewhere; pm1: 1 and -1; ooe: 1 and 0.
enum class LabelMode : std::uint8_t { c_rescale, pm1, ooe };

/// The last step on the inputs. sign: +1 above 0, else -1.
enum class Transform : std::uint8_t { sign, tanh, identity };

/// The first step on the pixels. divide255: f32(p / 255); none ("null"): p; standardize: (p - mean) /
/// deviation.
enum class Rescaling : std::uint8_t { divide255, none, standardize };

/// How keys are derived and how often the order changes: anew in each epoch, or once for good.
enum class Recipe : std::uint8_t { epochs, once };

/// What the network file and messages call them; nullopt for an unknown name.
std::string_view name_of(DataSource source);
std::string_view name_of(LabelMode mode);
std::string_view name_of(Transform transform);
std::string_view name_of(Rescaling rescaling);
std::string_view name_of(Recipe recipe);
std::optional<DataSource> data_source_named(std::string_view name);
std::optional<LabelMode> label_mode_named(std::string_view name);
std::optional<Transform> transform_named(std::string_view name);
std::optional<Rescaling> rescaling_named(std::string_view name);
std::optional<Recipe> recipe_named(std::string_view name);

/// The table [data] of a network file.
struct DataOptions {
  DataSource name = DataSource::fashion_mnist;
  std::filesystem::path path = {};  // a folder; empty: the default of fashion_mnist
  std::uint64_t seed = 0;
  KeyPath key_path = {};
  std::int64_t batch_size = 64;
  std::optional<std::int64_t> linear_projection = {};     // number of outputs
  std::optional<std::int64_t> num_images_per_class = {};  // of the train split
  LabelMode label_mode = LabelMode::c_rescale;
  Transform x_transform = Transform::sign;
  Rescaling rescaling = Rescaling::divide255;
  double validation_fraction = 0;
  bool flatten = true;
  bool shuffle = true;
  Recipe recipe = Recipe::epochs;
  bool operator==(const DataOptions&) const = default;
};

/// Checks what can be checked without the files. Throws Error starting with the option, e.g.
/// "data.batch_size".
void validate(const DataOptions& options);

}  // namespace relaxon
