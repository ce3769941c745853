// Building blocks of generated functions: loops with carried values, registers of lanes, subsets of lanes.
//
// Vectors are emitted as such; nothing is left to LLVM's vectorizers, which don't run. No operation carries
// fast-math or contraction flags.
#pragma once

#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/Module.h>

#include <cstdint>
#include <functional>
#include <vector>

#include "runtime/kernels/kernels.hpp"

namespace relaxon::jit {

using V = llvm::Value*;
using Values = std::vector<V>;

/// Numbers as integers, and the lanes, as bits, whose number doesn't stay below a limit in magnitude.
struct Converted {
  V integers, misfits;
};

class Emitter {
 public:
  /// Starts the body of `function`, which is called as jit::Function.
  Emitter(llvm::Function& function, Isa isa);

  const Isa isa;
  llvm::IRBuilder<> b;
  llvm::Type *i8, *i16, *i32, *i64, *f32, *pointer;
  V batch, begin, end;
  V panels;  // of the batch

  /// One of the function's operands.
  V operand(unsigned index);
  void finish(V result) { b.CreateRet(result); }

  // Numbers.
  V number(std::int64_t value) { return b.getInt64(static_cast<std::uint64_t>(value)); }
  V word(std::int64_t value) { return b.getInt32(static_cast<std::uint32_t>(value)); }
  V real(float value);
  /// a * constant + c, on 64 bits.
  V scaled(V a, std::int64_t factor, V plus = nullptr);
  V widened(V x) { return b.CreateSExt(x, i64); }
  V smaller(V a, V c) { return b.CreateSelect(b.CreateICmpSLT(a, c), a, c); }

  // Memory: `index` counts elements of `type`.
  V at(llvm::Type* type, V base, V index) { return b.CreateGEP(type, base, index); }
  V load(llvm::Type* type, V base, V index) { return load(type, at(type, base, index)); }
  V load(llvm::Type* type, V from) { return b.CreateAlignedLoad(type, from, aligned(type)); }
  void store(V value, V to) { b.CreateAlignedStore(value, to, aligned(value->getType())); }
  /// `width` elements of a type that start at base[index].
  V load_vector(llvm::Type* type, unsigned width, V base, V index);
  V load_where(llvm::Type* type, V mask, V base, V index);
  void store_where(V value, V mask, V base, V index);
  /// `width` elements base[index] .. of a row whose elements i .. those are, and which ends after `count`:
  /// what lies behind its end is 0, and isn't touched.
  V load_block(llvm::Type* type, unsigned width, V base, V index, V i, std::int64_t count);
  /// The same the other way: what lies behind the end of the row isn't written.
  void store_block(V value, V base, V index, V i, std::int64_t count);
  /// Memory of the call's own, 0 at first, aligned as registers are.
  V scratch(llvm::Type* type, unsigned count);
  /// The same with anything in it.
  V memory(llvm::Type* type, unsigned count);

  // Registers.
  llvm::FixedVectorType* vector(llvm::Type* type, unsigned width) {
    return llvm::FixedVectorType::get(type, width);
  }
  V splat(V scalar, unsigned width) { return b.CreateVectorSplat(width, scalar); }
  V zeros(llvm::Type* type, unsigned width) { return llvm::Constant::getNullValue(vector(type, width)); }
  /// Element l of row i as element i of row l, of sixteen rows of sixteen.
  Values transposed(Values rows);
  /// 0, 1, .. width - 1, as 32-bit words.
  V iota(unsigned width);
  V fma(V a, V x, V c);
  /// Asks for what will be read; the address need not be anybody's.
  void prefetch(V address);
  V square_root(V x);
  /// The larger of two floats; the second if one is NaN.
  V larger(V a, V c) { return b.CreateSelect(b.CreateFCmpOGT(a, c), a, c); }
  V larger_integer(V a, V c);
  V magnitude(V x);
  V popcount(V x);
  V bits_of(V x, llvm::Type* type) { return b.CreateBitCast(x, type); }
  /// To the nearest even integer, as 32-bit words; numbers beyond them give anything.
  V rounded(V x);
  /// Sixteen numbers as integers in units of 2^-bits.
  Converted converted(V x, int bits, float limit);
  /// sum + the products of four unsigned bytes of each word of u with four values in {-1, 0, 1} of v.
  V dot4(V sum, V u, V v);
  /// 32-bit words at base + index elements of `step`; 0 outside `mask`.
  V gather(llvm::Type* step, V base, V index, V mask);

  // Lanes of a panel.
  /// The `width` lanes from `first` on of a 16-bit mask.
  V lanes_of(V mask16, unsigned first = 0, unsigned width = 16);
  /// A mask of 16 lanes as 16 bits.
  V mask_of(V lanes) { return b.CreateBitCast(lanes, i16); }
  V add_where(V sum, V where, V x);
  V subtract_where(V sum, V where, V x);
  /// The lanes of a panel that hold samples, as 16 bits.
  V active_lanes(V panel);

  /// Stores the words of the lanes of `mask` (i1) side by side from base[count] on, where there is room for a
  /// register, and returns how many are there then.
  V append_where(V words, V mask, V base, V count);

  // Control.
  /// for (i = begin; i < end; i += step) carried = body(i, carried); what is carried in the end.
  Values loop(V from, V to, std::int64_t step, const Values& starts,
              const std::function<Values(V, const Values&)>& body);
  void loop(V from, V to, std::int64_t step, const std::function<void(V)>& body);
  /// The same for every bit that is set, lowest first: body(position, carried).
  Values for_each_bit(V bits, const Values& starts, const std::function<Values(V, const Values&)>& body);
  /// condition ? then() : otherwise
  Values when(V condition, const Values& otherwise, const std::function<Values()>& then);
  void when(V condition, const std::function<void()>& then);
  /// Returns `result` from the function if the condition holds.
  void return_if(V condition, V result);

 private:
  /// What a turn of repeat() leaves: where the next one starts, what is carried.
  struct Turn {
    V next;
    Values carried;
  };
  /// for (at = start; goes_on(at); at = next) {next, carried} = body(at, carried); what is carried in the
  /// end.
  Values repeat(const char* name, V start, const Values& starts, const std::function<V(V)>& goes_on,
                const std::function<Turn(V, const Values&)>& body);
  llvm::Align aligned(llvm::Type* type) const;

  llvm::Function& function_;
  V operands_;
};

}  // namespace relaxon::jit
