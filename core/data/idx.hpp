// IDX files, the format of MNIST and its relatives.
//
// Big-endian: a magic number, one 32-bit length per axis, then unsigned bytes. A name that ends in .gz is
// gzip data. Every function throws Error with one line that starts with the file's name.
#pragma once

#include <cstdint>
#include <filesystem>

#include "core/tensor.hpp"

namespace relaxon {

/// Images of an IDX file (magic 2051): u8 (N, H, W), none of the lengths 0.
Tensor read_idx_images(const std::filesystem::path& path);

/// Labels of an IDX file (magic 2049): i32 (N), N > 0, each in 0 .. classes-1.
Tensor read_idx_labels(const std::filesystem::path& path, std::int64_t classes);

}  // namespace relaxon
