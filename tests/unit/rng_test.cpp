#include "core/rng.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <numeric>

#include "core/error.hpp"

using namespace relaxon;
using Catch::Matchers::Equals;

namespace {

constexpr RngLayout layouts[] = {RngLayout::partitionable, RngLayout::original};

/// A draw put together from pieces of uneven length.
std::vector<std::uint32_t> bits_in_pieces(Key key, std::int64_t total, RngLayout layout) {
  std::vector<std::uint32_t> out(static_cast<std::size_t>(total));
  std::size_t begin = 0;
  for (std::size_t length = 1; begin < out.size(); length = 3 * length + 2) {
    const std::size_t n = std::min(length, out.size() - begin);
    fill_bits(key, total, static_cast<std::int64_t>(begin), std::span(out).subspan(begin, n), layout);
    begin += n;
  }
  return out;
}

std::vector<std::int32_t> sorted(std::vector<std::int32_t> values) {
  std::sort(values.begin(), values.end());
  return values;
}

std::vector<std::int32_t> ascending(std::size_t n) {
  std::vector<std::int32_t> values(n);
  std::iota(values.begin(), values.end(), 0);
  return values;
}

}  // namespace

TEST_CASE("Threefry gives the published known answers", "[rng]") {
  using Block = std::array<std::uint32_t, 2>;
  CHECK(threefry({0, 0}, {0, 0}) == Block{0x6b200159, 0x99ba4efe});
  CHECK(threefry({0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}) == Block{0x1cb996fc, 0xbb002be7});
  CHECK(threefry({0x13198a2e, 0x03707344}, {0x243f6a88, 0x85a308d3}) == Block{0xc4923a9c, 0x483df7a0});
}

TEST_CASE("keys come from 64-bit seeds", "[rng]") {
  CHECK(key_of(44) == Key{0, 44});
  CHECK(key_of(0x123456789abcdef0) == Key{0x12345678, 0x9abcdef0});
}

TEST_CASE("split gives each layout's children, one by one or all at once", "[rng]") {
  CHECK(split(key_of(44), 3, RngLayout::partitionable) ==
        std::vector<Key>{{0x2686e8d, 0xb454a11c}, {0x7f3dd50c, 0x86a5bb28}, {0x61930cfd, 0xdedf14a5}});
  CHECK(split(key_of(44), 3, RngLayout::original) ==
        std::vector<Key>{{0xf29b5560, 0x2336cde3}, {0x9177441e, 0x8e8bfdc0}, {0x925b9bb1, 0x5e43d7d6}});
  for (const RngLayout layout : layouts) {
    const std::vector<Key> children = split(key_of(7), 5, layout);
    for (std::int64_t i = 0; i < 5; ++i) {
      CHECK(child(key_of(7), 5, i, layout) == children[static_cast<std::size_t>(i)]);
    }
    CHECK(split(key_of(7), 0, layout).empty());
    CHECK_THROWS_AS(child(key_of(7), 5, 5, layout), InternalError);
  }
}

TEST_CASE("fold_in hashes the data under the key", "[rng]") {
  const auto block = threefry(key_of(3), {0, 0xfffffff0});
  CHECK(fold_in(key_of(3), 0xfffffff0) == Key{block[0], block[1]});
}

TEST_CASE("bits of the two layouts", "[rng]") {
  CHECK(bits(key_of(1), 7, RngLayout::partitionable) ==
        std::vector<std::uint32_t>{0x704a38b7, 0x88a4083e, 0x7227b57a, 0x703abff1, 0xe5b993a4, 0x8f1716bc,
                                   0xfbdfed74});
  CHECK(bits(key_of(1), 7, RngLayout::original) ==
        std::vector<std::uint32_t>{0x33d2ccad, 0xf65afb0e, 0xf963e72, 0xfc19a76f, 0xd66b5f09, 0xf227e79,
                                   0x5dd466d});
  CHECK(bits(key_of(1), 0, RngLayout::original).empty());
}

