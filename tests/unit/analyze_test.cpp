#include "frontends/analyze.hpp"

#include <catch2/catch.hpp>

#include "passes/lower.hpp"
#include "passes/plan/plan.hpp"
#include "runtime/session.hpp"
#include "tests/support/files.hpp"
#include "tests/support/small_data.hpp"

namespace relaxon {
namespace {

using testing::error_of;

constexpr std::string_view plan_text = R"(plan "p" fixed 20
slot %n : i32[] tensor live 0 to 9
slot %s : pm1[B,300] signs live 0 to 9
slot %h : fix[B,300] fields live 0 to 9
%h = sum(%h) covers "%h"
%s = scan %n (%s = %s) covers "%s" {
  %s = sign(%h) {sign} covers "%t"
  %h = sum(%h) covers "%g"
  yield %s
}
)";

Network chain() {
  LayerMap map({4, 5, 3});
  map.add(1, 0, FullyConnected{.strength = 1, .threshold = 1});
  map.add(1, 1, RecurrentDiscrete{.j_d = 0.5, .threshold = 1});
  map.add(2, 1, FullyConnected{.strength = 1, .threshold = 1});
  map.add(2, 2, OutputLayer{});
  return {.map = map,
          .schedule = Schedule::two_phase(2),
          .optimizer = Optimizer::sgd(0.1),
          .input = Values::ternary(),
          .label = Values::ternary(),
          .seed = 7};
}

}  // namespace

TEST_CASE("times stand beside the steps they are of", "[analyze][explain]") {
  Target target;
  target.fmas = 0.5;
  target.l2_rate = 1;
  PlanExplanation p = explain(parse_plan(plan_text, "p.rx"), {16, {}, {}}, target);
  REQUIRE(p.steps.size() == 4);
  // Ten batches; the scan's 80 us hold 60 us of its body.
  const std::vector<Profile::StepTime> times{{10, 1e-4}, {10, 8e-4}, {25, 4e-4}, {25, 2e-4}};
  add_times(p, times, 10, target);
  CHECK(*p.steps[0].measured_us == Approx(10));
  CHECK(*p.steps[1].measured_us == Approx(20));
  CHECK(*p.steps[2].measured_us == Approx(40));
  CHECK(*p.steps[3].measured_us == Approx(20));
  CHECK(*p.steps[2].runs == Approx(2.5));
  // Both rates are 1 a ns.
  CHECK(*p.steps[2].roofline == Approx(std::max(p.steps[2].flops, p.steps[2].bytes) / 1000 * 2.5 / 40));
  const Explanation e{target, 16, p, {}};
  const std::string text = to_text(e);
  CHECK(text.find("measured 40 us in 2.5 runs, ") != std::string::npos);
  CHECK(text.find("train, measured: 90.0 us a batch\n") != std::string::npos);
  CHECK_THROWS_AS(add_times(p, {{1, 1}}, 1, target), InternalError);
  // A clock that takes 1 us: each run was timed, and the scan timed its body.
  add_times(p, times, 10, target, 1e-6);
  CHECK(*p.steps[0].measured_us == Approx(9));
  CHECK(*p.steps[1].measured_us == Approx(14));
  CHECK(*p.steps[2].measured_us == Approx(37.5));
}

