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
  CHECK_FALSE(sign.estimated_us);
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

TEST_CASE("estimates need a measured target", "[explain]") {
  Target measured = target();
  measured.flops_per_second = 1e9;
  measured.bytes_per_second = 1e9;
  const PlanExplanation p = explain(parse_plan(plan_text, "p.rx"), {16, {}, {}}, measured);
  CHECK(p.steps[1].estimated_us == Approx(20.4));   // bytes decide: 20400
  CHECK(p.steps[3].estimated_us == Approx(960.0));  // flops: 2 x 16 x 30000
  const Explanation e{measured, 16, p, {}};
  CHECK(to_json(e)["train"]["steps"][3]["estimated_us"] == Approx(960.0));
  CHECK(to_text(e).find("960 kflop; 147 kB; at least 960 us\n") != std::string::npos);
}

TEST_CASE("text and JSON of an explanation", "[explain]") {
  const std::string text =
      "plan \"p\" fixed 20\nslot %h : fix[B,300] fields live 0 to 1\n%h = sum(%h, %h) covers \"%h1\" why "
      "\"w\"";
  const Explanation e{
      target(), 16, explain(parse_plan(text, "p.rx"), {16, {}, {}}, target()), {{}, {{"a", "b"}}, {}}};
  CHECK(to_text(e) ==
        "target: 2 cores, avx2, vectors of 8 floats, L1 32 KiB, L2 1024 KiB\n"
        "\ntrain, a batch of 16:\n"
        "  %h1: sum (aggregate)\n"
        "      fields -> fields; 4.8 kflop; 38.4 kB\n"
        "      w\n"
        "\nevaluate, a batch of 16:\n"
        "evaluate, not done:\n"
        "  a: b\n");
  CHECK(
      to_json(e).dump() ==
      R"({"target":{"cores":2,"isa":"avx2","vector_floats":8,"l1_bytes":32768,"l2_bytes":1048576,"l3_bytes":0},)"
      R"("train":{"steps":[{"name":"%h1","ops":["aggregate"],"kernel":"sum","layout":"fields -> fields","threads":1,)"
      R"("why":"w","flops":4800.0,"bytes":38400.0,"estimated_us":null}],"not_done":[]},)"
      R"("evaluate":{"steps":[],"not_done":[{"what":"a","why":"b"}]}})");
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
      CHECK((step.bytes > 0 || step.kernel == "scan"));
      kernels.insert(step.kernel);
    }
    CHECK(kernels.count("update") == 1);
    CHECK(kernels.count("follow") == 1);
    CHECK_FALSE(e.evaluate.steps.empty());
  }
}

TEST_CASE("this machine has a target", "[explain]") {
  const Target host = host_target();
  CHECK(host.cores >= 1);
  CHECK(has_isa(host.isa));
  CHECK(host.vector_floats() >= 4);
  CHECK_FALSE(estimated_us(host, 1, 1));
}

}  // namespace relaxon
