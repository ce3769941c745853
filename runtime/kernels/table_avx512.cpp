#include "runtime/kernels/table.hpp"
#include "runtime/kernels/tables.hpp"

namespace relaxon {

constinit const KernelTable avx512_kernels = table_of_this_source();

}  // namespace relaxon
