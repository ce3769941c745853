#include "core/data/encoder.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <future>
#include <vector>

#include "core/error.hpp"
#include "core/math.hpp"

namespace relaxon {
namespace {

constexpr std::int64_t max_projection_values = std::int64_t{1} << 28;
constexpr std::int64_t max_encoded_bytes = std::int64_t{1} << 32;
constexpr float byte_scale = 1.0F / 255.0F;

std::int64_t pixels_of(const Tensor& images) { return images.shape()[1] * images.shape()[2]; }

std::span<const std::uint8_t> image_at(const Tensor& images, std::int32_t index) {
  const auto pixels = static_cast<std::size_t>(pixels_of(images));
  return images.data<std::uint8_t>().subspan(static_cast<std::size_t>(index) * pixels, pixels);
}

/// (p - mean) / deviation of each pixel value p, over all pixels of the selected images. The sums over pixels
/// are sums over the 256 values, so that their order is fixed.
std::array<float, 256> standardized(const Tensor& images, std::span<const std::int32_t> selected) {
  std::array<std::int64_t, 256> counts{};
  for (const std::int32_t index : selected) {
    for (const std::uint8_t pixel : image_at(images, index)) ++counts[pixel];
  }
  const auto total = static_cast<double>(pixels_of(images) * static_cast<std::int64_t>(selected.size()));
  std::int64_t sum = 0;
  for (std::size_t p = 0; p < counts.size(); ++p) sum += counts[p] * static_cast<std::int64_t>(p);
  const double mean = static_cast<double>(sum) / total;
  double squares = 0;
  for (std::size_t p = 0; p < counts.size(); ++p) {
    const double difference = static_cast<double>(p) - mean;
    squares += static_cast<double>(counts[p]) * (difference * difference);
  }
  const double deviation = std::sqrt(squares / total);
  if (deviation == 0)
    fail("data.rescaling: expected train pixels that differ, to standardize, found only {}", mean);
  std::array<float, 256> table{};
  for (std::size_t p = 0; p < table.size(); ++p) {
    table[p] = static_cast<float>((static_cast<double>(p) - mean) / deviation);
  }
  return table;
}

std::array<float, 256> rescaled(Rescaling rescaling, const Tensor& images,
                                std::span<const std::int32_t> train) {
  if (rescaling == Rescaling::standardize) return standardized(images, train);
  std::array<float, 256> table{};
  for (std::size_t p = 0; p < table.size(); ++p) {
    const auto pixel = static_cast<float>(p);
    table[p] = rescaling == Rescaling::divide255 ? pixel / 255.0F : pixel;
  }
  return table;
}

/// Calls run(begin, end) for even parts of 0 .. n, each on a thread of its own, the first on the caller's.
template <class Run>
void for_each_part(std::size_t n, int threads, const Run& run) {
  const auto parts = static_cast<std::size_t>(std::max(threads, 1));
  std::vector<std::future<void>> others;
  for (std::size_t i = 1; i < parts; ++i) {
    others.push_back(std::async(std::launch::async, run, i * n / parts, (i + 1) * n / parts));
  }
  run(0, n / parts);
  for (std::future<void>& other : others) other.get();
}

}  // namespace

Values input_values(const DataOptions& options) {
  if (options.x_transform == Transform::sign) return Values::ternary();
  const bool raw = options.x_transform == Transform::identity && options.rescaling == Rescaling::divide255 &&
                   !options.linear_projection;
  return raw ? Values::bytes(byte_scale) : Values::real();
}

ImageEncoder::ImageEncoder(const DataOptions& options, Key projection_key, RngLayout layout,
                           const Tensor& images, std::span<const std::int32_t> train)
    : transform_(options.x_transform),
      values_(input_values(options)),
      flatten_(options.flatten),
      rescaled_(rescaled(options.rescaling, images, train)) {
  if (!options.linear_projection) return;
  const std::int64_t most = max_projection_values / pixels_of(images);
  if (*options.linear_projection > most) {
    fail("data.linear_projection: expected at most {} for images of {} pixels, found {}", most,
         pixels_of(images), *options.linear_projection);
  }
  projection_.emplace(projection_key, *options.linear_projection, pixels_of(images), layout);
}

float ImageEncoder::transformed(float x) const {
  switch (transform_) {
    case Transform::sign: return x > 0 ? 1.0F : -1.0F;
    case Transform::tanh: return tanh_f32(x);
    case Transform::identity: return x;
  }
  internal_error("unknown transform {}", static_cast<int>(transform_));
}

template <class T>
void ImageEncoder::write(const Tensor& images, std::span<const std::int32_t> selected,
                         std::span<T> out) const {
  const FlushToZero mode;
  auto target = out.begin();
  const auto store = [&](float x) { return static_cast<T>(transformed(x)); };
  if (!projection_) {
    std::array<T, 256> table{};
    std::transform(rescaled_.begin(), rescaled_.end(), table.begin(), store);
    for (const std::int32_t index : selected) {
      const auto image = image_at(images, index);
      target = std::transform(image.begin(), image.end(), target, [&](std::uint8_t p) { return table[p]; });
    }
    return;
  }
  constexpr std::size_t block = 256;  // images at a time, so that rescaled pixels stay in the cache
  std::vector<float> x(block * static_cast<std::size_t>(projection_->inputs()));
  std::vector<float> y(block * static_cast<std::size_t>(projection_->outputs()));
  for (std::size_t first = 0; first < selected.size(); first += block) {
    const auto indices = selected.subspan(first, std::min(block, selected.size() - first));
    auto pixels = x.begin();
    for (const std::int32_t index : indices) {
      const auto image = image_at(images, index);
      pixels =
          std::transform(image.begin(), image.end(), pixels, [&](std::uint8_t p) { return rescaled_[p]; });
    }
    const auto projected =
        std::span(y).first(indices.size() * static_cast<std::size_t>(projection_->outputs()));
    projection_->apply({x.begin(), pixels}, projected);
    target = std::transform(projected.begin(), projected.end(), target, store);
  }
}

Tensor ImageEncoder::encode(const Tensor& images, std::span<const std::int32_t> selected, int threads) const {
  const auto n = static_cast<std::int64_t>(selected.size());
  const std::int64_t features = projection_ ? projection_->outputs() : pixels_of(images);
  const Values::Kind kind = values().kind;
  const DType dtype = kind == Values::Kind::bytes     ? DType::u8
                      : kind == Values::Kind::ternary ? DType::i8
                                                      : DType::f32;
  const auto per_image = static_cast<std::int64_t>(size_of(dtype)) * features;
  if (n > max_encoded_bytes / per_image) {
    fail("data: expected at most {} bytes of inputs, found {} images of {} bytes", max_encoded_bytes, n,
         per_image);
  }
  Tensor out(dtype, flatten_ ? Shape{n, features} : Shape{n, images.shape()[1], images.shape()[2], 1});
  for_each_part(selected.size(), threads, [&](std::size_t begin, std::size_t end) {
    const auto part = selected.subspan(begin, end - begin);
    const auto rows = [&]<class T>(std::span<T> all) {
      return all.subspan(begin * static_cast<std::size_t>(features),
                         (end - begin) * static_cast<std::size_t>(features));
    };
    switch (dtype) {
      case DType::u8: {
        auto target = rows(out.data<std::uint8_t>()).begin();
        for (const std::int32_t index : part) target = std::ranges::copy(image_at(images, index), target).out;
        break;
      }
      case DType::i8: write(images, part, rows(out.data<std::int8_t>())); break;
      default: write(images, part, rows(out.data<float>()));
    }
  });
  return out;
}

}  // namespace relaxon
