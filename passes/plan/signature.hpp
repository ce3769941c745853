// What the kernels of plans read and write: how many slots, in which storages.
#pragma once

#include <initializer_list>
#include <string>
#include <vector>

#include "passes/plan/plan.hpp"

namespace relaxon {

/// A set of storages.
class Storages {
 public:
  constexpr Storages(std::initializer_list<Storage> storages) {
    for (const Storage s : storages) bits_ |= bit(s);
  }
  static constexpr Storages all() {
    Storages every{};
    for (std::size_t i = 0; i < storage_names.size(); ++i) every.bits_ |= bit(static_cast<Storage>(i));
    return every;
  }
  constexpr bool contains(Storage s) const { return (bits_ & bit(s)) != 0; }
  /// "fields or field_rows"; "any storage" for all of them.
  std::string text() const;

 private:
  static constexpr std::uint32_t bit(Storage s) { return 1u << static_cast<unsigned>(s); }
  std::uint32_t bits_ = 0;
};

struct Signature {
  std::vector<Storages> inputs, outputs;
};

/// The storages that a type's values may lie in.
Storages storages_for(const Type& type);

/// What a step may read and write, given how many inputs it has (steps that add up take any number) and how
/// its weight lies. Steps with a body: the count alone; their carries may lie anyhow.
Signature signature_of(const Plan& plan, const Step& step);

/// Whether a kernel writes the slots it reads: an advance its field, an optimizer its weight and moments.
bool in_place(Kernel kernel);

}  // namespace relaxon
