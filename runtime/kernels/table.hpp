// The table of the instruction set that the including source is compiled for.
#pragma once

#include "runtime/kernels/advance.hpp"
#include "runtime/kernels/dense_update.hpp"
#include "runtime/kernels/epilogues.hpp"
#include "runtime/kernels/gather.hpp"
#include "runtime/kernels/peaks.hpp"
#include "runtime/kernels/real_messages.hpp"
#include "runtime/kernels/row_changes.hpp"
#include "runtime/kernels/sparse_update.hpp"

namespace relaxon {
namespace {

constexpr KernelTable table_of_this_source() {
  return {
      .gather_signs = gather_signs,
      .gather_bytes = gather_bytes,
      .gather_reals = gather_reals,
      .gather_fields32 = gather_fields<std::int32_t>,
      .gather_fields64 = gather_fields<std::int64_t>,
      .gather_field_rows32 = gather_field_rows<std::int32_t>,
      .gather_field_rows64 = gather_field_rows<std::int64_t>,
      .turn_fields32 = turn_fields<std::int32_t>,
      .turn_fields64 = turn_fields<std::int64_t>,
      .bytes_to_reals = bytes_to_reals,
      .scale = scale,
      .quantise = quantise,
      .exact_rows32 = exact_rows<std::int32_t>,
      .exact_rows64 = exact_rows<std::int64_t>,
      .advance_rows32 = advance_rows<std::int32_t>,
      .advance_rows64 = advance_rows<std::int64_t>,
      .exact_sparse32 = exact_sparse<std::int32_t>,
      .exact_sparse64 = exact_sparse<std::int64_t>,
      .real_dense = real_dense,
      .real_sparse = real_sparse,
      .byte_sparse = byte_sparse,
      .real_rows = real_rows,
      .advance_sparse32 = advance_sparse<std::int32_t>,
      .advance_sparse64 = advance_sparse<std::int64_t>,
      .all_signs = all_signs,
      .differing_samples = differing_samples,
      .count_changes = count_changes,
      .to_fields32 = to_fields<std::int32_t>,
      .to_fields64 = to_fields<std::int64_t>,
      .sum32 = sum<std::int32_t>,
      .sum64 = sum<std::int64_t>,
      .sum_sign32 = sum_sign<std::int32_t>,
      .sum_sign64 = sum_sign<std::int64_t>,
      .sum_error32 = sum_error<std::int32_t>,
      .sum_error64 = sum_error<std::int64_t>,
      .sum_pair_error32 = sum_pair_error<std::int32_t>,
      .sum_pair_error64 = sum_pair_error<std::int64_t>,
      .update_dense = update_dense,
      .update_sparse = update_sparse,
      .correlate_dense = correlate_dense,
      .correlate_sparse = correlate_sparse,
      .apply = apply,
      .column_sums_dense = column_sums_dense,
      .column_sums_sparse = column_sums_sparse,
      .peak_adds = peak_adds,
      .peak_fmas = peak_fmas,
      .read_all = read_all,
      .peak_operations = peak_chains * words,
  };
}

}  // namespace
}  // namespace relaxon
