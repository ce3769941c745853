// What a sender's change of state does to the fields of its receivers.
#pragma once

#include "runtime/jit/llvm/emitter.hpp"

namespace relaxon::jit {

struct Change {
  V twice_up, twice_down, once_up, once_down;  // lanes that move by +-2 and by +-1
};

inline Change change_of(Emitter& e, V from_plus, V from_minus, V to_plus, V to_minus) {
  auto& b = e.b;
  V gained = b.CreateAnd(to_plus, b.CreateNot(from_plus)),
    lost = b.CreateAnd(from_plus, b.CreateNot(to_plus));
  V risen = b.CreateAnd(from_minus, b.CreateNot(to_minus));
  V fallen = b.CreateAnd(to_minus, b.CreateNot(from_minus));
  return {b.CreateAnd(gained, risen), b.CreateAnd(lost, fallen), b.CreateXor(gained, risen),
          b.CreateXor(lost, fallen)};
}

}  // namespace relaxon::jit
