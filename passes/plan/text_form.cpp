#include "passes/plan/text_form.hpp"

#include <array>

#include "ir/op_info.hpp"

namespace relaxon {

std::optional<OpKind> usual_op(Kernel kernel) {
  switch (kernel) {
    case Kernel::reference: return std::nullopt;
    case Kernel::zero:
    case Kernel::copy:
    case Kernel::load:
    case Kernel::store:
    case Kernel::turn: return Step{}.op;
    case Kernel::slice: return OpKind::slice;
    case Kernel::take_row:
    case Kernel::gather:
    case Kernel::gather_index: return OpKind::take;
    case Kernel::quantise:
    case Kernel::exact:
    case Kernel::real: return OpKind::message;
    case Kernel::to_fields: return OpKind::to_fix;
    case Kernel::to_reals: return OpKind::to_f32;
    case Kernel::affine: return OpKind::affine;
    case Kernel::sum: return OpKind::aggregate;
    case Kernel::sign: return OpKind::threshold;
    case Kernel::margin: return OpKind::error;
    case Kernel::correlate: return OpKind::correlate;
    case Kernel::apply:
    case Kernel::update: return OpKind::apply;
    case Kernel::advance:
    case Kernel::follow: return OpKind::advance;
    case Kernel::hits: return OpKind::hits;
    case Kernel::scan: return OpKind::scan;
    case Kernel::loop: return OpKind::loop;
    case Kernel::probe: return OpKind::probe;
  }
  return std::nullopt;
}

std::optional<OpKind> op_carrying(const Attributes& attributes) {
  if (std::holds_alternative<std::monostate>(attributes)) return std::nullopt;
  for (const OpInfo& op : all_ops()) {
    if (op.attributes == attributes.index()) return op.kind;
  }
  return std::nullopt;
}

}  // namespace relaxon
