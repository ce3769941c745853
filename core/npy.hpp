// One array in a file: NumPy's .npy format, version 1.0, written only.
#pragma once

#include <filesystem>
#include <string>

#include "core/tensor.hpp"

namespace relaxon {

/// The bytes of a .npy file: little-endian, C order, data from a multiple of 64 bytes on.
std::string npy(const Tensor& array);

/// Writes atomically. Throws Error.
void save_npy(const std::filesystem::path& path, const Tensor& array);

}  // namespace relaxon
