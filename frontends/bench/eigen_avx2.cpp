// The naive baseline's operations for AVX2 and FMA; CMakeLists.txt has the compiler options.
#define Eigen Eigen_avx2
#include "frontends/bench/eigen_kernels_body.hpp"

namespace relaxon::bench {

const EigenKernels eigen_avx2 = table;

}  // namespace relaxon::bench
