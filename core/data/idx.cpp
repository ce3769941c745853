#include "core/data/idx.hpp"

#include <algorithm>
#include <cstring>
#include <string>
#include <string_view>

#include "core/error.hpp"
#include "core/file.hpp"

namespace relaxon {
namespace {

constexpr std::uint64_t max_uncompressed_bytes = std::uint64_t{1} << 30;

/// The two kinds of file: the magic number's last byte is the number of axes.
struct Kind {
  std::uint32_t magic;
  std::size_t axes;
  std::string_view what;
};
constexpr Kind images{2051, 3, "images"};
constexpr Kind labels{2049, 1, "labels"};

constexpr std::size_t header_bytes(const Kind& kind) { return 4 * (1 + kind.axes); }

std::uint32_t big_endian(std::string_view bytes, std::size_t at) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i) value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
  return value;
}

/// The axis lengths that the first bytes of a file give; their product is small enough to be allocated.
Shape header_shape(std::string_view bytes, const Kind& kind, const std::string& file) {
  if (bytes.size() >= 4 && big_endian(bytes, 0) != kind.magic) {
    fail("{}: expected magic number {} ({}), found {}", file, kind.magic, kind.what, big_endian(bytes, 0));
  }
  if (bytes.size() < header_bytes(kind)) {
    fail("{}: expected an IDX header of {} bytes, found {}", file, header_bytes(kind), bytes.size());
  }
  Shape shape;
  std::uint64_t product = 1;
  bool too_large = false;
  for (std::size_t axis = 0; axis < kind.axes; ++axis) {
    const std::uint32_t length = big_endian(bytes, 4 * (1 + axis));
    shape.push_back(length);
    // Below the bound a product with one more 32-bit length fits; above it nothing is multiplied any more.
    too_large = too_large || product * length > max_uncompressed_bytes;
    if (!too_large) product *= length;
  }
  if (product == 0)
    fail("{}: expected at least one of {}, found shape {}", file, kind.what, to_string(shape));
  if (too_large) {
    fail("{}: expected at most {} bytes of {}, found shape {}", file, max_uncompressed_bytes, kind.what,
         to_string(shape));
  }
  return shape;
}

/// A file's contents, checked against its own header.
Tensor read_idx(const std::filesystem::path& path, const Kind& kind) {
  const std::string file = path.string();
  std::string bytes = read_file(path, max_uncompressed_bytes + header_bytes(kind));
  const bool compressed = path.extension() == ".gz";
  Shape shape = header_shape(compressed ? gunzip_prefix(bytes, header_bytes(kind), file) : bytes, kind, file);
  const auto size = static_cast<std::uint64_t>(count(shape));
  if (compressed) bytes = gunzip(bytes, size + header_bytes(kind), file);
  if (bytes.size() != size + header_bytes(kind)) {
    fail("{}: expected {} bytes for {} of shape {}, found {}", file, size + header_bytes(kind), kind.what,
         to_string(shape), bytes.size());
  }
  Tensor tensor(DType::u8, std::move(shape));
  std::memcpy(tensor.raw(), bytes.data() + header_bytes(kind), size);
  return tensor;
}

}  // namespace

Tensor read_idx_images(const std::filesystem::path& path) { return read_idx(path, images); }

Tensor read_idx_labels(const std::filesystem::path& path, std::int64_t classes) {
  const Tensor bytes = read_idx(path, labels);
  const auto given = bytes.data<std::uint8_t>();
  const auto bad =
      std::find_if(given.begin(), given.end(), [&](std::uint8_t label) { return label >= classes; });
  if (bad != given.end()) {
    fail("{}: expected labels 0 .. {}, found {} at index {}", path.string(), classes - 1, *bad,
         bad - given.begin());
  }
  Tensor result(DType::i32, bytes.shape());
  std::copy(given.begin(), given.end(), result.data<std::int32_t>().begin());
  return result;
}

}  // namespace relaxon
