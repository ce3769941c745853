#include "passes/carry_rewriter.hpp"

#include <algorithm>

namespace relaxon {

bool is_watched(const Op& op, std::size_t carry) {
  const auto* scan = std::get_if<ScanAttributes>(&op.attributes);
  return scan && std::find(scan->until_unchanged.begin(), scan->until_unchanged.end(),
                           static_cast<std::int32_t>(carry)) != scan->until_unchanged.end();
}

std::vector<ValueId> CarryRewriter::copy_carries(const Op& op, const std::vector<bool>& kept) {
  const std::vector<ValueId>& arguments = source().block(*op.body).arguments;
  const std::vector<ValueId>& yields = source().terminator(*op.body).operands;
  const std::size_t first = arguments.size() - kept.size();  // 1 where the index comes first
  std::vector<ValueId> starts{mapped(op.operands[0])};
  std::vector<ValueId> old_arguments(arguments.begin(),
                                     arguments.begin() + static_cast<std::ptrdiff_t>(first));
  ScanAttributes scan;
  std::int32_t place = 0;
  for (std::size_t c = 0; c < kept.size(); ++c) {
    if (!kept[c]) continue;
    starts.push_back(mapped(op.operands[c + 1]));
    old_arguments.push_back(arguments[first + c]);
    if (is_watched(op, c)) scan.until_unchanged.push_back(place);
    ++place;
  }
  map(old_arguments,
      out().begin(op.kind, starts, op.kind == OpKind::scan ? Attributes(scan) : op.attributes));
  visit_block(*op.body);
  std::vector<ValueId> yielded;
  for (std::size_t c = 0; c < kept.size(); ++c) {
    if (kept[c]) yielded.push_back(mapped(yields[c]));
  }
  const std::vector<ValueId> results = out().end(yielded);
  std::vector<ValueId> values(kept.size());
  for (std::size_t c = 0, next = 0; c < kept.size(); ++c) {
    if (kept[c]) values[c] = results[next++];
  }
  return values;
}

}  // namespace relaxon
