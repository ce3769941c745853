// One table for each instruction set, each from a source of its own with that set's compiler options.
#pragma once

#include "runtime/kernels/kernels.hpp"

namespace relaxon {

extern const KernelTable x86_64_kernels;
extern const KernelTable avx2_kernels;
extern const KernelTable avx512_kernels;

}  // namespace relaxon
