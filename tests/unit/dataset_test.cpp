#include "core/data/dataset.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <numeric>

#include "core/data/encoder.hpp"
#include "core/math.hpp"
#include "core/safetensors.hpp"
#include "tests/support/files.hpp"

namespace relaxon {
namespace {

using testing::error_of;
using testing::idx_file;
using testing::TemporaryFolder;
using testing::write_bytes;

constexpr std::uint32_t height = 2, width = 3, pixels = height * width;
constexpr std::uint32_t train_images = 40, test_images = 7;

std::uint8_t pixel_of(std::size_t i) { return static_cast<std::uint8_t>(i % 7 == 0 ? 0 : i * 37 % 256); }

std::string pixel_data(std::uint32_t images) {
  std::string data;
  for (std::size_t i = 0; i < images * pixels; ++i) data.push_back(static_cast<char>(pixel_of(i)));
  return data;
}

/// Class of a train image: four of each, not in order.
std::int32_t class_of(std::size_t image) { return static_cast<std::int32_t>(image * 7 % 10); }

std::string label_data(std::uint32_t images) {
  std::string data;
  for (std::size_t i = 0; i < images; ++i) data.push_back(static_cast<char>(class_of(i)));
  return data;
}

/// A folder with a small data set of 2 x 3 pixels.
class SmallData {
 public:
  SmallData() {
    images("train", train_images, {height, width}, pixel_data(train_images));
    labels("train", label_data(train_images));
    images("t10k", test_images, {height, width}, pixel_data(test_images));
    labels("t10k", label_data(test_images));
  }

  void images(const std::string& part, std::uint32_t n, std::vector<std::uint32_t> lengths,
              const std::string& data) {
    lengths.insert(lengths.begin(), n);
    write_bytes(image_file(part), idx_file(2051, lengths, data));
  }
  void labels(const std::string& part, const std::string& data) {
    write_bytes(label_file(part), idx_file(2049, {static_cast<std::uint32_t>(data.size())}, data));
  }
  std::string image_file(const std::string& part) const { return folder_ / (part + "-images-idx3-ubyte"); }
  std::string label_file(const std::string& part) const { return folder_ / (part + "-labels-idx1-ubyte"); }

  /// Inputs as they are stored.
  DataOptions options() const {
    DataOptions options;
    options.name = DataSource::idx;
    options.path = folder_.path();
    options.seed = 5;
    options.x_transform = Transform::identity;
    return options;
  }

