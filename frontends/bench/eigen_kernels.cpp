#include "frontends/bench/eigen_kernels.hpp"

#include "core/error.hpp"

namespace relaxon::bench {

const EigenKernels& eigen_kernels(Isa isa) {
  switch (isa) {
    case Isa::x86_64: return eigen_x86_64;
    case Isa::avx2: return eigen_avx2;
    case Isa::avx512: return eigen_avx512;
  }
  internal_error("unknown instruction set {}", static_cast<int>(isa));
}

}  // namespace relaxon::bench
