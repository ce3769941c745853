#include "runtime/jit/llvm/emitter.hpp"

#include <llvm/IR/Intrinsics.h>
#include <llvm/IR/IntrinsicsX86.h>

namespace relaxon::jit {
namespace {

llvm::BasicBlock* new_block(llvm::Function& function, const char* name) {
  return llvm::BasicBlock::Create(function.getContext(), name, &function);
}

unsigned width_of(V x) { return llvm::cast<llvm::FixedVectorType>(x->getType())->getNumElements(); }

/// Calls an intrinsic of the target, whose parameter types differ between versions of LLVM in nothing but how
/// they cut a register into elements.
V call_target(llvm::IRBuilder<>& b, llvm::Module& module, llvm::Intrinsic::ID id, const Values& arguments) {
  llvm::FunctionCallee callee = module.getOrInsertFunction(llvm::Intrinsic::getName(id),
                                                           llvm::Intrinsic::getType(module.getContext(), id));
  Values cast;
  for (std::size_t i = 0; i < arguments.size(); ++i)
    cast.push_back(
        b.CreateBitCast(arguments[i], callee.getFunctionType()->getParamType(static_cast<unsigned>(i))));
  return b.CreateCall(callee, cast);
}

/// Part `part` of `parts` equal ones.
V part_of(llvm::IRBuilder<>& b, V x, unsigned part, unsigned parts) {
  const unsigned width = width_of(x) / parts;
  std::vector<int> which(width);
  for (unsigned i = 0; i < width; ++i) which[i] = static_cast<int>(part * width + i);
  return b.CreateShuffleVector(x, which);
}

V joined(llvm::IRBuilder<>& b, Values parts) {
  while (parts.size() > 1) {
    Values pairs;
    const unsigned width = width_of(parts[0]);
    std::vector<int> which(2 * width);
    for (unsigned i = 0; i < 2 * width; ++i) which[i] = static_cast<int>(i);
    for (std::size_t i = 0; i < parts.size(); i += 2)
      pairs.push_back(b.CreateShuffleVector(parts[i], parts[i + 1], which));
    parts = pairs;
  }
  return parts[0];
}

/// Values that reach a block from two others.
class Phis {
 public:
  Phis(llvm::IRBuilder<>& b, const Values& values, llvm::BasicBlock* from) {
    for (V value : values) {
      phis_.push_back(b.CreatePHI(value->getType(), 2));
      phis_.back()->addIncoming(value, from);
    }
  }
  void add(const Values& values, llvm::BasicBlock* from) const {
    for (std::size_t k = 0; k < phis_.size(); ++k) phis_[k]->addIncoming(values[k], from);
  }
  Values values() const { return {phis_.begin(), phis_.end()}; }

