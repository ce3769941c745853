#include "core/npy.hpp"

#include <fmt/format.h>

#include <string_view>

#include "core/error.hpp"
#include "core/file.hpp"

namespace relaxon {
namespace {

std::string_view descriptor(DType dtype) {
  switch (dtype) {
    case DType::f32: return "<f4";
    case DType::i8: return "|i1";
    case DType::u8: return "|u1";
    case DType::i32: return "<i4";
    case DType::i64: return "<i8";
    case DType::u32: return "<u4";
    case DType::boolean: return "|b1";
  }
  internal_error("unknown element type {}", static_cast<int>(dtype));
}

/// A shape as Python writes a tuple: "(16,)", "(2, 3)".
std::string tuple(const Shape& shape) {
  std::string text;
  for (const std::int64_t n : shape) text += fmt::format("{}, ", n);
  if (shape.size() > 1) text.resize(text.size() - 2);
  return fmt::format("({})", shape.size() == 1 ? text.substr(0, text.size() - 1) : text);
}

}  // namespace

std::string npy(const Tensor& array) {
  constexpr std::size_t alignment = 64;
  std::string header = fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': {}, }}",
                                   descriptor(array.dtype()), tuple(array.shape()));
  const std::string magic("\x93NUMPY\x01\x00", 8);
  const std::size_t before = magic.size() + 2;
  const std::size_t total = (before + header.size() + 1 + alignment - 1) / alignment * alignment;
  header.resize(total - before - 1, ' ');
  header += '\n';
  std::string bytes = magic;
  bytes += static_cast<char>(header.size() & 0xff);
  bytes += static_cast<char>(header.size() >> 8);
  bytes += header;
  bytes.append(reinterpret_cast<const char*>(array.raw()), array.bytes());
  return bytes;
}

void save_npy(const std::filesystem::path& path, const Tensor& array) {
  write_file_atomically(path, npy(array));
}

}  // namespace relaxon
