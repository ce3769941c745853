#include "passes/plan/cost_model.hpp"

#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <random>
#include <set>

#include "core/data/dataset.hpp"
#include "frontends/network_file.hpp"
#include "passes/lower.hpp"
#include "passes/pipeline.hpp"
#include "passes/plan/sharing.hpp"
#include "runtime/session.hpp"
#include "tests/support/random_network.hpp"

namespace relaxon {
namespace {

const std::string declarations = R"(plan "p" fixed 20
pattern @1-1 [2000,2000]
slot %s : pm1[B,2000] signs live 0 to 1
slot %t : pm1[B,2000] signs live 0 to 1
slot %h : fix[B,2000] fields live 0 to 1
slot %r : fix[B,2000] field_rows live 0 to 1
slot %q : f32[2000,2000]{@1-1} columns_fixed live 0 to 1
slot %d : f32[2000,2000] dense_fixed live 0 to 1
slot %W : f32[2000,2000]{@1-1} columns live 0 to 1
slot %p : u8{0.003921569}[B,2000] bytes live 0 to 1
slot %x : f32[B,2000] reals live 0 to 1
slot %m : f32[B,2000] reals live 0 to 1
slot %c : f32[2] tensor live 0 to 1
)";

Plan plan_of(const std::string& steps) { return parse_plan(declarations + steps, "p.rx"); }

double run_us(const std::string& step, StepRates rates, const Target& target = {}, std::int64_t batch = 16) {
  const Plan plan = plan_of(step);
  return CostModel(plan, {batch, {}, {40000}}, target).run_us(plan.steps.at(0), rates);
}

const std::string sparse = "%h = follow(%h, %s, %t, %q) {dense edge=1-1 fixed}";
const std::string dense = "%r = follow(%r, %s, %t, %d) {dense edge=1-1 fixed}";

CostModel::Follow follow(const std::string& step, const Target& target = {}, std::int64_t batch = 16) {
  const Plan plan = plan_of(step);
  return CostModel(plan, {batch, {}, {40000}}, target).follow(plan.steps.at(0));
}

}  // namespace

TEST_CASE("a follow costs what changes, or all of it", "[cost]") {
  for (const std::string& step : {sparse, dense}) {
    INFO(step);
    const double nothing = run_us(step, {.changed = 0, .panel_changed = 0});
    const double few = run_us(step, {.changed = 0.001, .panel_changed = 0.01});
    const double many = run_us(step, {.changed = 0.01, .panel_changed = 0.1});
    const double all = run_us(step, {.whole = 1});
    CHECK(nothing < few);
    CHECK(few < many);
    CHECK(many < all);
    CHECK(run_us(step, {.whole = 0.5, .changed = 0.01, .panel_changed = 0.1}) == Approx((many + all) / 2));
  }
}

TEST_CASE("the whole is wanted where both ways cost the same", "[cost]") {
  for (const std::string& step : {sparse, dense}) {
    for (const std::int64_t batch : {16, 64}) {
      INFO(step << " " << batch);
      const CostModel::Follow f = follow(step, {}, batch);
      const double changed = static_cast<double>(f.whole_from()) * f.scale;
      CHECK(changed * f.sender_us == Approx(f.whole_us).epsilon(0.01));
      CHECK(f.whole_from() > 1);
      CHECK(f.whole_from() < 2000);
    }
  }
}

TEST_CASE("two panels share the loads of a sparse message where there are registers for both", "[cost]") {
  const auto growth = [](const std::string& isa, std::int64_t more, std::int64_t batch) {
    const Target target = parse_target("isa=" + isa, "t");
    return run_us(sparse, {.whole = 1}, target, more) / run_us(sparse, {.whole = 1}, target, batch);
  };
  CHECK(growth("avx512", 32, 16) < 1.7);
  CHECK(growth("avx512", 64, 32) > 1.9);
  CHECK(growth("avx512", 48, 32) > 1.5);
  CHECK(growth("avx2", 32, 16) > 1.9);
}

