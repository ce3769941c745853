#include "passes/plan/evaluation_batch.hpp"

#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <set>

#include "core/data/dataset.hpp"
#include "frontends/explain.hpp"
#include "frontends/network_file.hpp"
#include "passes/lower.hpp"
#include "passes/pipeline.hpp"
#include "passes/plan/cost.hpp"
#include "runtime/trainer.hpp"
#include "tests/support/random_network.hpp"
#include "tests/support/small_data.hpp"

namespace relaxon {
namespace {

const std::vector<std::string> published{"mnist_dense", "mnist_sparse", "chain", "pixels", "fashion_sparse"};

Network network_named(const std::string& name) {
  return load_network_file(std::filesystem::path(RELAXON_NETWORKS_DIR) / (name + ".toml")).network;
}

std::int64_t chosen(const Network& network, std::int64_t batch, const std::string& target) {
  PlanOptions options;
  options.target = parse_target(target, "t");
  options.batch = batch;
  const EvaluationBatch best = evaluation_batch(optimise(lower_evaluate_epoch(network)), options);
  CHECK_FALSE(best.why.empty());
  return best.images;
}

Network small_network() {
  LayerMap map({4, 70, 3});
  map.add(1, 0, FullyConnected{.strength = 1, .threshold = 1})
      .add(1, 1, SparseRecurrentDiscrete{.j_d = 0.5, .threshold = 1, .sparsity = 0.5})
      .add(2, 1, FullyConnected{.strength = 1, .threshold = 1})
      .add(2, 2, OutputLayer{});
  return {.map = map,
          .schedule = Schedule::dynamical(1, 2, 3, 2),
          .optimizer = Optimizer::sgd(0.1),
          .input = Values::ternary(),
          .label = Values::ternary(),
          .seed = 7};
}

TensorPtr borrowed(const Tensor& tensor) { return {TensorPtr(), &tensor}; }

}  // namespace

TEST_CASE("an evaluation's batch is the file's or whole panels", "[evaluation_batch]") {
  for (const std::string& name : published) {
    const Network network = network_named(name);
    for (const std::int64_t batch : {1, 16, 40, 300}) {
      for (const std::string target : {"cores=1", "l2=100000000", "clock=0.2 adds=1000 l1_rate=5000"}) {
        INFO(name << " " << batch << " " << target);
        const std::int64_t images = chosen(network, batch, target);
        CHECK((images == batch || (images > batch && images % 16 == 0 && images <= most_evaluated_at_once)));
      }
    }
  }
}

TEST_CASE("an evaluation's batch has what it works on in the cache", "[evaluation_batch]") {
  std::set<std::int64_t> batches;
  for (const std::string& name : published) {
    INFO(name);
    const Network network = network_named(name);
    CHECK(chosen(network, 16, "l2=0") == 16);
    CHECK(chosen(network, 16, "l2=16384") == 16);
    std::int64_t smaller = 16;
    for (const std::string l2 : {"l2=262144", "l2=1048576", "l2=4194304"}) {
      const std::int64_t images = chosen(network, 16, l2);
      CHECK(images >= smaller);
      smaller = images;
      batches.insert(images);
    }
  }
  CHECK(batches.size() > 2);
  // The states of a row alone.
  CHECK(chosen(network_named("mnist_sparse"), 16, "l2=1048576") * 2000 * 4 < 1.5 * 1048576);
}

TEST_CASE("dense weights are worth more images at a time", "[evaluation_batch]") {
  CHECK(chosen(network_named("mnist_dense"), 16, "cores=1") >= 64);
  CHECK(chosen(network_named("chain"), 16, "cores=1") >= 32);
}

TEST_CASE("every thread gets several batches", "[evaluation_batch]") {
  CHECK(shared_evaluation_batch(256, 16, 10000, 1) == 256);
  CHECK(shared_evaluation_batch(256, 16, 10000, 2) == 256);
  CHECK(shared_evaluation_batch(256, 16, 10000, 8) == 144);
  CHECK(shared_evaluation_batch(64, 16, 10000, 8) == 64);
  CHECK(shared_evaluation_batch(256, 16, 10000, 64) == 16);
  CHECK(shared_evaluation_batch(256, 40, 10000, 64) == 40);
  CHECK(shared_evaluation_batch(16, 16, 3, 64) == 16);
}

TEST_CASE("hits are the same in any batch, also in the one that is chosen", "[evaluation_batch][session]") {
  const Network network = small_network();
  constexpr std::int64_t images = 333;
  Tensor x(DType::i8, {images, 4}), classes(DType::i32, {images});
  for (std::size_t i = 0; i < 4 * images; ++i) x.data<std::int8_t>()[i] = i * i % 37 < 17 ? 1 : -1;
  for (std::size_t i = 0; i < images; ++i) classes.data<std::int32_t>()[i] = static_cast<std::int32_t>(i % 3);
  const Dataset small = testing::small_data();
  const LabelledData data{borrowed(x), borrowed(classes), borrowed(small.code)};
  std::set<std::int64_t> hits;
  for (const Backend backend : {Backend::interpreter, Backend::kernels, fastest_backend()}) {
    for (const int threads : {1, 3}) {
      SessionOptions options;
      options.backend = backend;
      options.plan.batch = 5;
      if (threads > 1) options.team = std::make_shared<ThreadTeam>(threads);
      Session session(network, options);
      const std::int64_t chosen = session.evaluation_batch(images);
      CHECK(chosen >= 5);
      CHECK(chosen <= most_evaluated_at_once);
      for (const std::int64_t batch : {std::int64_t{1}, std::int64_t{5}, std::int64_t{48}, chosen})
        hits.insert(session.hits(data, images, batch));
    }
  }
  CHECK(hits.size() == 1);
}

TEST_CASE("recorded evaluations don't depend on the machine", "[evaluation_batch][session]") {
  for (const std::string target : {"l2=0", "l2=1048576"}) {
    SessionOptions options;
    options.plan.target = parse_target(target, "t");
    Session session(small_network(), options);
    const std::int64_t chosen = session.evaluation_batch(100'000);
    CHECK((chosen == options.plan.batch) == (target == "l2=0"));
    session.record({{parse_probe("scores")}, [](auto&&...) {}, 0, 1}, true);
    CHECK(session.evaluation_batch(100'000) == recorded_batch);
  }
}

TEST_CASE("explain says in which batches an evaluation runs, and why", "[evaluation_batch][explain]") {
  const Network network = network_named("mnist_dense");
  const Explanation e = explain(network, 16, parse_target("cores=1", "t"));
  CHECK(e.evaluated.images == chosen(network, 16, "cores=1"));
  const std::string text = to_text(e);
  CHECK(text.find("\ntrain, a batch of 16:\n  %") != text.npos);
  CHECK(text.find(fmt::format("\nevaluate, a batch of {}:\n  an image ", e.evaluated.images)) != text.npos);
  const auto json = to_json(e);
  CHECK(json["batch"] == 16);
  CHECK(json["evaluate"]["batch"] == e.evaluated.images);
  CHECK(json["evaluate"]["batch_why"] == e.evaluated.why);
  const Explanation probed =
      explain(network, 16, parse_target("cores=1", "t"), {}, {{}, {parse_probe("scores")}});
  CHECK(to_text(probed).find("\nevaluate, a batch of 16:\n  %") != text.npos);
}

}  // namespace relaxon
