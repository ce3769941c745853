#include "core/data/options.hpp"

#include <array>
#include <utility>

#include "core/error.hpp"

namespace relaxon {
namespace {

template <class Enum, std::size_t n>
using Names = std::array<std::pair<Enum, std::string_view>, n>;

constexpr Names<DataSource, 3> data_sources{
    {{DataSource::fashion_mnist, "fashion-mnist"}, {DataSource::mnist, "mnist"}, {DataSource::idx, "idx"}}};
constexpr Names<LabelMode, 3> label_modes{
    {{LabelMode::c_rescale, "c-rescale"}, {LabelMode::pm1, "pm1"}, {LabelMode::ooe, "ooe"}}};
constexpr Names<Transform, 3> transforms{
    {{Transform::sign, "sign"}, {Transform::tanh, "tanh"}, {Transform::identity, "identity"}}};
constexpr Names<Rescaling, 3> rescalings{{{Rescaling::divide255, "divide255"},
                                          {Rescaling::none, "null"},
                                          {Rescaling::standardize, "standardize"}}};
constexpr Names<Recipe, 2> recipes{{{Recipe::epochs, "epochs"}, {Recipe::once, "once"}}};

template <class Enum, std::size_t n>
std::string_view name_in(const Names<Enum, n>& names, Enum value) {
  for (const auto& [candidate, name] : names) {
    if (candidate == value) return name;
  }
  internal_error("an enumerator {} without a name", static_cast<int>(value));
}

template <class Enum, std::size_t n>
std::optional<Enum> value_in(const Names<Enum, n>& names, std::string_view name) {
  for (const auto& [value, candidate] : names) {
    if (candidate == name) return value;
  }
  return std::nullopt;
}

void check_positive(std::string_view option, std::optional<std::int64_t> value) {
  if (value && *value < 1) fail("data.{}: expected an integer >= 1, found {}", option, *value);
}

}  // namespace

std::string_view name_of(DataSource source) { return name_in(data_sources, source); }
std::string_view name_of(LabelMode mode) { return name_in(label_modes, mode); }
std::string_view name_of(Transform transform) { return name_in(transforms, transform); }
std::string_view name_of(Rescaling rescaling) { return name_in(rescalings, rescaling); }
std::string_view name_of(Recipe recipe) { return name_in(recipes, recipe); }

std::optional<DataSource> data_source_named(std::string_view name) { return value_in(data_sources, name); }
std::optional<LabelMode> label_mode_named(std::string_view name) { return value_in(label_modes, name); }
std::optional<Transform> transform_named(std::string_view name) { return value_in(transforms, name); }
std::optional<Rescaling> rescaling_named(std::string_view name) { return value_in(rescalings, name); }
std::optional<Recipe> recipe_named(std::string_view name) { return value_in(recipes, name); }

void validate(const DataOptions& options) {
  if (options.path.empty() && options.name != DataSource::fashion_mnist) {
    fail("data.path: expected the folder of the {} files, found none", name_of(options.name));
  }
  validate(options.key_path, "data.key_path");
  check_positive("batch_size", options.batch_size);
  check_positive("linear_projection", options.linear_projection);
  check_positive("num_images_per_class", options.num_images_per_class);
  // Written so that NaN fails.
  if (!(options.validation_fraction >= 0 && options.validation_fraction < 1)) {
    fail("data.validation_fraction: expected a number >= 0 and < 1, found {}", options.validation_fraction);
  }
  if (options.validation_fraction > 0 && options.recipe == Recipe::once) {
    fail("data.validation_fraction: expected 0 with recipe \"once\", which has no key for it, found {}",
         options.validation_fraction);
  }
  if (options.linear_projection && !options.flatten) {
    fail("data.linear_projection: expected flatten = true with a projection, found flatten = false");
  }
}

}  // namespace relaxon