 private:
  TemporaryFolder folder_;
};

template <class T>
std::vector<T> values_of(const Tensor& tensor) {
  const auto data = tensor.data<T>();
  return {data.begin(), data.end()};
}

std::vector<std::int32_t> classes_of(const std::vector<std::int32_t>& images) {
  std::vector<std::int32_t> classes;
  for (const std::int32_t i : images) classes.push_back(class_of(static_cast<std::size_t>(i)));
  return classes;
}

/// Stored pixels of those train images.
std::vector<std::uint8_t> pixels_of(const std::vector<std::int32_t>& images) {
  std::vector<std::uint8_t> result;
  for (const std::int32_t i : images) {
    for (std::size_t p = 0; p < pixels; ++p)
      result.push_back(pixel_of(static_cast<std::size_t>(i) * pixels + p));
  }
  return result;
}

std::vector<std::int32_t> file_order(std::uint32_t n) {
  std::vector<std::int32_t> order(n);
  std::iota(order.begin(), order.end(), 0);
  return order;
}

constexpr RngLayout layouts[] = {RngLayout::partitionable, RngLayout::original};

TEST_CASE("options have the documented defaults", "[dataset]") {
  const DataOptions options;
  CHECK(options.batch_size == 64);
  CHECK(options.label_mode == LabelMode::c_rescale);
  CHECK(options.x_transform == Transform::sign);
  CHECK(options.rescaling == Rescaling::divide255);
  CHECK(options.flatten);
  CHECK(options.shuffle);
  CHECK(options.validation_fraction == 0);
  CHECK(options.recipe == Recipe::epochs);
  CHECK_FALSE(options.linear_projection);
  CHECK_FALSE(options.num_images_per_class);
}

TEST_CASE("names of options are those of the network file", "[dataset]") {
  for (const auto* name : {"fashion-mnist", "mnist", "idx"}) CHECK(name_of(*data_source_named(name)) == name);
  for (const auto* name : {"c-rescale", "pm1", "ooe"}) CHECK(name_of(*label_mode_named(name)) == name);
  for (const auto* name : {"sign", "tanh", "identity"}) CHECK(name_of(*transform_named(name)) == name);
  for (const auto* name : {"divide255", "null", "standardize"})
    CHECK(name_of(*rescaling_named(name)) == name);
  for (const auto* name : {"epochs", "once"}) CHECK(name_of(*recipe_named(name)) == name);
  CHECK_FALSE(data_source_named("MNIST"));
  CHECK_FALSE(label_mode_named(""));
  CHECK_FALSE(transform_named("none"));
  CHECK_FALSE(rescaling_named("none"));
  CHECK_FALSE(recipe_named("twice"));
}

template <class Change>
std::string validation_error(Change&& change) {
  DataOptions options;
  change(options);
  return error_of([&] { validate(options); });
}

TEST_CASE("options out of range are refused", "[dataset]") {
  using O = DataOptions;
  CHECK(validation_error([](O&) {}) == "no error");
  CHECK(validation_error([](O& o) { o.name = DataSource::mnist; }) ==
        "data.path: expected the folder of the mnist files, found none");
  CHECK(validation_error([](O& o) { o.batch_size = 0; }) ==
        "data.batch_size: expected an integer >= 1, found 0");
  CHECK(validation_error([](O& o) { o.linear_projection = -3; }) ==
        "data.linear_projection: expected an integer >= 1, found -3");
  CHECK(validation_error([](O& o) { o.num_images_per_class = 0; }) ==
        "data.num_images_per_class: expected an integer >= 1, found 0");
  CHECK(validation_error([](O& o) { o.validation_fraction = 1; }) ==
        "data.validation_fraction: expected a number >= 0 and < 1, found 1");
  CHECK(validation_error([](O& o) { o.validation_fraction = -0.5; }) ==
        "data.validation_fraction: expected a number >= 0 and < 1, found -0.5");
  CHECK(validation_error([](O& o) { o.validation_fraction = std::numeric_limits<double>::quiet_NaN(); }) ==
        "data.validation_fraction: expected a number >= 0 and < 1, found nan");
  CHECK(validation_error([](O& o) { o.validation_fraction = 0.5, o.recipe = Recipe::once; }) ==
        "data.validation_fraction: expected 0 with recipe \"once\", which has no key for it, found 0.5");
  CHECK(validation_error([](O& o) { o.linear_projection = 4, o.flatten = false; }) ==
        "data.linear_projection: expected flatten = true with a projection, found flatten = false");
  CHECK(validation_error([](O& o) {
          o.key_path = {SplitStep{0, 0}};
        }) == "data.key_path[0]: expected a split into 1 .. 2147483648, found 0");
  CHECK(validation_error([](O& o) {
          o.key_path = {FoldInStep{7}, SplitStep{2, 2}};
        }) == "data.key_path[1]: expected child 0 .. 1 of a split into 2, found 2");
}

TEST_CASE("a key path leads to the descendant", "[dataset]") {
  for (const RngLayout layout : layouts) {
    const Key root = key_of(59);
    CHECK(walk(root, {}, layout) == root);
    CHECK(walk(root, {SplitStep{5, 3}, FoldInStep{9}}, layout) == fold_in(split(root, 5, layout)[3], 9));
  }
}

TEST_CASE("unprojected pixels stay bytes", "[dataset]") {
  const SmallData files;
  const Dataset data = load_dataset(files.options(), RngLayout::partitionable);
  CHECK(data.x_values == Values::bytes(1.0F / 255.0F));
  CHECK(data.train.x ==
        Tensor::of<std::uint8_t>({train_images, pixels}, pixels_of(file_order(train_images))));
  CHECK(data.test.x == Tensor::of<std::uint8_t>({test_images, pixels}, pixels_of(file_order(test_images))));
  CHECK(values_of<std::int32_t>(data.train.classes) == classes_of(file_order(train_images)));
  CHECK(data.train.images() == train_images);
  CHECK(data.test.images() == test_images);
  CHECK(data.validation.images() == 0);
  CHECK(data.classes == 10);
}

TEST_CASE("without flatten images keep their axes", "[dataset]") {
  const SmallData files;
  DataOptions options = files.options();
  options.flatten = false;
  const Dataset data = load_dataset(options, RngLayout::partitionable);
  CHECK(data.test.x ==
        Tensor::of<std::uint8_t>({test_images, height, width, 1}, pixels_of(file_order(test_images))));
}

/// The inputs of the test images, with `f` applied to each stored pixel.
template <class T, class Function>
Tensor mapped_test_images(Function f) {
  std::vector<T> values;
  for (const std::uint8_t pixel : pixels_of(file_order(test_images)))
    values.push_back(static_cast<T>(f(pixel)));
  return Tensor::of<T>({test_images, pixels}, values);
}

TEST_CASE("transforms follow the rescaling", "[dataset]") {
  const SmallData files;
  DataOptions options = files.options();

  options.x_transform = Transform::sign;
  Dataset data = load_dataset(options, RngLayout::partitionable);
  CHECK(data.x_values == Values::ternary());
  CHECK(data.test.x == mapped_test_images<std::int8_t>([](int p) { return p > 0 ? 1 : -1; }));

  options.x_transform = Transform::tanh;
  data = load_dataset(options, RngLayout::partitionable);
  CHECK(data.x_values == Values::real());
  CHECK(data.test.x ==
        mapped_test_images<float>([](int p) { return tanh_f32(static_cast<float>(p) / 255.0F); }));

  options.x_transform = Transform::identity;
  options.rescaling = Rescaling::none;
  data = load_dataset(options, RngLayout::partitionable);
  CHECK(data.x_values == Values::real());
  CHECK(data.test.x == mapped_test_images<float>([](int p) { return static_cast<float>(p); }));
}

TEST_CASE("standardize uses mean and deviation of the train images used", "[dataset]") {
  SmallData files;
  // Pixels 4 and 8 in the first ten images, one of each class: mean 6, deviation 2.
  std::string data, labels;
  for (char i = 0; i < 20; ++i) {
    data += i < 10 ? std::string("\4\10\4\10\4\10") : std::string(pixels, '\x77');
    labels.push_back(static_cast<char>(i % 10));
  }
  files.images("train", 10, {height, width}, data.substr(0, 10 * pixels));
  files.labels("train", labels.substr(0, 10));
  DataOptions options = files.options();
  options.rescaling = Rescaling::standardize;
  const Dataset small = load_dataset(options, RngLayout::partitionable);
  CHECK(small.x_values == Values::real());
  CHECK(values_of<float>(small.train.x)[0] == -1.0F);
  CHECK(values_of<float>(small.train.x)[1] == 1.0F);
  CHECK(small.test.x == mapped_test_images<float>([](int p) { return (p - 6) / 2.0; }));

  // Twenty images, of which the subset takes ten: whichever they are, they have mean 0 and deviation 1.
  files.images("train", 20, {height, width}, data);
  files.labels("train", labels);
  options.num_images_per_class = 1;
  const auto chosen = values_of<float>(load_dataset(options, RngLayout::partitionable).train.x);
  double sum = 0, squares = 0;
  for (const float x : chosen) sum += x, squares += static_cast<double>(x) * x;
  CHECK(std::abs(sum) < 1e-4);
  CHECK(squares / static_cast<double>(chosen.size()) == Approx(1).epsilon(1e-6));
}

TEST_CASE("the projection is one ascending fma sum an output", "[dataset]") {
  const SmallData files;
  constexpr std::int64_t outputs = 19;  // more than one panel, and 7 and 40 images: tiles and what is left
  for (const RngLayout layout : layouts) {
    DataOptions options = files.options();
    options.linear_projection = outputs;
    const Dataset data = load_dataset(options, layout);
    CHECK(data.x_values == Values::real());
    const std::vector<float> normals = normal(split(key_of(5), 5, layout)[1], outputs * pixels, layout);
    const auto stored = pixels_of(file_order(test_images));
    Tensor expected(DType::f32, {test_images, outputs});
    Tensor signs(DType::i8, {test_images, outputs});
    for (std::size_t i = 0; i < test_images; ++i) {
      for (std::size_t o = 0; o < outputs; ++o) {
        float sum = 0;
        for (std::size_t j = 0; j < pixels; ++j) {
          const float weight = normals[o * pixels + j] / std::sqrt(static_cast<float>(pixels));
          sum = std::fma(static_cast<float>(stored[i * pixels + j]) / 255.0F, weight, sum);
        }
        expected.data<float>()[i * outputs + o] = sum;
        signs.data<std::int8_t>()[i * outputs + o] = sum > 0 ? 1 : -1;
      }
    }
    CHECK(data.test.x == expected);
    CHECK(data.train.x.shape() == Shape{train_images, outputs});
    options.x_transform = Transform::sign;
    CHECK(load_dataset(options, layout).test.x == signs);
  }
}

TEST_CASE("any number of threads prepares the same data", "[dataset]") {
  const SmallData files;
  for (const bool projected : {false, true}) {
    DataOptions options = files.options();
    if (projected) options.linear_projection = 19;
    const Dataset expected = load_dataset(options, RngLayout::partitionable);
    for (const int threads : {2, 3, 50}) {  // also more than there are images
      const Dataset data = load_dataset(options, RngLayout::partitionable, threads);
      CHECK(data.train.x == expected.train.x);
      CHECK(data.test.x == expected.test.x);
      CHECK(data.train.classes == expected.train.classes);
    }
  }
}

TEST_CASE("label vectors and what is declared of them", "[dataset]") {
  const auto check = [](LabelMode mode, float at_class, float elsewhere, Values declared) {
    CHECK(label_code(mode, 3) == Tensor::of<float>({3, 3}, {at_class, elsewhere, elsewhere,  //
                                                            elsewhere, at_class, elsewhere,  //
                                                            elsewhere, elsewhere, at_class}));
    CHECK(label_values(mode, 3) == declared);
  };
  const auto a = static_cast<float>(std::sqrt(3.0) / 2 - 0.5);
  check(LabelMode::c_rescale, a, -0.5F, Values::two_valued(a, -0.5F));
  check(LabelMode::pm1, 1, -1, Values::ternary());
  check(LabelMode::ooe, 1, 0, Values::ternary());
}

TEST_CASE("subsets take the first of a permutation of each class", "[dataset]") {
  const SmallData files;
  for (const RngLayout layout : layouts) {
    for (const Recipe recipe : {Recipe::epochs, Recipe::once}) {
      DataOptions options = files.options();
      options.num_images_per_class = 3;
      options.recipe = recipe;
      Key key = split(key_of(5), recipe == Recipe::once ? 3 : 5, layout)[0];
      std::vector<std::int32_t> expected;
      for (std::int32_t c = 0; c < 10; ++c) {
        std::vector<std::int32_t> members;
        for (std::int32_t i = 0; i < static_cast<std::int32_t>(train_images); ++i) {
          if (class_of(static_cast<std::size_t>(i)) == c) members.push_back(i);
        }
        const auto keys = split(key, 2, layout);
        key = keys[0];
        const auto order = permutation(keys[1], 4, layout);
        for (std::size_t i = 0; i < 3; ++i) expected.push_back(members[static_cast<std::size_t>(order[i])]);
      }
      const Dataset data = load_dataset(options, layout);
      CHECK(values_of<std::uint8_t>(data.train.x) == pixels_of(expected));
      CHECK(values_of<std::int32_t>(data.train.classes) == classes_of(expected));
      CHECK(data.test.images() == test_images);
    }
  }
}

TEST_CASE("validation is the end of a permutation, training its beginning", "[dataset]") {
  const SmallData files;
  for (const RngLayout layout : layouts) {
    DataOptions options = files.options();
    options.validation_fraction = 0.29;  // 11.6 images
    options.key_path = {SplitStep{2, 1}};
    const Dataset data = load_dataset(options, layout);
    const Key key = split(split(key_of(5), 2, layout)[1], 5, layout)[2];
    const auto order = permutation(key, train_images, layout);
    CHECK(values_of<std::uint8_t>(data.train.x) == pixels_of({order.begin(), order.end() - 11}));
    CHECK(values_of<std::uint8_t>(data.validation.x) == pixels_of({order.end() - 11, order.end()}));
    CHECK(values_of<std::int32_t>(data.validation.classes) == classes_of({order.end() - 11, order.end()}));
  }
}

TEST_CASE("each epoch has its order, which a restored key repeats", "[dataset]") {
  const SmallData files;
  for (const RngLayout layout : layouts) {
    const DataOptions options = files.options();
    const Dataset data = load_dataset(options, layout);
    EpochOrder order(options, data, layout);
    Key key = split(key_of(5), 5, layout)[3];
    CHECK(order.key() == key);
    std::vector<std::int32_t> second;
    for (int epoch = 0; epoch < 3; ++epoch) {
      const auto keys = split(key, 2, layout);
      key = keys[1];
      const auto given = order.next();
      CHECK(given == permutation(keys[0], train_images, layout));
      CHECK(order.key() == key);
      if (epoch == 1) second = given;
    }
    order.restore(split(split(key_of(5), 5, layout)[3], 2, layout)[1]);
    CHECK(order.next() == second);
  }
}

TEST_CASE("recipe once has one order for good", "[dataset]") {
  const SmallData files;
  DataOptions options = files.options();
  options.recipe = Recipe::once;
  for (const RngLayout layout : layouts) {
    const Dataset data = load_dataset(options, layout);
    EpochOrder order(options, data, layout);
    const Key key = split(key_of(5), 3, layout)[2];
    for (int epoch = 0; epoch < 2; ++epoch) {
      CHECK(order.next() == permutation(key, train_images, layout));
      CHECK(order.key() == key);
    }
  }
}

TEST_CASE("without shuffling images come in their order and no key is used up", "[dataset]") {
  const SmallData files;
  DataOptions options = files.options();
  options.shuffle = false;
  for (const Recipe recipe : {Recipe::epochs, Recipe::once}) {
    options.recipe = recipe;
    const Dataset data = load_dataset(options, RngLayout::partitionable);
    EpochOrder order(options, data, RngLayout::partitionable);
    CHECK(order.next() == file_order(train_images));
    CHECK(order.key() == data.shuffle_key);
  }
}

std::string load_error(const DataOptions& options) {
  return error_of([&] { load_dataset(options, RngLayout::partitionable); });
}

TEST_CASE("files that don't fit each other or the data set are refused", "[dataset]") {
  SmallData files;
  DataOptions options = files.options();
  options.name = DataSource::mnist;
  CHECK(load_error(options) ==
        files.image_file("train") + ": expected images of shape (40, 28, 28), found (40, 2, 3)");
  options.name = DataSource::idx;
  files.images("t10k", 4, {3, 2}, pixel_data(4));
  files.labels("t10k", label_data(4));
  CHECK(load_error(options) ==
        files.image_file("t10k") + ": expected images of shape (4, 2, 3) as for training, found (4, 3, 2)");
  files.labels("t10k", label_data(5));
  CHECK(load_error(options) == files.image_file("t10k") + ": expected 5 images, one for each label of " +
                                   files.label_file("t10k") + ", found 4");
  files.labels("train", std::string(train_images, '\12'));
  CHECK(load_error(options) == files.label_file("train") + ": expected labels 0 .. 9, found 10 at index 0");
  options.path = "/nowhere";
  CHECK(load_error(options) == "/nowhere/train-images-idx3-ubyte: no such file, plain or .gz");
  options.batch_size = 0;
  CHECK(load_error(options) == "data.batch_size: expected an integer >= 1, found 0");
}

TEST_CASE("options that the images can't meet are refused", "[dataset]") {
  SmallData files;
  DataOptions options = files.options();
  options.num_images_per_class = 5;
  CHECK(load_error(options) ==
        "data.num_images_per_class: expected at most 4, the train images of class 0, found 5");
  options = files.options();
  options.validation_fraction = 0.01;
  CHECK(load_error(options) ==
        "data.validation_fraction: expected 1 .. 39 of 40 train images, found 0.01 of them, 0");
  options = files.options();
  options.linear_projection = 1'000'000'000'000;
  CHECK(load_error(options) ==
        "data.linear_projection: expected at most 44739242 for images of 6 pixels, found 1000000000000");
  options = files.options();
  options.rescaling = Rescaling::standardize;
  files.images("train", train_images, {height, width}, std::string(train_images * pixels, '\7'));
  CHECK(load_error(options) ==
        "data.rescaling: expected train pixels that differ, to standardize, found only 7");
}

TEST_CASE("inputs too large to hold are refused before they are made", "[dataset]") {
  const Tensor image(DType::u8, {1, 1000, 1000});
  const std::vector<std::int32_t> many(1100, 0);
  DataOptions options;
  options.x_transform = Transform::tanh;
  const ImageEncoder encoder(options, key_of(0), RngLayout::partitionable, image, many);
  CHECK(error_of([&] { encoder.encode(image, many); }) ==
        "data: expected at most 4294967296 bytes of inputs, found 1100 images of 4000000 bytes");
}

TEST_CASE("Fashion-MNIST is complete, and its projection is that of the golden case", "[dataset]") {
  const RawImages train = load_raw({}, Part::train);
  CHECK(train.images.shape() == Shape{60000, 28, 28});
  const auto labels = values_of<std::int32_t>(train.classes);
  CHECK(std::vector(labels.begin(), labels.begin() + 5) == std::vector<std::int32_t>{9, 0, 0, 3, 0});
  for (std::int32_t c = 0; c < 10; ++c) CHECK(std::count(labels.begin(), labels.end(), c) == 6000);
  CHECK(load_raw({}, Part::test).images.shape() == Shape{10000, 28, 28});

  const Safetensors golden = load_safetensors(RELAXON_GOLDEN_DIR "/scale_A.safetensors");
  const Tensor& bits = golden.tensors.at("x_bits");
  const auto packed = values_of<std::uint8_t>(bits);
  DataOptions options;
  options.linear_projection = 100;
  const ImageEncoder encoder(options, key_of(7), RngLayout::partitionable, train.images, {});
  const auto row_bytes = packed.size() / 480;
  const auto signs = values_of<std::int8_t>(encoder.encode(train.images, file_order(480)));
  std::size_t different = 0;
  for (std::size_t i = 0; i < signs.size(); ++i) {
    const std::size_t unit = i % 100;
    const bool up = (packed[i / 100 * row_bytes + unit / 8] >> (7 - unit % 8) & 1) != 0;
    different += up != (signs[i] > 0);
  }
  CHECK(different == 0);
}

}  // namespace
}  // namespace relaxon
