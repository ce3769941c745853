// One register of lanes and the operations the kernels need of it, for the instruction set that the including
// source is compiled for.
//
// Everything has internal linkage: every table compiles its own copy, and the linker can't pick another's.
// Sums are taken in unsigned types, because fields wrap.
#pragma once

#include <immintrin.h>

#include <cstdint>
#include <type_traits>

#include "runtime/kernels/kernels.hpp"

namespace relaxon {
namespace {

#if defined(__AVX512F__)
constexpr int register_bytes = 64;
constexpr int registers = 32;
#elif defined(__AVX2__)
constexpr int register_bytes = 32;
constexpr int registers = 16;
#else
constexpr int register_bytes = 16;
constexpr int registers = 16;
#endif

template <class T>
struct VectorOf {
  typedef T type __attribute__((vector_size(register_bytes)));
};
template <class T>
using Vector = typename VectorOf<T>::type;
using Floats = Vector<float>;
using Ints = Vector<std::int32_t>;
using Words = Vector<std::uint32_t>;
/// Sums of fields of type T.
template <class T>
using Field = Vector<std::make_unsigned_t<T>>;

template <class T>
constexpr int width = register_bytes / static_cast<int>(sizeof(T));
/// Registers that hold one number for every lane of a panel.
template <class T>
constexpr int strips = static_cast<int>(lanes) / width<T>;
/// Floats and 32-bit integers in a register.
constexpr int words = width<float>;

/// Panels that share what a message through a sparse weight loads of a connection: as many as there are
/// registers for their sums.
constexpr int panels_together = registers >= 32 ? 2 : 1;

template <class T>
[[gnu::always_inline]] inline Vector<T> load(const void* from) {
  Vector<T> v;
  __builtin_memcpy(&v, from, sizeof v);
  return v;
}
/// The same kept in a register: not read again by each who uses it.
template <class T>
[[gnu::always_inline]] inline Vector<T> read_once(const T* from) {
  Vector<T> v = load<T>(from);
#if defined(__AVX512F__)
  asm("" : "+v"(v));
#else
  asm("" : "+x"(v));
#endif
  return v;
}
/// Stores into an array of V's elements. Not by memcpy: the compiler would take every pointer and size that a
/// loop reads for overwritten.
template <class V>
[[gnu::always_inline]] inline void store(void* to, V v) {
  using T = std::remove_cvref_t<decltype(v[0])>;
  typedef T Unaligned __attribute__((vector_size(sizeof(V)), aligned(alignof(T))));
  *static_cast<Unaligned*>(to) = v;
}
template <class T>
[[gnu::always_inline]] inline Vector<T> broadcast(T x) {
  return x - Vector<T>{};
}
template <>
[[gnu::always_inline]] inline Floats broadcast(float x) {
#if defined(__AVX512F__)
  return _mm512_set1_ps(x);
#elif defined(__AVX2__)
  return _mm256_set1_ps(x);
#else
  return _mm_set1_ps(x);
#endif
}

/// The first `count` < words entries, the others 0; nothing behind them is touched.
template <class T>
[[gnu::always_inline]] inline Vector<T> load_first(const T* from, int count) {
  static_assert(sizeof(T) == 4);
#if defined(__AVX512F__)
  return (Vector<T>)_mm512_maskz_loadu_epi32(static_cast<__mmask16>((1u << count) - 1u), from);
#else
  Vector<T> v{};
  for (int i = 0; i < count; ++i) v[i] = from[i];
  return v;
#endif
}
template <class T>
[[gnu::always_inline]] inline void store_first(T* to, Vector<T> v, int count) {
  static_assert(sizeof(T) == 4);
#if defined(__AVX512F__)
  _mm512_mask_storeu_epi32(to, static_cast<__mmask16>((1u << count) - 1u), (__m512i)v);
#else
  for (int i = 0; i < count; ++i) to[i] = v[i];
#endif
}

// A subset of a register's lanes.
#if defined(__AVX512F__)

template <class V>
using LaneSet = std::conditional_t<sizeof(V) == 16 * sizeof(V{}[0]), __mmask16, __mmask8>;
/// Lanes whose bit is set, of bits counted from the register's first lane.
template <class V>
[[gnu::always_inline]] inline LaneSet<V> lanes_of(unsigned bits) {
  return static_cast<LaneSet<V>>(bits);
}
[[gnu::always_inline]] inline Words add_where(Words sum, __mmask16 where, Words x) {
  return (Words)_mm512_mask_add_epi32((__m512i)sum, where, (__m512i)sum, (__m512i)x);
}
[[gnu::always_inline]] inline Vector<std::uint64_t> add_where(Vector<std::uint64_t> sum, __mmask8 where,
                                                              Vector<std::uint64_t> x) {
  return (Vector<std::uint64_t>)_mm512_mask_add_epi64((__m512i)sum, where, (__m512i)sum, (__m512i)x);
}
[[gnu::always_inline]] inline Floats select(__mmask16 where, Floats a, Floats b) {
  return _mm512_mask_blend_ps(where, b, a);
}

#else

template <class V>
using LaneSet = V;
template <class V>
[[gnu::always_inline]] inline V lanes_of(unsigned bits) {
  V own;
  for (int i = 0; i < static_cast<int>(sizeof(V) / sizeof(own[0])); ++i) own[i] = 1u << i;
  return (V)(((V{} + bits) & own) == own);
}
template <class V>
[[gnu::always_inline]] inline V add_where(V sum, V where, V x) {
  return sum + (x & where);
}
[[gnu::always_inline]] inline Floats select(Words where, Floats a, Floats b) {
  return (Floats)(((Words)a & where) | ((Words)b & ~where));
}

#endif

/// The lanes of strip `strip` of a panel's mask.
template <class V>
[[gnu::always_inline]] inline LaneSet<V> strip_of(unsigned mask, int strip) {
  return lanes_of<V>(mask >> (strip * static_cast<int>(sizeof(V) / sizeof(V{}[0]))));
}

#if defined(__AVX512F__)

/// A mask as a number. In a general register at once: g++ 12 may spill the mask as a byte and read back a
/// word.
[[gnu::always_inline]] inline unsigned bits_of(unsigned lanes) {
  asm("" : "+r"(lanes));
  return lanes;
}
[[gnu::always_inline]] inline unsigned sign_bits(Words x) {
  return bits_of(_mm512_movepi32_mask((__m512i)x));
}
[[gnu::always_inline]] inline unsigned sign_bits(Vector<std::uint64_t> x) {
  return bits_of(_mm512_movepi64_mask((__m512i)x));
}
/// The last of each two neighbours in x, then in y.
template <class Part>
[[gnu::always_inline]] inline Words last_of_pairs(Words x, Words y) {
  typedef Part Parts __attribute__((vector_size(register_bytes)));
  return [&]<std::size_t... i>(std::index_sequence<i...>) __attribute__((always_inline)) {
    return (Words)__builtin_shuffle((Parts)x, (Parts)y, Parts{static_cast<Part>(2 * i + 1)...});
  }
  (std::make_index_sequence<register_bytes / sizeof(Part)>());
}
/// Sign bits of four registers one after the other: of words, of the halves that hold them, of their halves.
[[gnu::always_inline]] inline std::uint64_t sign_bits(Words a, Words b, Words c, Words d) {
  const Words halves = last_of_pairs<std::uint16_t>(a, b), others = last_of_pairs<std::uint16_t>(c, d);
  return _mm512_movepi8_mask((__m512i)last_of_pairs<std::uint8_t>(halves, others));
}
[[gnu::always_inline]] inline unsigned at_most(Ints a, Ints b) {
  return bits_of(_mm512_cmple_epi32_mask((__m512i)a, (__m512i)b));
}
[[gnu::always_inline]] inline unsigned at_most(Vector<std::int64_t> a, Vector<std::int64_t> b) {
  return bits_of(_mm512_cmple_epi64_mask((__m512i)a, (__m512i)b));
}
[[gnu::always_inline]] inline unsigned at_most(Floats a, Floats b) {
  return bits_of(_mm512_cmp_ps_mask(a, b, _CMP_LE_OQ));
}
[[gnu::always_inline]] inline unsigned below(Floats a, Floats b) {
  return bits_of(_mm512_cmp_ps_mask(a, b, _CMP_LT_OQ));
}
[[gnu::always_inline]] inline __mmask16 is_zero(Floats a) {
  return _mm512_cmp_ps_mask(a, Floats{}, _CMP_EQ_OQ);
}
[[gnu::always_inline]] inline __mmask16 is_not_zero(Floats a) {
  return _mm512_cmp_ps_mask(a, Floats{}, _CMP_NEQ_UQ);
}
[[gnu::always_inline]] inline Floats fma(Floats a, Floats b, Floats c) { return _mm512_fmadd_ps(a, b, c); }
/// fma(a, b, c) in the lanes `where`, else c.
[[gnu::always_inline]] inline Floats fma_where(__mmask16 where, Floats a, Floats b, Floats c) {
  return _mm512_mask3_fmadd_ps(a, b, c, where);
}
[[gnu::always_inline]] inline Floats square_root(Floats x) { return _mm512_sqrt_ps(x); }
[[gnu::always_inline]] inline Floats larger(Floats a, Floats b) { return _mm512_max_ps(a, b); }
[[gnu::always_inline]] inline Ints larger(Ints a, Ints b) {
  return (Ints)_mm512_max_epi32((__m512i)a, (__m512i)b);
}
[[gnu::always_inline]] inline Ints smaller(Ints a, Ints b) {
  return (Ints)_mm512_min_epi32((__m512i)a, (__m512i)b);
}
[[gnu::always_inline]] inline __mmask16 equal(Ints a, Ints b) {
  return _mm512_cmpeq_epi32_mask((__m512i)a, (__m512i)b);
}
[[gnu::always_inline]] inline __mmask16 differing(Ints a, Ints b) {
  return _mm512_cmpneq_epi32_mask((__m512i)a, (__m512i)b);
}
/// To the nearest even integer.
[[gnu::always_inline]] inline Ints rounded(Floats x) { return (Ints)_mm512_cvtps_epi32(x); }
/// Set bits of every mask; x holds a mask a word.
[[gnu::always_inline]] inline Words popcount(Words x) { return (Words)_mm512_popcnt_epi32((__m512i)x); }
/// Sixteen-bit masks as 32-bit words.
[[gnu::always_inline]] inline Words widen(const void* masks) {
  return (Words)_mm512_cvtepu16_epi32(_mm256_loadu_si256(static_cast<const __m256i*>(masks)));
}
/// sum + the products of four unsigned bytes of `u` with four values in {-1, 0, 1} of `v`, in every word.
[[gnu::always_inline]] inline Words dot4(Words sum, Words u, Words v) {
  return (Words)_mm512_dpbusd_epi32((__m512i)sum, (__m512i)u, (__m512i)v);
}
/// A register's count of bytes, as numbers.
[[gnu::always_inline]] inline Floats bytes_to_floats(const std::uint8_t* x) {
  return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(x))));
}