TEST_CASE("bytes of two panels that lie side by side cost less than numbers", "[cost]") {
  const auto growth = [](const std::string& isa, const std::string& sender) {
    const std::string step = "%m = real(%" + sender + ", %W) {dense edge=1-1}";
    const Target target = parse_target("isa=" + isa, "t");
    return run_us(step, {}, target, 32) / run_us(step, {}, target, 16);
  };
  CHECK(growth("avx512", "p") < 1.4);
  CHECK(growth("avx512", "x") > 1.5);
  CHECK(growth("avx2", "p") > 1.9);
}

TEST_CASE("updates cost the columns that err", "[cost]") {
  const std::string update =
      "%W = update(%W, %s, %t, %c) {sgd edge=1-1} after correlate {dense edge=1-1} : f32[2000,2000]{@1-1}";
  CHECK(run_us(update, {.erring = 0.1}) < run_us(update, {.erring = 0.9}));
}

TEST_CASE("a faster machine takes less time, a barrier more", "[cost]") {
  Target fast;
  for (double Target::*rate : {&Target::clock, &Target::adds, &Target::fmas, &Target::l1_rate,
                               &Target::l2_rate, &Target::l3_rate, &Target::memory_rate})
    fast.*rate *= 2;
  for (const std::string& step : {sparse, dense})
    CHECK(run_us(step, {.whole = 1}, fast) < run_us(step, {.whole = 1}));
  const Plan plan = plan_of(sparse);
  const CostModel near(plan, {16, {}, {40000}}, {}),
      far(plan, {16, {}, {40000}}, parse_target("barrier=5000", "t"));
  const StepRates rates{.whole = 1};
  CHECK(near.shared_us(plan.steps[0], rates, 2) < near.run_us(plan.steps[0], rates));
  CHECK(far.shared_us(plan.steps[0], rates, 2) == Approx(near.shared_us(plan.steps[0], rates, 2) + 4.85));
}

TEST_CASE("a core that does twice the vector operations a cycle takes about half as long", "[cost]") {
  for (const std::string& step :
       {std::string("%m = real(%x, %W) {dense edge=1-1}"),
        std::string("%r = follow(%r, %s, %t, %d) {dense edge=1-1 fixed}"), sparse}) {
    INFO(step);
    const StepRates rates{.whole = 1};
    const double usual = run_us(step, rates);
    const double twice = run_us(step, rates, parse_target("adds=236 fmas=118 l1_rate=280", "t"));
    CHECK(twice < 0.75 * usual);
    CHECK(twice > 0.4 * usual);
  }
  // The narrow registers of other cores are counted as such.
  CHECK(run_us(sparse, {.whole = 1}, parse_target("adds=59", "t")) == run_us(sparse, {.whole = 1}));
}

TEST_CASE("messages that lie otherwise cost a sum more", "[cost]") {
  CHECK(run_us("%s = sign(%r, %h) {sign}", {}) > 1.5 * run_us("%s = sign(%r, %r) {sign}", {}));
}

TEST_CASE("default rates know how often scans iterate", "[cost]") {
  const Plan plan = make_plan(optimise(lower_train_epoch(
      load_network_file(std::filesystem::path(RELAXON_NETWORKS_DIR) / "mnist_dense.toml").network)));
  const auto rates_of_follows = [&](const std::map<std::string, std::int64_t>& iterations) {
    const std::vector<StepRates> rates = default_rates(plan, iterations);
    std::vector<StepRates> follows;
    std::size_t position = 0;
    for_each_step(plan.steps, [&](const Step& step, int) {
      if (step.kernel == Kernel::follow) follows.push_back(rates.at(position));
      ++position;
    });
    CHECK(position == rates.size());
    return follows;
  };
  const std::vector<StepRates> follows = rates_of_follows({});
  REQUIRE(follows.size() == 3);
  CHECK(follows[0].runs == 6);
  CHECK(follows[0].whole == Approx(1.0 / 6));
  CHECK(follows[1].runs == 5);
  CHECK(follows[1].whole == 0);
  CHECK(follows[2].runs == 3);
  CHECK(follows[2].changed < follows[1].changed);
  const std::vector<StepRates> known =
      rates_of_follows({{"iterations/0", 1}, {"iterations/1", 2}, {"iterations/2", 9}});
  CHECK(known[0].runs == 1);
  CHECK(known[0].whole == 1);
  CHECK(known[1].runs == 2);
  CHECK(known[2].runs == 3);
}

