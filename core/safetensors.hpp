// Named arrays in one file: the safetensors format.
//
// 8 bytes little-endian header length n, n bytes of JSON (name -> dtype, shape, data_offsets; "__metadata__"
// -> a map of strings), then the raw little-endian row-major data, without holes.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "core/tensor.hpp"

namespace relaxon {

struct Safetensors {
  std::map<std::string, Tensor> tensors;
  std::map<std::string, std::string> metadata;
};

/// Reads and checks a file. Whatever is wrong with it is one Error that names the file and the tensor.
Safetensors load_safetensors(const std::filesystem::path& path);

/// Writes atomically; equal contents give equal bytes. The data start at a multiple of 8 bytes and tensors
/// with larger elements come first, then by name, so that each is aligned to its element.
void save_safetensors(const std::filesystem::path& path, const Safetensors& contents);

}  // namespace relaxon