#else

template <class V>
[[gnu::always_inline]] inline unsigned sign_bits(V x) {
  constexpr bool wide = sizeof(x[0]) == 8;
#if defined(__AVX2__)
  if constexpr (wide) return static_cast<unsigned>(_mm256_movemask_pd((__m256d)x));
  return static_cast<unsigned>(_mm256_movemask_ps((__m256)x));
#else
  if constexpr (wide) return static_cast<unsigned>(_mm_movemask_pd((__m128d)x));
  return static_cast<unsigned>(_mm_movemask_ps((__m128)x));
#endif
}
template <class V>
[[gnu::always_inline]] inline unsigned at_most(V a, V b) {
  return sign_bits(a <= b);
}
[[gnu::always_inline]] inline unsigned below(Floats a, Floats b) { return sign_bits(a < b); }
[[gnu::always_inline]] inline Words is_zero(Floats a) { return (Words)(a == Floats{}); }
[[gnu::always_inline]] inline Words popcount(Words x) {
  x = x - ((x >> 1) & 0x55555555u);
  x = (x & 0x33333333u) + ((x >> 2) & 0x33333333u);
  x = (x + (x >> 4)) & 0x0f0f0f0fu;
  x = x + (x >> 8);
  return (x + (x >> 16)) & 0x3fu;
}
[[gnu::always_inline]] inline Ints larger(Ints a, Ints b) { return a > b ? a : b; }
[[gnu::always_inline]] inline Ints smaller(Ints a, Ints b) { return a < b ? a : b; }
[[gnu::always_inline]] inline Words equal(Ints a, Ints b) { return (Words)(a == b); }
[[gnu::always_inline]] inline Words differing(Ints a, Ints b) { return (Words)(a != b); }