 private:
  std::vector<llvm::PHINode*> phis_;
};

}  // namespace

Emitter::Emitter(llvm::Function& function, Isa target)
    : isa(target), b(function.getContext()), function_(function) {
  i8 = b.getInt8Ty();
  i16 = b.getInt16Ty();
  i32 = b.getInt32Ty();
  i64 = b.getInt64Ty();
  f32 = b.getFloatTy();
  pointer = b.getPtrTy();
  b.SetInsertPoint(new_block(function, "entry"));
  operands_ = function.getArg(0);
  batch = function.getArg(1);
  begin = function.getArg(2);
  end = function.getArg(3);
  panels = b.CreateLShr(b.CreateAdd(batch, number(lanes - 1)), number(4));
}

V Emitter::operand(unsigned index) { return load(pointer, operands_, number(index)); }

V Emitter::real(float value) { return llvm::ConstantFP::get(f32, static_cast<double>(value)); }

V Emitter::scaled(V a, std::int64_t factor, V plus) {
  V product = b.CreateMul(a, number(factor));
  return plus ? b.CreateAdd(product, plus) : product;
}

llvm::Align Emitter::aligned(llvm::Type* type) const {
  return llvm::Align(std::max<std::uint64_t>(
      1, type->getScalarType()->isPointerTy() ? sizeof(void*) : type->getScalarSizeInBits() / 8));
}

V Emitter::load_vector(llvm::Type* type, unsigned width, V base, V index) {
  return load(vector(type, width), at(type, base, index));
}

V Emitter::load_where(llvm::Type* type, V mask, V base, V index) {
  return b.CreateMaskedLoad(vector(type, width_of(mask)), at(type, base, index), aligned(type), mask,
                            zeros(type, width_of(mask)));
}

void Emitter::store_where(V value, V mask, V base, V index) {
  llvm::Type* type = value->getType()->getScalarType();
  b.CreateMaskedStore(value, at(type, base, index), aligned(type), mask);
}

V Emitter::load_block(llvm::Type* type, unsigned width, V base, V index, V i, std::int64_t count) {
  const std::int64_t rest = count % width;
  V from = at(type, base, index);
  const auto full = [&]() -> Values { return {load(vector(type, width), from)}; };
  const auto part = [&]() -> Values {
    V spare = scratch(type, width);
    b.CreateMemCpy(spare, llvm::Align(64), from, aligned(type),
                   static_cast<std::uint64_t>(rest) * type->getScalarSizeInBits() / 8);
    return {load(vector(type, width), spare)};
  };
  if (rest == 0) return full()[0];
  if (count < width) return part()[0];
  V whole = b.CreateICmpSLE(b.CreateAdd(i, number(width)), number(count));
  const Values loaded = when(whole, {zeros(type, width)}, full);
  return when(b.CreateNot(whole), loaded, part)[0];
}

void Emitter::store_block(V value, V base, V index, V i, std::int64_t count) {
  llvm::Type* type = value->getType()->getScalarType();
  const unsigned width = width_of(value);
  const std::int64_t rest = count % width;
  V to = at(type, base, index);
  const auto part = [&] {
    V spare = scratch(type, width);
    store(value, spare);
    b.CreateMemCpy(to, aligned(type), spare, llvm::Align(64),
                   static_cast<std::uint64_t>(rest) * type->getScalarSizeInBits() / 8);
  };
  if (rest == 0) return store(value, to);
  if (count < width) return part();
  V whole = b.CreateICmpSLE(b.CreateAdd(i, number(width)), number(count));
  when(whole, [&] { store(value, to); });
  when(b.CreateNot(whole), part);
}

V Emitter::memory(llvm::Type* type, unsigned count) {
  const llvm::IRBuilderBase::InsertPointGuard guard(b);
  b.SetInsertPoint(&function_.getEntryBlock(), function_.getEntryBlock().getFirstInsertionPt());
  llvm::AllocaInst* memory = b.CreateAlloca(llvm::ArrayType::get(type, count));
  memory->setAlignment(llvm::Align(64));
  return memory;
}

V Emitter::scratch(llvm::Type* type, unsigned count) {
  auto* memory = llvm::cast<llvm::AllocaInst>(this->memory(type, count));
  const llvm::IRBuilderBase::InsertPointGuard guard(b);
  b.SetInsertPoint(memory->getNextNode());
  const unsigned bytes = count * type->getScalarSizeInBits() / 8;
  for (unsigned done = 0; done < bytes; done += std::min(64u, bytes - done))
    b.CreateAlignedStore(zeros(i8, std::min(64u, bytes - done)), at(i8, memory, number(done)),
                         llvm::Align(32));
  return memory;
}

Values Emitter::transposed(Values rows) {
  const unsigned n = static_cast<unsigned>(rows.size());
  // Blocks of 1, 2, 4, 8 columns change places with those of as many rows.
  for (unsigned size = 1; size < n; size *= 2) {
    std::vector<int> upper(n), lower(n);
    for (unsigned l = 0; l < n; ++l) {
      upper[l] = static_cast<int>((l & size) == 0 ? l : n + l - size);
      lower[l] = static_cast<int>((l & size) == 0 ? l + size : n + l);
    }
    for (unsigned i = 0; i < n; ++i) {
      if ((i & size) != 0) continue;
      V first = rows[i], second = rows[i + size];
      rows[i] = b.CreateShuffleVector(first, second, upper);
      rows[i + size] = b.CreateShuffleVector(first, second, lower);
    }
  }
  return rows;
}

V Emitter::iota(unsigned width) {
  std::vector<std::uint32_t> values(width);
  for (unsigned i = 0; i < width; ++i) values[i] = i;
  return llvm::ConstantDataVector::get(b.getContext(), values);
}

V Emitter::fma(V a, V x, V c) { return b.CreateIntrinsic(a->getType(), llvm::Intrinsic::fma, {a, x, c}); }

void Emitter::prefetch(V address) {
  constexpr int read = 0, keep = 3, data = 1;
  b.CreateIntrinsic(b.getVoidTy(), llvm::Intrinsic::prefetch, {address, word(read), word(keep), word(data)});
}

V Emitter::square_root(V x) { return b.CreateUnaryIntrinsic(llvm::Intrinsic::sqrt, x); }

V Emitter::larger_integer(V a, V c) { return b.CreateBinaryIntrinsic(llvm::Intrinsic::smax, a, c); }

V Emitter::magnitude(V x) {
  llvm::Type* words = vector(i32, width_of(x));
  V bits = b.CreateAnd(b.CreateBitCast(x, words), splat(word(0x7fffffff), width_of(x)));
  return b.CreateBitCast(bits, x->getType());
}

V Emitter::popcount(V x) { return b.CreateUnaryIntrinsic(llvm::Intrinsic::ctpop, x); }

Converted Emitter::converted(V x, int bits, float limit) {
  const unsigned width = width_of(x);
  V scaled = b.CreateFMul(x, splat(real(static_cast<float>(std::int64_t{1} << bits)), width));
  return {rounded(scaled), mask_of(b.CreateFCmpUGE(magnitude(scaled), splat(real(limit), width)))};
}

V Emitter::rounded(V x) {
  const unsigned width = width_of(x);
  llvm::Module& module = *function_.getParent();
  if (isa == Isa::avx512 && width == 16) {
    return call_target(b, module, llvm::Intrinsic::x86_avx512_mask_cvtps2dq_512,
                       {x, zeros(i32, 16), b.getInt16(0xffff), word(4)});
  }
  const bool wide = isa != Isa::x86_64;
  const unsigned parts = width / (wide ? 8 : 4);
  Values results;
  for (unsigned part = 0; part < parts; ++part) {
    results.push_back(call_target(
        b, module, wide ? llvm::Intrinsic::x86_avx_cvt_ps2dq_256 : llvm::Intrinsic::x86_sse2_cvtps2dq,
        {part_of(b, x, part, parts)}));
  }
  return joined(b, results);
}

V Emitter::dot4(V sum, V u, V v) {
  llvm::Module& module = *function_.getParent();
  if (isa == Isa::avx512)
    return call_target(b, module, llvm::Intrinsic::x86_avx512_vpdpbusd_512, {sum, u, v});
  // Two products of a byte with -1, 0 or 1 never saturate 16 bits.
  const unsigned parts = width_of(sum) / 8;
  V ones = splat(b.getInt16(1), 16);
  Values sums;
  for (unsigned part = 0; part < parts; ++part) {
    V pairs = call_target(b, module, llvm::Intrinsic::x86_avx2_pmadd_ub_sw,
                          {part_of(b, u, part, parts), part_of(b, v, part, parts)});
    sums.push_back(call_target(b, module, llvm::Intrinsic::x86_avx2_pmadd_wd, {pairs, ones}));
  }
  return b.CreateAdd(sum, joined(b, sums));
}

V Emitter::gather(llvm::Type* step, V base, V index, V mask) {
  const unsigned width = width_of(index);
  return b.CreateMaskedGather(vector(i32, width), b.CreateGEP(step, base, index), llvm::Align(1), mask,
                              zeros(i32, width));
}

V Emitter::lanes_of(V mask16, unsigned first, unsigned width) {
  if (isa == Isa::avx512) {
    V part = first == 0 ? mask16 : b.CreateLShr(mask16, first);
    return b.CreateBitCast(b.CreateTrunc(part, b.getIntNTy(width)), vector(b.getInt1Ty(), width));
  }
  V spread = splat(b.CreateZExt(mask16, i32), width);
  std::vector<std::uint32_t> own(width);
  for (unsigned i = 0; i < width; ++i) own[i] = 1u << (first + i);
  V bits = llvm::ConstantDataVector::get(b.getContext(), own);
  return b.CreateICmpEQ(b.CreateAnd(spread, bits), bits);
}

V Emitter::add_where(V sum, V where, V x) {
  if (isa == Isa::avx512) return b.CreateSelect(where, b.CreateAdd(sum, x), sum);
  return b.CreateAdd(sum, b.CreateAnd(x, b.CreateSExt(where, x->getType())));
}

V Emitter::subtract_where(V sum, V where, V x) {
  if (isa == Isa::avx512) return b.CreateSelect(where, b.CreateSub(sum, x), sum);
  return b.CreateSub(sum, b.CreateAnd(x, b.CreateSExt(where, x->getType())));
}

V Emitter::active_lanes(V panel) {
  V left = smaller(b.CreateSub(batch, scaled(panel, lanes)), number(lanes));
  V bits = b.CreateSub(b.CreateShl(word(1), b.CreateTrunc(left, i32)), word(1));
  return b.CreateTrunc(bits, i16);
}

V Emitter::append_where(V words, V mask, V base, V count) {
  auto* type = llvm::cast<llvm::FixedVectorType>(words->getType());
  V bits = b.CreateBitCast(mask, b.getIntNTy(type->getNumElements()));
  if (isa == Isa::avx512) {
    V packed = b.CreateIntrinsic(llvm::Intrinsic::x86_avx512_mask_compress, {type},
                                 {words, llvm::Constant::getNullValue(type), mask});
    b.CreateAlignedStore(packed, at(i32, base, count), llvm::Align(4));
    return b.CreateAdd(count, b.CreateZExt(popcount(bits), i64));
  }
  return for_each_bit(bits, {count}, [&](V lane, const Values& carried) -> Values {
    store(b.CreateExtractElement(words, lane), at(i32, base, carried[0]));
    return {b.CreateAdd(carried[0], number(1))};
  })[0];
}

Values Emitter::repeat(const char* name, V start, const Values& starts, const std::function<V(V)>& goes_on,
                       const std::function<Turn(V, const Values&)>& body) {
  llvm::BasicBlock* before = b.GetInsertBlock();
  llvm::BasicBlock* head = new_block(function_, name);
  llvm::BasicBlock* after = new_block(function_, "after");
  b.CreateCondBr(goes_on(start), head, after);
  b.SetInsertPoint(head);
  llvm::PHINode* at = b.CreatePHI(start->getType(), 2);
  at->addIncoming(start, before);
  const Phis carried(b, starts, before);
  const Turn turn = body(at, carried.values());
  llvm::BasicBlock* last = b.GetInsertBlock();
  at->addIncoming(turn.next, last);
  carried.add(turn.carried, last);
  b.CreateCondBr(goes_on(turn.next), head, after);
  b.SetInsertPoint(after);
  const Phis results(b, starts, before);
  results.add(turn.carried, last);
  return results.values();
}

Values Emitter::loop(V from, V to, std::int64_t step, const Values& starts,
                     const std::function<Values(V, const Values&)>& body) {
  return repeat(
      "loop", from, starts, [&](V i) { return b.CreateICmpSLT(i, to); },
      [&](V i, const Values& carried) -> Turn {
        Values next = body(i, carried);
        return {b.CreateAdd(i, number(step)), std::move(next)};
      });
}

void Emitter::loop(V from, V to, std::int64_t step, const std::function<void(V)>& body) {
  loop(from, to, step, {}, [&](V i, const Values&) -> Values {
    body(i);
    return {};
  });
}

Values Emitter::for_each_bit(V bits, const Values& starts,
                             const std::function<Values(V, const Values&)>& body) {
  llvm::Constant* none = llvm::Constant::getNullValue(bits->getType());
  return repeat(
      "bit", bits, starts, [&](V left) { return b.CreateICmpNE(left, none); },
      [&](V left, const Values& carried) -> Turn {
        V position = b.CreateBinaryIntrinsic(llvm::Intrinsic::cttz, left, b.getTrue());
        Values next = body(b.CreateZExt(position, i64), carried);
        V lower = b.CreateSub(left, llvm::ConstantInt::get(bits->getType(), 1));
        return {b.CreateAnd(left, lower), std::move(next)};
      });
}

Values Emitter::when(V condition, const Values& otherwise, const std::function<Values()>& then) {
  llvm::BasicBlock* before = b.GetInsertBlock();
  llvm::BasicBlock* inside = new_block(function_, "then");
  llvm::BasicBlock* after = new_block(function_, "after");
  b.CreateCondBr(condition, inside, after);
  b.SetInsertPoint(inside);
  const Values given = then();
  llvm::BasicBlock* last = b.GetInsertBlock();
  b.CreateBr(after);
  b.SetInsertPoint(after);
  const Phis results(b, otherwise, before);
  results.add(given, last);
  return results.values();
}

void Emitter::when(V condition, const std::function<void()>& then) {
  when(condition, {}, [&]() -> Values {
    then();
    return {};
  });
}

void Emitter::return_if(V condition, V result) {
  llvm::BasicBlock* leave = new_block(function_, "leave");
  llvm::BasicBlock* after = new_block(function_, "after");
  b.CreateCondBr(condition, leave, after);
  b.SetInsertPoint(leave);
  b.CreateRet(result);
  b.SetInsertPoint(after);
}

}  // namespace relaxon::jit
