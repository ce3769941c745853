#include "frontends/explain.hpp"

#include <catch2/catch.hpp>
#include <filesystem>
#include <set>

#include "frontends/network_file.hpp"

namespace relaxon {
namespace {

Target target() {
  Target t;
  t.cores = 2;
  t.isa = Isa::avx2;
  t.l1 = 32768;
  t.l2 = 1048576;
  t.l3 = 0;
  t.clock = 4;
  t.l2_rate = 100;
  return t;
}

const std::string plan_text = R"(plan "p" fixed 20
slot %n : i32[] tensor live 0 to 1
slot %x : f32[B,100] reals live 0 to 1
slot %s : pm1[B,300] signs live 0 to 1
slot %t : pm1[B,300] signs live 0 to 1
slot %h : fix[B,300] fields live 0 to 1
slot %m : f32[B,300] reals live 0 to 1
slot %J : f32[100,300] dense live 0 to 1
slot %S : f32[100,300] dense live 0 to 1
slot %c : f32[2] tensor live 0 to 1
%J = store(%J) why "before the loop"
loop %n, %n () {
  %s = scan %n (%s = %s) until unchanged(%s) covers "%s2" {
    %t = sign(%h, %h) {sign} covers "%h1 %s1" why "one pass over the messages"
    yield %t
  }
  %s = scan %n (%s = %s) covers "%s3" {
    %m = real(%x, %J) {dense edge=1-0} covers "%m" why "dense"
    %t = reference threshold(%h) {sign0} covers "%t" why "interpreter: no kernel for this activation"
    probe(%t) "t"
    yield %t
  }
  %S = correlate(%x, %s) {dense edge=1-0} : f32[100,300] covers "%S" why "S is used more than once"
  %J = update(%J, %x, %s, %c) {sgd edge=1-0} after correlate {dense edge=1-0} : f32[100,300] covers "%J1"
  %t = copy(%s) why "%s is needed later"
  yield
}
)";

}  // namespace

TEST_CASE("a plan explains the steps of a batch", "[explain]") {
  const PlanExplanation p = explain(parse_plan(plan_text, "p.rx"), {16, {}, {}}, target());
  REQUIRE(p.steps.size() == 9);
  CHECK(p.steps[0].name == "%s2");
  CHECK(p.steps[0].why == "%n iterations, fewer once %s stays as it is");
  CHECK(p.steps[0].flops == 0);
  const StepExplanation& sign = p.steps[1];
  CHECK(sign.name == "%h1 %s1");
  CHECK(sign.ops == std::vector<std::string>{"aggregate", "threshold"});
  CHECK(sign.kernel == "sign");
  CHECK(sign.layout == "fields -> signs");
  CHECK(sign.why == "one pass over the messages");
  CHECK(sign.flops == 2 * 16 * 300);
  CHECK(sign.bytes == 300 * 16 * 4 + 300 * 4);
  CHECK(sign.depth == 1);
  CHECK(sign.estimated_runs == 6);
  CHECK(sign.estimated_us > 0);
  CHECK(p.steps[2].why == "%n iterations");
  CHECK(p.steps[3].ops == std::vector<std::string>{"message 1-0"});
  CHECK(p.steps[7].ops == std::vector<std::string>{"correlate 1-0", "apply 1-0"});
  CHECK(p.steps[8].name == "%t");
  CHECK(p.steps[8].ops.empty());
}

TEST_CASE("a plan says what a faster one would have done", "[explain]") {
  const PlanExplanation p = explain(parse_plan(plan_text, "p.rx"), {16, {}, {}}, target());
  std::vector<std::string> lines;
  for (const NotDone& n : p.not_done) lines.push_back(n.what + ": " + n.why);
  CHECK(lines ==
        std::vector<std::string>{
            "no early end: scan of %s3: its iterations are probed",
            "not advanced: %m = message 1-0: the sender is real-valued or the row is float32: a sum with one "
            "order can't be changed in part",
            "no kernel: %t = threshold: interpreter: no kernel for this activation",
            "not fused with its optimizer step: correlate 1-0: S is used more than once",
            "not in place: %t: %s is needed later",
        });
}

TEST_CASE("estimates are of a batch, at the rates that are given", "[explain]") {
  const Plan plan = parse_plan(plan_text, "p.rx");
  const PlanSizes sizes{16, {}, {}};
  std::vector<StepRates> rates = default_rates(plan);
  const PlanExplanation usual = explain(plan, sizes, target(), rates);
  rates[3].runs *= 2;
  const PlanExplanation twice = explain(plan, sizes, target(), rates);
  CHECK(twice.steps[1].estimated_us == Approx(2 * usual.steps[1].estimated_us).epsilon(0.2));
  CHECK(twice.steps[1].estimated_runs == 12);
  CHECK(twice.steps[3].estimated_us == usual.steps[3].estimated_us);
}

TEST_CASE("estimates are of as many threads as are asked for", "[explain]") {
  const std::string steps = R"(plan "p" fixed 20
slot %s : pm1[B,4000] signs live 0 to 1
slot %r : fix[B,4000] field_rows live 0 to 1
slot %q : f32[4000,4000] dense_fixed live 0 to 1
%r = exact(%s, %q) {dense edge=1-1 fixed} threads columns covers "%r"
%s = sign(%r) {sign} covers "%s")";
  const Plan plan = parse_plan(steps, "p.rx");
  const PlanExplanation one = explain(plan, {16, {}, {}}, target());
  const PlanExplanation two = explain(plan, {16, {}, {}}, target(), {}, 2);
  CHECK(two.steps.at(0).estimated_us < 0.6 * one.steps.at(0).estimated_us);
  CHECK(two.steps.at(0).estimated_us > 0.4 * one.steps.at(0).estimated_us);
  CHECK(two.steps.at(1).estimated_us == one.steps.at(1).estimated_us);
}