#if defined(__AVX2__)

[[gnu::always_inline]] inline Floats fma(Floats a, Floats b, Floats c) { return _mm256_fmadd_ps(a, b, c); }
[[gnu::always_inline]] inline Floats square_root(Floats x) { return _mm256_sqrt_ps(x); }
[[gnu::always_inline]] inline Floats larger(Floats a, Floats b) { return _mm256_max_ps(a, b); }
[[gnu::always_inline]] inline Ints rounded(Floats x) { return (Ints)_mm256_cvtps_epi32(x); }
[[gnu::always_inline]] inline Words widen(const void* masks) {
  return (Words)_mm256_cvtepu16_epi32(_mm_loadu_si128(static_cast<const __m128i*>(masks)));
}
[[gnu::always_inline]] inline Words dot4(Words sum, Words u, Words v) {
  // Two products of a byte with -1, 0 or 1 never saturate 16 bits.
  const __m256i pairs = _mm256_maddubs_epi16((__m256i)u, (__m256i)v);
  return sum + (Words)_mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
}
[[gnu::always_inline]] inline Floats bytes_to_floats(const std::uint8_t* x) {
  return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(x))));
}

#else

[[gnu::always_inline]] inline Floats fma(Floats a, Floats b, Floats c) {
  Floats result;
  for (int i = 0; i < words; ++i) result[i] = __builtin_fmaf(a[i], b[i], c[i]);
  return result;
}
[[gnu::always_inline]] inline Floats square_root(Floats x) { return _mm_sqrt_ps(x); }
[[gnu::always_inline]] inline Floats larger(Floats a, Floats b) { return _mm_max_ps(a, b); }
[[gnu::always_inline]] inline Ints rounded(Floats x) { return (Ints)_mm_cvtps_epi32(x); }
[[gnu::always_inline]] inline Words widen(const void* masks) {
  const __m128i narrow = _mm_loadl_epi64(static_cast<const __m128i*>(masks));
  return (Words)_mm_unpacklo_epi16(narrow, _mm_setzero_si128());
}
[[gnu::always_inline]] inline Words dot4(Words sum, Words u, Words v) {
  const Ints a = (Ints)u, b = (Ints)v;
  Ints products{};
  for (int byte = 0; byte < 4; ++byte) {
    // A byte of 0 or 255 and a sign: the 16-bit product stands in the low half, its sign in the high one.
    const Ints x = (a >> (8 * byte)) & 0xff;
    const Ints y = (b << (24 - 8 * byte)) >> 24;
    products += (Ints)_mm_madd_epi16((__m128i)x, (__m128i)y);
  }
  return sum + (Words)products;
}
[[gnu::always_inline]] inline Floats bytes_to_floats(const std::uint8_t* x) {
  return Floats{float(x[0]), float(x[1]), float(x[2]), float(x[3])};
}

