#include "core/init.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <functional>

#include "core/error.hpp"

using namespace relaxon;
using Catch::Matchers::Equals;

namespace {

constexpr RngLayout layouts[] = {RngLayout::partitionable, RngLayout::original};

FullyConnected dense(PerOutput strength) {
  FullyConnected module;
  module.strength = std::move(strength);
  module.threshold = 1;
  return module;
}

SparseFullyConnected sparse(double sparsity, PerOutput strength = 1) {
  SparseFullyConnected module;
  module.strength = std::move(strength);
  module.threshold = 1;
  module.sparsity = sparsity;
  return module;
}

RecurrentDiscrete recurrent(PerOutput j_d, double strength) {
  RecurrentDiscrete module;
  module.j_d = std::move(j_d);
  module.threshold = 1;
  module.strength = strength;
  return module;
}

SparseRecurrentDiscrete sparse_recurrent(double sparsity, PerOutput j_d, double strength) {
  SparseRecurrentDiscrete module;
  module.j_d = std::move(j_d);
  module.threshold = 1;
  module.strength = strength;
  module.sparsity = sparsity;
  return module;
}

bool same(const Weight& a, const Weight& b) {
  if (a.is_sparse() != b.is_sparse() || !(a.values == b.values)) return false;
  return !a.is_sparse() || *a.pattern == *b.pattern;
}

}  // namespace

TEST_CASE("dense weights: normals times strength, then divided by the root of the fan-in", "[init]") {
  const std::vector<float> normals = {0.3f, -1.7f, 2.9f, 0.11f, -0.63f, 1.3f};
  const Weight weight =
      initialise_from_normals(dense({1.1, 0.7}), 3, 2, normals, key_of(1), RngLayout::original, "");
  CHECK_FALSE(weight.is_sparse());
  CHECK(weight.values.shape() == Shape{3, 2});
  const float root = std::sqrt(3.0f);
  for (std::size_t i = 0; i < normals.size(); ++i) {
    const float product = normals[i] * (i % 2 == 0 ? 1.1f : 0.7f);
    CHECK(weight.values.data<float>()[i] == product / root);
  }
  CHECK(to_dense(weight) == weight.values);
}

TEST_CASE("couplings: normals divided by the root, then times strength, and the diagonal", "[init]") {
  const std::vector<float> normals = {0.3f, -1.7f, 2.9f, 0.11f, -0.63f, 1.3f, 0.2f, 0.4f, 0.8f};
  const Weight weight = initialise_from_normals(recurrent({0.5, 0.6, 0.7}, 1.3), 3, 3, normals, key_of(1),
                                                RngLayout::original, "");
  const std::vector<float> diagonal = {0.5f, 0.6f, 0.7f};
  for (std::size_t i = 0; i < normals.size(); ++i) {
    const float quotient = normals[i] / std::sqrt(3.0f);
    CHECK(weight.values.data<float>()[i] == (i % 4 == 0 ? diagonal[i / 4] : quotient * 1.3f));
  }
}

TEST_CASE("frozen modules start as the trainable one", "[init]") {
  FrozenFullyConnected frozen;
  frozen.strength = 2;
  FrozenRescaledFullyConnected rescaled;
  rescaled.strength = 2;
  const Weight expected = initialise(dense(2), 5, 4, key_of(8), RngLayout::partitionable, "");
  CHECK(same(initialise(frozen, 5, 4, key_of(8), RngLayout::partitionable, ""), expected));
  CHECK(same(initialise(rescaled, 5, 4, key_of(8), RngLayout::partitionable, ""), expected));
}

TEST_CASE("sparse weights: the mask of the second child, the normals of the first", "[init]") {
  constexpr std::int64_t d = 130, K = 97;  // more than one piece of the mask
  const double sparsity = 0.7;
  for (const RngLayout layout : layouts) {
    const Weight weight = initialise(sparse(sparsity, 1.7), d, K, key_of(3), layout, "");
    const auto mask = bernoulli(child(key_of(3), 2, 1, layout), d * K, 1 - sparsity, layout);
    const auto normals = normal(child(key_of(3), 2, 0, layout), d * K, layout);
    const float root = std::sqrt(static_cast<float>(d * (1 - sparsity)));
    std::vector<float> expected(static_cast<std::size_t>(d * K));
    for (std::size_t i = 0; i < expected.size(); ++i) {
      const float product = normals[i] * 1.7f;
      expected[i] = mask[i] ? product / root : 0.0f;
    }
    CHECK(to_dense(weight) == Tensor::of<float>({d, K}, expected));
    CHECK_FALSE(weight.pattern->fixed_diagonal);
    CHECK(weight.pattern->entries() == std::count(mask.begin(), mask.end(), 1));
    CHECK(same(initialise_from_normals(sparse(sparsity, 1.7), d, K, normals, key_of(3), layout, ""), weight));
  }
}

