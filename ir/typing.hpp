// Typing rules of the op table: operand types and attributes -> result types, or an Error.
#pragma once

#include <vector>

#include "ir/op_info.hpp"

namespace relaxon::typing {

std::vector<Type> binding(const TypingContext&);
std::vector<Type> constant(const TypingContext&);
std::vector<Type> zeros(const TypingContext&);
std::vector<Type> take(const TypingContext&);
std::vector<Type> slice(const TypingContext&);
std::vector<Type> affine(const TypingContext&);
std::vector<Type> gate(const TypingContext&);
std::vector<Type> subtract(const TypingContext&);
std::vector<Type> add(const TypingContext&);
std::vector<Type> to_fix(const TypingContext&);
std::vector<Type> to_f32(const TypingContext&);
std::vector<Type> message(const TypingContext&);
std::vector<Type> majority(const TypingContext&);
std::vector<Type> aggregate(const TypingContext&);
std::vector<Type> threshold(const TypingContext&);
std::vector<Type> update(const TypingContext&);
std::vector<Type> error(const TypingContext&);
std::vector<Type> correlate(const TypingContext&);
std::vector<Type> apply(const TypingContext&);
std::vector<Type> advance(const TypingContext&);
std::vector<Type> hits(const TypingContext&);
std::vector<Type> scan(const TypingContext&);
std::vector<Type> loop(const TypingContext&);
std::vector<Type> fuse(const TypingContext&);
std::vector<Type> probe(const TypingContext&);
std::vector<Type> ret(const TypingContext&);
/// yield: any values; what they must be is a matter of the op whose body ends.
std::vector<Type> none(const TypingContext&);

/// Whether every value of `inner` is one of `outer`: same shape, and pm1 within tern within f32, two within f32.
bool is_subtype(const Type& inner, const Type& outer);

}  // namespace relaxon::typing