TEST_CASE("a profile counts the runs of every step of the plan", "[analyze]") {
  Tensor x(DType::i8, {6, 4}), classes(DType::i32, {6}), code(DType::f32, {3, 3});
  for (std::size_t i = 0; i < 24; ++i) x.data<std::int8_t>()[i] = i * i % 7 < 3 ? 1 : -1;
  for (std::size_t i = 0; i < 6; ++i) classes.data<std::int32_t>()[i] = static_cast<std::int32_t>(i % 3);
  for (std::size_t i = 0; i < 9; ++i) code.data<float>()[i] = i % 4 == 0 ? 1.0f : -1.0f;
  const auto borrowed = [](const Tensor& t) { return TensorPtr(TensorPtr(), &t); };
  const LabelledData data{borrowed(x), borrowed(classes), borrowed(code)};
  const std::vector<std::int32_t> order{0, 1, 2, 3, 4, 5};

  SessionOptions options;
  options.profile = std::make_shared<Profile>();
  options.passes = PassSelection::parse("default,-exit");  // every phase runs all its iterations
  Session session(chain(), options), plain(chain());
  session.train(data, order, 2);
  plain.train(data, order, 2);
  CHECK(session.digest() == plain.digest());

  const Plan plan = make_plan(optimise(lower_train_epoch(chain()), {options.passes, {}}));
  const std::vector<Profile::StepTime>& times = options.profile->plans.at("train");
  std::size_t position = 0;
  bool inside = false;
  for_each_step(plan.steps, [&](const Step& step, int depth) {
    INFO(position << " " << name_in(kernel_names, step.kernel));
    REQUIRE(position < times.size());
    inside = inside || step.kernel == Kernel::loop;
    // Three batches; without labels both phases are the same and run as one of four iterations.
    const std::int64_t expected = depth == 0 ? 1 : depth == 1 ? 3 : 12;
    CHECK(times[position].runs == expected);
    CHECK(times[position].seconds >= 0);
    ++position;
  });
  CHECK(inside);
  CHECK(position == times.size());
  options.profile->reset();
  CHECK(times[0].runs == 0);
  CHECK(times.size() == position);
}

TEST_CASE("an analysis needs a step and an image", "[analyze]") {
  NetworkFile file;
  file.network = chain();
  CHECK(error_of([&] { (void)analyze(file, {}, {.steps = 0}); }) == "steps: expected at least 1, found 0");
  CHECK(error_of([&] { (void)analyze(file, {}); }) == "number of train images: expected at least 1, found 0");
}

namespace {

/// Two updates a batch, of edge 2-1 after the first phase and of the others after the second.
NetworkFile file_with_partial_updates() {
  NetworkFile file;
  file.network = chain();
  file.network.schedule = {.steps = {Phase{Filter::all, 2}, UpdatePoint{{{2, 1}}}, Phase{Filter::forward, 3},
                                     UpdatePoint{{{1, 0}, {1, 1}}}},
                           .evaluate = {Phase{Filter::inference, 2}}};
  file.data.batch_size = 4;
  file.data.shuffle = false;
  return file;
}

}  // namespace

TEST_CASE("updates that name some edges are measured each where they stand", "[analyze]") {
  const NetworkFile file = file_with_partial_updates();
  const Dataset data = testing::small_data();
  for (const Backend backend : {Backend::kernels, Backend::jit}) {
    if (!has_backend(backend)) continue;
    for (const int threads : {1, 2}) {
      for (const std::string passes : {"default", "none"}) {
        CAPTURE(name_of(backend), threads, passes);
        CompileOptions compile;
        compile.backend = backend;
        compile.passes = PassSelection::parse(passes);
        compile.cache = jit::CodeCache(std::nullopt);
        if (threads > 1) compile.team = std::make_shared<ThreadTeam>(threads);
        const Explanation e = analyze(
            file, data, {.compile = compile, .target = Target{}, .after_steps = 2, .steps = 4, .looks = 2});
        CHECK(e.backend == name_of(backend));
        CHECK(e.threads == threads);
        std::vector<std::string> applied;
        double measured = 0;
        int scans = 0;
        for (const StepExplanation& step : e.train.steps) {
          INFO(step.name);
          REQUIRE(step.measured_us);
          measured += *step.measured_us;
          scans += step.kernel == "scan" ? 1 : 0;
          const bool applies = !step.ops.empty() && step.ops.back().starts_with("apply ");
          if (!applies) continue;
          applied.push_back(fmt::format("{} after {} phases", step.ops.back(), scans));
          CHECK(*step.runs == 1);
        }
        CHECK(measured > 0);
        CHECK(applied == std::vector<std::string>{"apply 2-1 after 1 phases", "apply 1-0 after 2 phases",
                                                  "apply 1-1 after 2 phases"});
        REQUIRE_FALSE(e.evaluate.steps.empty());
        CHECK(e.evaluate.steps[0].runs == 1);
      }
    }
  }
}

}  // namespace relaxon