TEST_CASE("sparse couplings: every diagonal entry is there and holds j_d", "[init]") {
  constexpr std::int64_t K = 120;
  const double sparsity = 0.9;
  for (const RngLayout layout : layouts) {
    const Weight weight = initialise(sparse_recurrent(sparsity, 0.25, 0.9), K, K, key_of(4), layout, "");
    const auto mask = bernoulli(child(key_of(4), 2, 1, layout), K * K, 1 - sparsity, layout);
    const auto normals = normal(child(key_of(4), 2, 0, layout), K * K, layout);
    const float root = std::sqrt(static_cast<float>(K * (1 - sparsity)));
    std::vector<float> expected(static_cast<std::size_t>(K * K));
    std::int64_t entries = K;
    for (std::size_t i = 0; i < expected.size(); ++i) {
      const bool diagonal = i % (K + 1) == 0;
      entries += mask[i] && !diagonal;
      const float quotient = normals[i] / root;
      expected[i] = diagonal ? 0.25f : mask[i] ? quotient * 0.9f : 0.0f;
    }
    CHECK(to_dense(weight) == Tensor::of<float>({K, K}, expected));
    CHECK(weight.pattern->fixed_diagonal);
    CHECK(weight.pattern->entries() == entries);
    bool ordered = true;
    for (std::int64_t sender = 0; sender < K; ++sender) {
      const auto row = weight.pattern->receivers_of(sender);
      ordered &= std::adjacent_find(row.begin(), row.end(), std::greater_equal<>()) == row.end();
    }
    CHECK(ordered);
  }
}

TEST_CASE("a mask can be empty", "[init]") {
  const Weight weight = initialise(sparse(1 - 1e-9), 20, 3, key_of(1), RngLayout::partitionable, "");
  CHECK(weight.pattern->entries() == 0);
  CHECK(weight.pattern->offsets == std::vector<std::int32_t>(21, 0));
  CHECK(to_dense(weight) == Tensor(DType::f32, {20, 3}));
}

TEST_CASE("Eigen sees a sparse weight in place", "[init]") {
  const Weight weight = initialise(sparse(0.6), 17, 23, key_of(2), RngLayout::partitionable, "");
  const SparseMap map = sparse_map(weight);
  CHECK(map.valuePtr() == weight.values.data<float>().data());
  const RowMajor<float> expanded = RowMajor<float>(map);
  CHECK(expanded == to_dense(weight).matrix<float>());
  CHECK_THROWS_AS(sparse_map(initialise(dense(1), 2, 2, key_of(2), RngLayout::partitionable, "")),
                  InternalError);
}

TEST_CASE("weights that cannot be held or drawn are refused before any work", "[init]") {
  const Key key = key_of(1);
  CHECK_THROWS_WITH(
      initialise(dense(1), 50000, 50000, key, RngLayout::partitionable, "edge 1-0"),
      Equals("edge 1-0: about 2.5e+09 connections between 50000 and 50000 units; a weight takes at "
             "most 2^31 - 1 of each"));
  CHECK_THROWS_WITH(
      initialise(sparse(0.5), 100000, 100000, key, RngLayout::partitionable, "edge 2-1"),
      Equals("edge 2-1: about 5e+09 connections between 100000 and 100000 units; a weight takes at "
             "most 2^31 - 1 of each"));
  CHECK_THROWS_WITH(
      initialise(sparse(0.999), 70000, 70000, key, RngLayout::original, "edge 2-1"),
      Equals("edge 2-1: 4900000000 random words; the original layout has 2^32 - 1, the partitionable "
             "layout more"));
  CHECK_THROWS_WITH(
      initialise_from_normals(dense(1), 3, 2, std::vector<float>(5), key, RngLayout::original, "edge 1-0"),
      Equals("edge 1-0: 5 normals for 3 x 2 connections"));
  CHECK_THROWS_AS(initialise(OutputLayer{}, 3, 3, key, RngLayout::original, "edge 3-3"), InternalError);
}
