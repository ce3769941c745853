#include "core/math.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cfenv>
#include <cmath>
#include <limits>
#include <vector>

using namespace relaxon;

namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();
constexpr float smallest_normal = std::numeric_limits<float>::min();

/// The distance of `got` from the exact value, in units of the last place of a float32 of that size.
double error_in_ulp(float got, double exact) {
  int exponent = 0;
  std::frexp(exact, &exponent);
  return std::fabs(static_cast<double>(got) - exact) / std::ldexp(1.0, exponent - 24);
}

/// The largest error over every 1009th float of both signs in [lo, hi], where the result is normal.
template <class Function, class Exact>
double largest_error(Function function, Exact exact, float lo, float hi) {
  double largest = 0;
  for (std::uint32_t bits = 0; bits < 0x7f800000u; bits += 1009) {
    for (const std::uint32_t sign : {0u, 0x80000000u}) {
      const float x = std::bit_cast<float>(bits | sign);
      if (!(lo <= x && x <= hi)) continue;
      const double expected = exact(static_cast<double>(x));
      if (std::fabs(expected) < static_cast<double>(smallest_normal)) continue;
      largest = std::max(largest, error_in_ulp(function(x), expected));
    }
  }
  return largest;
}

}  // namespace

TEST_CASE("exp, tanh and log1p are within two units of the last place", "[math]") {
  CHECK(largest_error(
            exp_f32, [](double x) { return std::exp(x); }, -87.33654f, 88.72283f) < 1.5);
  CHECK(largest_error(
            tanh_f32, [](double x) { return std::tanh(x); }, -infinity, infinity) < 1.5);
  CHECK(largest_error(
            log1p_f32, [](double x) { return std::log1p(x); }, -1.0f, infinity) < 1.5);
}

TEST_CASE("elementary functions are odd where they should be and exact at the ends", "[math]") {
  CHECK(exp_f32(0.0f) == 1.0f);
  CHECK(exp_f32(88.73f) == infinity);
  CHECK(exp_f32(infinity) == infinity);
  CHECK(exp_f32(-87.34f) == 0.0f);
  CHECK(exp_f32(-infinity) == 0.0f);
  CHECK(exp_f32(-87.33654f) >= smallest_normal);
  CHECK(std::isnan(exp_f32(not_a_number)));

  CHECK(tanh_f32(0.0f) == 0.0f);
  CHECK(std::signbit(tanh_f32(-0.0f)));
  CHECK(tanh_f32(9.5f) == 1.0f);
  CHECK(tanh_f32(-infinity) == -1.0f);
  CHECK(tanh_f32(-0.7f) == -tanh_f32(0.7f));
  CHECK(std::isnan(tanh_f32(not_a_number)));

  CHECK(log1p_f32(0.0f) == 0.0f);
  CHECK(log1p_f32(-1.0f) == -infinity);
  CHECK(std::isnan(log1p_f32(-1.5f)));
  CHECK(log1p_f32(infinity) == infinity);
  CHECK(std::isnan(log1p_f32(not_a_number)));
}

TEST_CASE("elementary functions have the same bits on every target", "[math]") {
  CHECK(exp_f32(-20.5f) == 0x1.57a3bp-30f);
  CHECK(exp_f32(0.1f) == 0x1.1aec7cp+0f);
  CHECK(exp_f32(87.25f) == 0x1.d58d6ap+125f);
  CHECK(tanh_f32(0.01f) == 0x1.47ab48p-7f);
  CHECK(tanh_f32(0.7f) == 0x1.356fb2p-1f);
  CHECK(tanh_f32(-3.0f) == -0x1.fd77d2p-1f);
  CHECK(log1p_f32(-0.999f) == -0x1.ba18ep+2f);
  CHECK(log1p_f32(1e-4f) == 0x1.a368dp-14f);
  CHECK(log1p_f32(1e9f) == 0x1.4b928p+4f);
  CHECK(erfinv_f32(0.3f) == 0x1.17007ap-2f);
  CHECK(erfinv_f32(0.9999f) == 0x1.6021a6p+1f);
}

TEST_CASE("erfinv inverts erf, centrally and in the tail", "[math]") {
  for (const float x : {1e-6f, 0.01f, 0.3f, 0.9f, 0.99f, 0.999f, 0.99999f}) {
    CAPTURE(x);
    CHECK(std::erf(static_cast<double>(erfinv_f32(x))) == Approx(x).epsilon(1e-6));
    CHECK(erfinv_f32(-x) == -erfinv_f32(x));
  }
}

TEST_CASE("is_finite sees infinities and NaN anywhere", "[math]") {
  CHECK(is_finite(std::numeric_limits<float>::max()));
  CHECK_FALSE(is_finite(-infinity));
  CHECK_FALSE(is_finite(not_a_number));
  std::vector<float> values(37, 1.0f);
  CHECK(is_finite(std::span<const float>()));
  CHECK(is_finite(values));
  values[36] = not_a_number;
  CHECK_FALSE(is_finite(values));
}

#if defined(__x86_64__)

TEST_CASE("FlushToZero drops subnormals and gives the caller's mode back", "[math]") {
  volatile float tiny = smallest_normal, half = -0.5f, subnormal = smallest_normal / 4;
  volatile float result = tiny * half;
  REQUIRE(result == -smallest_normal / 2);
  {
    const FlushToZero outer;
    {
      const FlushToZero inner;
      result = tiny * half;
      CHECK(result == 0.0f);
      CHECK(std::signbit(result));
      result = subnormal * 1e30f;
      CHECK(result == 0.0f);
    }
    result = tiny * half;
    CHECK(result == 0.0f);
  }
  result = tiny * half;
  CHECK(result == -smallest_normal / 2);
}

TEST_CASE("FlushToZero leaves the rounding mode alone", "[math]") {
  REQUIRE(std::fesetround(FE_UPWARD) == 0);
  {
    const FlushToZero flush;
    CHECK(std::fegetround() == FE_UPWARD);
  }
  CHECK(std::fegetround() == FE_UPWARD);
  std::fesetround(FE_TONEAREST);
}

#endif
