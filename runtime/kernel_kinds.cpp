#include "runtime/kernel_kinds.hpp"

#include "core/error.hpp"

namespace relaxon {

StepRule rule_of(ApplyRule rule) {
  switch (rule) {
    case ApplyRule::sgd: return StepRule::sgd;
    case ApplyRule::momentum: return StepRule::momentum;
    case ApplyRule::nesterov: return StepRule::nesterov;
    case ApplyRule::adam: return StepRule::adam;
    case ApplyRule::adamw: return StepRule::adamw;
  }
  internal_error("unknown optimizer rule {}", static_cast<int>(rule));
}

Sender::Kind sender_kind(Storage storage) {
  switch (storage) {
    case Storage::signs: return Sender::Kind::signs;
    case Storage::pair: return Sender::Kind::pair;
    case Storage::bytes: return Sender::Kind::bytes;
    case Storage::reals: return Sender::Kind::real;
    default: internal_error("a correlation with storage {}", static_cast<int>(storage));
  }
}

Errors::Kind error_kind(Storage storage) {
  switch (storage) {
    case Storage::signs: return Errors::Kind::signs;
    case Storage::pair: return Errors::Kind::pair;
    case Storage::reals: return Errors::Kind::real;
    default: internal_error("a correlation with storage {}", static_cast<int>(storage));
  }
}

}  // namespace relaxon