TEST_CASE("a draw is the same in pieces, element by element and as a whole", "[rng]") {
  for (const RngLayout layout : layouts) {
    for (const std::int64_t total : {1, 2, 3, 64, 4999, 5000, 20001}) {
      CAPTURE(static_cast<int>(layout), total);
      const std::vector<std::uint32_t> whole = bits(key_of(5), total, layout);
      CHECK(bits_in_pieces(key_of(5), total, layout) == whole);
      std::vector<std::int64_t> backwards(whole.size());
      std::iota(backwards.rbegin(), backwards.rend(), 0);
      std::vector<std::uint32_t> gathered(whole.size());
      gather_bits(key_of(5), total, backwards, gathered, layout);
      CHECK(std::equal(gathered.rbegin(), gathered.rend(), whole.begin()));
    }
  }
}

TEST_CASE("normal draws are the same in pieces and gathered", "[rng]") {
  for (const RngLayout layout : layouts) {
    const std::vector<float> whole = normal(key_of(5), 9001, layout);
    std::vector<float> piece(5000);
    fill_normal(key_of(5), 9001, 3000, piece, layout);
    CHECK(std::equal(piece.begin(), piece.end(), whole.begin() + 3000));
    std::vector<std::int64_t> every_third(3000);
    for (std::size_t i = 0; i < every_third.size(); ++i) every_third[i] = static_cast<std::int64_t>(3 * i);
    std::vector<float> gathered(every_third.size());
    gather_normal(key_of(5), 9001, every_third, gathered, layout);
    bool equal = true;
    for (std::size_t i = 0; i < gathered.size(); ++i) equal &= gathered[i] == whole[3 * i];
    CHECK(equal);
  }
}

TEST_CASE("partitionable counters go on beyond 32 bits", "[rng]") {
  constexpr std::int64_t begin = (std::int64_t{1} << 32) - 3;
  std::vector<std::uint32_t> words(6);
  fill_bits(key_of(2), begin + 6, begin, words, RngLayout::partitionable);
  for (std::int64_t i = 0; i < 6; ++i) {
    const std::int64_t counter = begin + i;
    const auto block =
        threefry(key_of(2), {static_cast<std::uint32_t>(counter >> 32), static_cast<std::uint32_t>(counter)});
    CHECK(words[static_cast<std::size_t>(i)] == (block[0] ^ block[1]));
  }
}

TEST_CASE("the original layout reaches its last counter and no further", "[rng]") {
  constexpr std::int64_t last = 0xffffffff;
  std::vector<std::uint32_t> words(4);
  fill_bits(key_of(2), last, last / 2 - 1, words,
            RngLayout::original);  // across the middle, with the padding
  CHECK(words[0] == threefry(key_of(2), {0x7ffffffe, 0xfffffffe})[0]);
  CHECK(words[1] == threefry(key_of(2), {0x7fffffff, 0})[0]);
  CHECK(words[2] == threefry(key_of(2), {0, 0x80000000})[1]);
  CHECK(words[3] == threefry(key_of(2), {1, 0x80000001})[1]);

  CHECK_THROWS_AS(fill_bits(key_of(2), last + 1, 0, words, RngLayout::original), Error);
  CHECK_THROWS_WITH(
      check_draw(last + 1, RngLayout::original, "edge 1-0"),
      Equals("edge 1-0: 4294967296 random words; the original layout has 2^32 - 1, the partitionable "
             "layout more"));
  CHECK_NOTHROW(check_draw(last + 1, RngLayout::partitionable, "edge 1-0"));
  CHECK_THROWS_WITH(child(key_of(2), std::int64_t{1} << 31, 0, RngLayout::original),
                    Equals("splitting a key: 4294967296 random words; the original layout has 2^32 - 1, the "
                           "partitionable layout more"));
}

TEST_CASE("a run outside its draw is our own mistake", "[rng]") {
  std::vector<std::uint32_t> words(4);
  CHECK_THROWS_AS(fill_bits(key_of(2), 5, 2, words, RngLayout::partitionable), InternalError);
  CHECK_THROWS_AS(fill_bits(key_of(2), 5, -1, words, RngLayout::partitionable), InternalError);
}

TEST_CASE("uniform draws stay in their interval", "[rng]") {
  CHECK(uniform01_from_bits(0) == 0.0f);
  CHECK(uniform01_from_bits(0xffffffff) == 1.0f - 0x1p-23f);
  CHECK(uniform(key_of(1), 3, 0.0f, 1.0f, RngLayout::partitionable) ==
        std::vector<float>{0x1.c128ep-2f, 0x1.114810p-1f, 0x1.c89edp-2f});
  CHECK(uniform(key_of(1), 9, -0.3f, 0.7f, RngLayout::original)[2] == -0x1.68afa8p-3f);
  for (const float x : uniform(key_of(1), 1000, 0.1f, 0.2f, RngLayout::original))
    CHECK((0.1f <= x && x < 0.2f));
}