TEST_CASE("choices of the model stand beside their steps", "[explain]") {
  const std::string follow = R"(plan "p" fixed 20
slot %s : pm1[B,300] signs live 0 to 1
slot %t : pm1[B,300] signs live 0 to 1
slot %r : fix[B,300] field_rows live 0 to 1
slot %q : f32[300,300] dense_fixed live 0 to 1
%r = follow(%r, %s, %t, %q) {dense edge=1-1 fixed} threads columns whole from 70 covers "%r")";
  const PlanExplanation p = explain(parse_plan(follow, "p.rx"), {16, {}, {}}, target());
  REQUIRE(p.steps.size() == 1);
  REQUIRE(p.steps[0].choices.size() == 2);
  CHECK(p.steps[0].choices[0].starts_with("whole from 70 changed senders of a sample: whole "));
  CHECK(p.steps[0].choices[1].starts_with("shared by columns: a run "));
  CHECK(p.steps[0].choices[1].ends_with(" us on one"));
}

TEST_CASE("estimates within a factor of two are counted", "[explain]") {
  Explanation e;
  const auto add = [&](PlanExplanation& plan, double estimated, double measured) {
    StepExplanation step;
    step.estimated_us = estimated;
    step.measured_us = measured;
    step.runs = 1;
    plan.steps.push_back(step);
  };
  add(e.train, 10, 10);
  add(e.train, 4.9, 10);
  add(e.evaluate, 20, 10);
  add(e.evaluate, 21, 10);
  e.train.steps.emplace_back();  // not measured
  const EstimateQuality quality = estimate_quality(e);
  CHECK(quality.steps == 4);
  CHECK(quality.within_two == 2);
  CHECK(to_text(e).ends_with("\nestimates within 2x of measured: 50 % of 4 steps\n"));
  CHECK(to_json(e)["estimates"].dump() == R"({"steps":4,"within_2x":2})");
}

TEST_CASE("text and JSON of an explanation", "[explain]") {
  const std::string text =
      "plan \"p\" fixed 20\nslot %h : fix[B,300] fields live 0 to 1\n%h = sum(%h, %h) covers \"%h1\" why "
      "\"w\"";
  const Explanation e{target(),
                      16,
                      explain(parse_plan(text, "p.rx"), {16, {}, {}}, target()),
                      {{}, {{"a", "b"}}, {}},
                      {32, "c"}};
  CHECK(to_text(e) ==
        "target: cores=2 isa=avx2 l1=32768 l2=1048576 l3=0 clock=4 adds=118 fmas=59 l1_rate=140 l2_rate=100 "
        "l3_rate=90 memory_rate=20 latency=200 barrier=150\n"
        "backend: kernels, 1 thread\n"
        "\ntrain, a batch of 16:\n"
        "  %h1: sum (aggregate)\n"
        "      fields -> fields; 4.8 kflop; 38.4 kB; estimated 0.505 us\n"
        "      w\n"
        "      on one thread: a run 0.463 us on 2 threads, 0.505 us on one\n"
        "train, estimated: 0.5 us a batch\n"
        "\nevaluate, a batch of 32:\n"
        "  c\n"
        "evaluate, not done:\n"
        "  a: b\n");
  CHECK(
      to_json(e).dump() ==
      R"({"target":{"text":"cores=2 isa=avx2 l1=32768 l2=1048576 l3=0 clock=4 adds=118 fmas=59 l1_rate=140 )"
      R"(l2_rate=100 l3_rate=90 memory_rate=20 latency=200 barrier=150","cores":2,"isa":"avx2",)"
      R"("vector_floats":8,"l1_bytes":32768,"l2_bytes":1048576,"l3_bytes":0},)"
      R"("backend":"kernels","threads":1,"batch":16,)"
      R"("train":{"steps":[{"name":"%h1","ops":["aggregate"],"kernel":"sum","layout":"fields -> fields","threads":1,)"
      R"("why":"w","choices":["on one thread: a run 0.463 us on 2 threads, 0.505 us on one"],)"
      R"("flops":4800.0,"bytes":38400.0,"estimated_runs":1.0,"estimated_us":0.505}],"not_done":[]},)"
      R"("evaluate":{"steps":[],"not_done":[{"what":"a","why":"b"}],"batch":32,"batch_why":"c"}})");
}

TEST_CASE("published networks are explained whole", "[explain]") {
  for (const std::string name : {"mnist_sparse", "mnist_dense"}) {
    INFO(name);
    const NetworkFile file =
        load_network_file(std::filesystem::path(RELAXON_NETWORKS_DIR) / (name + ".toml"));
    const Explanation e = explain(file.network, 16, target());
    std::set<std::string> kernels;
    for (const StepExplanation& step : e.train.steps) {
      INFO(step.name);
      CHECK_FALSE(step.name.empty());
      CHECK_FALSE(step.layout.empty());
      const bool kept = step.why.find("updates keep them") != step.why.npos;
      CHECK((step.bytes > 0 || step.kernel == "scan" || kept));
      kernels.insert(step.kernel);
    }
    CHECK(kernels.count("update") == 1);
    CHECK(kernels.count("follow") == 1);
    CHECK_FALSE(e.evaluate.steps.empty());
  }
}

}  // namespace relaxon