#endif
#endif

/// Writes first + i for each lane i of `which` (0 or all bits); up to a register is written. Returns how
/// many.
[[gnu::always_inline]] inline int list_lanes(Ints which, std::int32_t first, std::int32_t* to) {
#if defined(__AVX512F__)
  const __mmask16 set = _mm512_movepi32_mask((__m512i)which);
  const __m512i lane = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
  _mm512_storeu_si512(to, _mm512_maskz_compress_epi32(set, _mm512_add_epi32(lane, _mm512_set1_epi32(first))));
  return __builtin_popcount(set);
#else
  int count = 0;
  for (int lane = 0; lane < words; ++lane) {
    to[count] = first + lane;
    count -= which[lane];
  }
  return count;
#endif
}

#if !defined(__AVX512F__)
[[gnu::always_inline]] inline Words is_not_zero(Floats a) { return (Words)(a != Floats{}); }
[[gnu::always_inline]] inline Floats fma_where(Words where, Floats a, Floats b, Floats c) {
  return select(where, fma(a, b, c), c);
}
#endif

[[gnu::always_inline]] inline Floats magnitude(Floats x) { return (Floats)((Words)x & 0x7fffffffu); }
[[gnu::always_inline]] inline Floats to_floats(Words x) { return __builtin_convertvector((Ints)x, Floats); }

/// 2^exponent for -126 <= exponent <= 127.
[[gnu::always_inline]] inline float two_to(int exponent) {
  const std::int32_t bits = (exponent + 127) << 23;
  float result;
  __builtin_memcpy(&result, &bits, sizeof result);
  return result;
}

}  // namespace
}  // namespace relaxon