namespace {

/// Machines on which other choices pay.
std::vector<Target> quite_different_targets() {
  std::vector<Target> targets(1);
  for (const std::string_view text :
       {"cores=1", "cores=64 barrier=20", "barrier=1000000", "isa=x86-64 adds=8 fmas=4 barrier=40",
        "l1=4096 l2=8192 l3=0 memory_rate=0.5", "clock=0.2 adds=1000 l1_rate=5000 l2_rate=5000"})
    targets.push_back(parse_target(text, "t"));
  return targets;
}

/// Threads and thresholds of a plan.
std::string choices_of(const Plan& plan) {
  std::string text;
  for_each_step(plan.steps, [&](const Step& step, int) {
    text += fmt::format("{}:{} ", static_cast<int>(step.threads), step.whole_from);
  });
  return text;
}

}  // namespace

TEST_CASE("targets change choices and no bit", "[cost][session]") {
  for (const std::string name : {"mnist_dense", "mnist_sparse"}) {
    INFO(name);
    const NetworkFile file =
        load_network_file(std::filesystem::path(RELAXON_NETWORKS_DIR) / (name + ".toml"));
    const Network& network = file.network;
    const auto inputs = network.map.units(0);
    constexpr std::int64_t images = 64;
    std::mt19937_64 engine(5);
    const bool bytes = network.input.kind == Values::Kind::bytes;
    Tensor x(bytes ? DType::u8 : DType::i8, {images, inputs});
    for (std::int64_t i = 0; i < images * inputs; ++i) {
      if (bytes) {
        x.data<std::uint8_t>()[static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(engine() % 256);
      } else {
        x.data<std::int8_t>()[static_cast<std::size_t>(i)] = engine() % 2 == 0 ? 1 : -1;
      }
    }
    Tensor classes(DType::i32, {images}), code(DType::f32, {10, 10});
    for (std::size_t i = 0; i < images; ++i)
      classes.data<std::int32_t>()[i] = static_cast<std::int32_t>(i % 10);
    const bool two = network.label.kind != Values::Kind::ternary;
    for (std::size_t i = 0; i < 100; ++i)
      code.data<float>()[i] = i % 11 == 0 ? (two ? network.label.a : 1.0f) : (two ? network.label.b : -1.0f);
    const auto borrowed = [](const Tensor& t) { return TensorPtr(TensorPtr(), &t); };
    const LabelledData data{borrowed(x), borrowed(classes), borrowed(code)};
    std::vector<std::int32_t> order(images);
    for (std::size_t i = 0; i < images; ++i) order[i] = static_cast<std::int32_t>(i);

    std::set<std::string> digests, choices;
    for (const Target& target : quite_different_targets()) {
      for (const int threads : {1, 2}) {
        SessionOptions options;
        options.plan.target = target;
        if (threads > 1) options.team = std::make_shared<ThreadTeam>(threads);
        Session session(network, options);
        session.train(data, order, 16);
        digests.insert(fmt::format("{} {}", session.digest(), session.hits(data, images, 16)));
        const Plan plan = make_plan(optimise(lower_train_epoch(network)), session.options().plan);
        choices.insert(choices_of(plan));
        CHECK(parse_plan(print(plan), "p.rx") == plan);
      }
    }
    CHECK(digests.size() == 1);
    CHECK(choices.size() >= 3);
  }
}

}  // namespace relaxon
