#include "runtime/kernels/table.hpp"
#include "runtime/kernels/tables.hpp"

namespace relaxon {

constinit const KernelTable x86_64_kernels = table_of_this_source();

}  // namespace relaxon
