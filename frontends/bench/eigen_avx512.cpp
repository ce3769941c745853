// The naive baseline's operations for AVX-512; CMakeLists.txt has the compiler options.
#define Eigen Eigen_avx512
#include "frontends/bench/eigen_kernels_body.hpp"

namespace relaxon::bench {

const EigenKernels eigen_avx512 = table;

}  // namespace relaxon::bench