TEST_CASE("bernoulli is uniform below p in float32", "[rng]") {
  for (const RngLayout layout : layouts) {
    const std::vector<float> u = uniform(key_of(6), 5001, 0.0f, 1.0f, layout);
    for (const double p : {0.0, 1 - 0.999, 1 - 0.9, 0.5, 1 - 0x1p-23, 1.0, static_cast<double>(u[7])}) {
      CAPTURE(p);
      std::vector<std::uint8_t> below(u.size());
      for (std::size_t i = 0; i < u.size(); ++i) below[i] = u[i] < static_cast<float>(p);
      CHECK(bernoulli(key_of(6), 5001, p, layout) == below);
    }
  }
  CHECK(bernoulli_bound(1.0) == 1u << 23);
  CHECK(bernoulli_bound(0.5) == 1u << 22);
  CHECK(bernoulli_bound(1e-9) == 1u);
}

TEST_CASE("normal draws", "[rng]") {
  const std::vector<float> draws = normal(key_of(1), 9, RngLayout::partitionable);
  CHECK(draws[0] == Approx(-0x1.3c4990p-3).epsilon(4e-7));
  CHECK(draws[6] == Approx(0x1.121ea6p+1).epsilon(4e-7));
  CHECK(normal(key_of(1), 9, RngLayout::original)[2] == Approx(-0x1.27e1cap+0).epsilon(4e-7));
  // The ends of the distribution are finite: 2^-24 and 2^-22 - 2^-24 from -1 and 1.
  const auto beyond = [](float x) { return std::erfc(std::fabs(static_cast<double>(x)) / std::sqrt(2.0)); };
  CHECK(beyond(normal_from_bits(0)) == Approx(0x1p-24).epsilon(1e-4));
  CHECK(beyond(normal_from_bits(0xffffffff)) == Approx(0x1p-22 - 0x1p-24).epsilon(1e-4));
  CHECK(normal_from_bits(0) < -5.0f);

  const std::vector<float> many = normal(key_of(9), 100000, RngLayout::partitionable);
  double sum = 0, squares = 0;
  for (const float x : many) {
    sum += static_cast<double>(x);
    squares += static_cast<double>(x) * static_cast<double>(x);
  }
  CHECK(sum / 1e5 == Approx(0).margin(0.02));
  CHECK(squares / 1e5 == Approx(1).margin(0.02));
}

TEST_CASE("permutation sorts stably by random words", "[rng]") {
  CHECK(permutation(key_of(1), 9, RngLayout::partitionable) ==
        std::vector<std::int32_t>{7, 6, 3, 2, 0, 8, 1, 5, 4});
  CHECK(permutation(key_of(1), 9, RngLayout::original) ==
        std::vector<std::int32_t>{0, 2, 7, 5, 8, 4, 1, 6, 3});
  CHECK(permutation(key_of(1), 1, RngLayout::original) == std::vector<std::int32_t>{0});
  CHECK(permutation(key_of(1), 0, RngLayout::original).empty());

  // Beyond 1625 elements there are two rounds.
  constexpr std::int64_t n = 3000;
  for (const RngLayout layout : layouts) {
    std::vector<std::int32_t> expected = ascending(n);
    Key key = key_of(12);
    for (int round = 0; round < 2; ++round) {
      const std::vector<std::uint32_t> words = bits(child(key, 2, 1, layout), n, layout);
      key = child(key, 2, 0, layout);
      std::vector<std::int32_t> places = ascending(n);
      std::stable_sort(places.begin(), places.end(), [&](std::int32_t a, std::int32_t b) {
        return words[static_cast<std::size_t>(a)] < words[static_cast<std::size_t>(b)];
      });
      for (std::int32_t& place : places) place = expected[static_cast<std::size_t>(place)];
      expected = places;
    }
    CHECK(permutation(key_of(12), n, layout) == expected);
    CHECK(sorted(expected) == ascending(n));
  }
  CHECK_THROWS_WITH(permutation(key_of(1), std::int64_t{1} << 31, RngLayout::partitionable),
                    Equals("a permutation of 2147483648 elements; at most 2^31 - 1"));
}
