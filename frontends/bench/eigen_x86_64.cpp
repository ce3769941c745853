// The naive baseline's operations for x86-64; CMakeLists.txt has the compiler options.
#define Eigen Eigen_x86_64
#include "frontends/bench/eigen_kernels_body.hpp"

namespace relaxon::bench {

const EigenKernels eigen_x86_64 = table;

}  // namespace relaxon::bench
