#include "passes/probe.hpp"

#include <catch2/catch.hpp>

#include "core/npy.hpp"
#include "core/safetensors.hpp"
#include "frontends/analysis/analysis.hpp"
#include "frontends/explain.hpp"
#include "passes/lower.hpp"
#include "passes/pipeline.hpp"
#include "passes/plan/plan.hpp"
#include "runtime/recording.hpp"
#include "runtime/session.hpp"
#include "runtime/target.hpp"
#include "tests/support/network_file_text.hpp"

namespace relaxon {
namespace {

using testing::error_of;
using testing::TemporaryFolder;

Network small_network() {
  LayerMap map({4, 5, 3});
  map.add(1, 0, FullyConnected{.strength = 1, .threshold = 1});
  map.add(1, 1, RecurrentDiscrete{.j_d = 0.5, .threshold = 1});
  map.add(1, 2, FrozenFullyConnected{.strength = 1, .threshold = 0});
  map.add(2, 1, FullyConnected{.strength = 1, .threshold = 1});
  map.add(2, 2, OutputLayer{});
  return {.map = map,
          .schedule = Schedule::dynamical(1, 2, 3, 2),
          .optimizer = Optimizer::sgd(0.1),
          .input = Values::ternary(),
          .label = Values::ternary(),
          .seed = 7};
}

/// Seven images of four signs, three classes.
struct Images {
  Tensor x{DType::i8, {7, 4}}, classes{DType::i32, {7}}, code{DType::f32, {3, 3}};
  Images() {
    for (std::size_t i = 0; i < 28; ++i) x.data<std::int8_t>()[i] = i * i % 7 < 3 ? 1 : -1;
    for (std::size_t i = 0; i < 7; ++i) classes.data<std::int32_t>()[i] = static_cast<std::int32_t>(i % 3);
    for (std::size_t i = 0; i < 9; ++i) code.data<float>()[i] = i % 4 == 0 ? 1.0f : -1.0f;
  }
  LabelledData data() const {
    const auto borrowed = [](const Tensor& t) { return TensorPtr(TensorPtr(), &t); };
    return {borrowed(x), borrowed(classes), borrowed(code)};
  }
};

std::string plan_text(const Network& network, const std::vector<Probe>& probes) {
  return print(make_plan(optimise(lower_train_epoch_probed(network, probes))));
}

/// A plan's text without declarations of slots and without the steps that probe.
std::string steps_without_probes(const std::string& text) {
  std::string kept;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    const bool dropped = line.starts_with("slot ") || line.find("probe(") != std::string::npos;
    if (!dropped) kept += line + "\n";
  }
  return kept;
}

std::string refused(const std::string& text, bool evaluation = false) {
  return error_of([&] { validate(parse_probe(text), small_network(), evaluation); });
}

}  // namespace

TEST_CASE("probes have a text form", "[probe]") {
  for (const std::string text :
       {"s1", "s12@0", "h1@3:every", "h2:every", "f1", "error/1-0", "S/2-1", "weight/1-1", "scores"}) {
    CHECK(to_string(parse_probe(text)) == text);
  }
  const auto expected = [](const std::string& text) {
    return "probe " + text +
           ": expected VALUE[@PHASE][:every] with a value such as s1, h1, f1, error/1-0, S/1-0, weight/1-0 "
           "or scores";
  };
  for (const std::string text : {"", "x1", "s", "s01", "s1@", "s1@x", "s-1", "error/1", "error/1-0/2",
                                 "weight/01-0", "scores1", "s1@1@2", "s1 "}) {
    CHECK(error_of([&] { (void)parse_probe(text); }) == expected(text));
  }
  CHECK(error_of([] { (void)parse_probe("f1:every"); }) ==
        "probe f1:every: only s and h are values of phases");
  CHECK(error_of([] { (void)parse_probe("weight/1-0@1"); }) ==
        "probe weight/1-0@1: only s and h are values of phases");
}

TEST_CASE("probes are checked against the network", "[probe]") {
  CHECK(refused("s1@2:every") == "no error");
  CHECK(refused("h2") == "no error");
  CHECK(refused("scores", true) == "no error");
  CHECK(refused("s1@0", true) == "no error");
  CHECK(refused("s2") == "probe s2: expected a row 1 .. 1");
  CHECK(refused("f3") == "probe f3: expected a row 1 .. 2");
  CHECK(refused("s1@3") == "probe s1@3: expected a phase 0 .. 2");
  CHECK(refused("s1@1", true) == "probe s1@1: expected a phase 0 .. 0");
  CHECK(refused("error/2-0") == "probe error/2-0: the edge is not in the map");
  CHECK(refused("weight/1-2") == "probe weight/1-2: FrozenFullyConnected is not trainable");
  CHECK(refused("f1", true) == "probe f1: a value of training, not of the evaluation");
  CHECK(refused("scores") == "probe scores: a value of the evaluation, not of training");
}

TEST_CASE("a plan keeps what is probed and nothing else", "[probe]") {
  const Network network = testing::published("mnist_sparse").network;
  const std::string plain = plan_text(network, {});
  CHECK(plain == print(make_plan(optimise(lower_train_epoch(network)))));
  CHECK(plain.find("probe") == std::string::npos);
  // States are there anyway, and so are weights.
  for (const std::string text : {"s1", "s1@2", "weight/1-1"}) {
    CHECK(steps_without_probes(plan_text(network, {parse_probe(text)})) == steps_without_probes(plain));
  }
  const std::string fields = plan_text(network, {parse_probe("h1@1:every")});
  CHECK(fields.find("%h1 = sum(") != std::string::npos);
  CHECK(fields.find("probe(%h1) \"h1@1:every\"") != std::string::npos);
  CHECK(fields.find("until unchanged") != std::string::npos);  // the other phases
}

TEST_CASE("explain says what a probe costs", "[probe][explain]") {
  const NetworkFile file = testing::published("mnist_sparse");
  const auto not_done = [&](const std::string& probe) {
    const Explanation e = explain(file.network, 16, host_target(), {}, {{parse_probe(probe)}, {}});
    std::vector<std::string> lines;
    for (const NotDone& n : e.train.not_done) lines.push_back(n.what + ": " + n.why);
    return lines;
  };
  CHECK(not_done("s1@1").empty());
  CHECK(not_done("h1@1:every") ==
        std::vector<std::string>{"no early end: scan of %s1 %r1-1: its iterations are probed",
                                 "not fused: %h1: it is probed as h1@1:every"});
  // The field of the update is what the scans have carried.
  CHECK(not_done("f1").empty());
  CHECK(not_done("S/1-0").back() == "not fused: %S1-0: it is probed as S/1-0");
}

TEST_CASE("a recording sees the batches it asks for and changes nothing", "[probe]") {
  const Images images;
  const std::vector<std::int32_t> order{3, 1, 4, 0, 5, 2, 6};
  Session plain(small_network());
  plain.train(images.data(), order, 2);
  Session session(small_network());
  Recorder recorder;
  session.record(
      {{parse_probe("s1@2:every"), parse_probe("s1"), parse_probe("f2"), parse_probe("weight/2-1")},
       recorder.sink(),
       1,
       3});
  session.train(images.data(), std::span(order).first(4), 2);
  session.train(images.data(), std::span(order).subspan(4), 2);
  CHECK(session.digest() == plain.digest());
  CHECK(recorder.names() ==
        std::vector<std::string>{"f2", "s1@0", "s1@1", "s1@2", "s1@2:every", "weight/2-1"});
  // Batches 1, 2 and 3 of four; the last one has one image.
  CHECK(recorder.array("s1@2:every").shape() == Shape{3, 5, 5});
  CHECK(recorder.array("s1@1").shape() == Shape{5, 5});
  CHECK(recorder.array("f2").shape() == Shape{5, 3});
  CHECK(recorder.array("f2").dtype() == DType::i64);
  const Tensor weights = recorder.array("weight/2-1");
  CHECK(weights.shape() == Shape{3, 5, 3});
  const Tensor& last = session.weight({2, 1}).values;
  CHECK(std::equal(last.data<float>().begin(), last.data<float>().end(), weights.data<float>().end() - 15));
  // The last iteration's states are those after the phase.
  const Tensor every = recorder.array("s1@2:every"), after = recorder.array("s1@2");
  CHECK(std::equal(after.data<std::int8_t>().begin(), after.data<std::int8_t>().end(),
                   every.data<std::int8_t>().begin() + 2 * 25));
  CHECK(error_of([&] { (void)recorder.array("s9"); }) == "probe s9: nothing was seen of it");
}

TEST_CASE("evaluations are recorded as well", "[probe]") {
  const Images images;
  Session plain(small_network()), session(small_network());
  Recorder recorder;
  session.record({{parse_probe("scores"), parse_probe("h2@0:every")}, recorder.sink(), 0, 2}, true);
  CHECK(session.hits(images.data(), 7, 3) == plain.hits(images.data(), 7, 3));
  CHECK(recorder.array("scores").shape() == Shape{6, 3});
  CHECK(recorder.array("h2@0:every").shape() == Shape{3, 6, 3});
  Tensor x(DType::i8, {6, 4});
  std::copy_n(images.x.data<std::int8_t>().begin(), 24, x.data<std::int8_t>().begin());
  CHECK(plain.evaluate(x) == recorder.array("scores"));
  CHECK(error_of([&] { session.record({{parse_probe("s1")}, {}, 0, 1}); }) == "recording: it has no sink");
  CHECK(error_of([&] {
          session.record({{}, recorder.sink(), -1, 1});
        }) == "recording: first = -1; expected at least 0");
}

TEST_CASE("recordings become files", "[probe]") {
  const Images images;
  const std::vector<std::int32_t> order{0, 1, 2, 3};
  Session session(small_network());
  Recorder recorder;
  session.record({{parse_probe("s1"), parse_probe("f1")}, recorder.sink(), 0, 1});
  session.train(images.data(), order, 4);
  const TemporaryFolder folder;
  const std::vector<ProbeFile> files{parse_probe_file("s1"), parse_probe_file("f1=f1.npy"),
                                     parse_probe_file("s1@1=s1.npy")};
  save(recorder, {files[0], files[1], {parse_probe("s1@1"), "s1.npy"}}, folder.path() / "new");
  CHECK(load_safetensors(folder / "new/probes.safetensors").tensors.size() == 3);
  CHECK(load_safetensors(folder / "new/probes.safetensors").tensors.at("s1@2") == recorder.array("s1@2"));
  CHECK(std::filesystem::file_size(folder / "new/f1.npy") == 128 + 4 * 5 * 8);
  CHECK(error_of([&] { save(recorder, {parse_probe_file("s1=s1.npy")}, folder.path()); }) ==
        "probe s1: 3 phases; a .npy file holds one array: expected a phase, as in s1@2, or a .safetensors "
        "file");
  CHECK(error_of([&] { save(recorder, {parse_probe_file("weight/1-0")}, folder.path()); }) ==
        "probe weight/1-0: nothing was seen of it");
  CHECK(error_of([&] { validate({parse_probe_file("s1=s1.csv")}); }) ==
        "probe s1: expected a .npy or .safetensors file, found s1.csv");
  CHECK(error_of([&] {
          validate({parse_probe_file("s1=a.npy"), parse_probe_file("f1=./a.npy")});
        }) == "probe f1: ./a.npy is the file of another probe; a .npy file holds one array");
  CHECK(error_of([&] { (void)parse_probe_file("s1="); }) == "probe s1=: expected a file after =");
}

TEST_CASE("an array in NumPy's format", "[probe]") {
  const std::string bytes = npy(Tensor::of<std::int32_t>({2, 1}, std::vector<std::int32_t>{1, -2}));
  CHECK(bytes.substr(0, 8) == std::string("\x93NUMPY\x01\x00", 8));
  CHECK(bytes.size() == 128 + 8);
  CHECK(bytes.substr(10, 61) == "{'descr': '<i4', 'fortran_order': False, 'shape': (2, 1), }  ");
  CHECK(bytes[127] == '\n');
  CHECK(bytes.substr(128) == std::string("\x01\0\0\0\xfe\xff\xff\xff", 8));
  CHECK(npy(Tensor(DType::f32, {3})).find("'shape': (3,), }") != std::string::npos);
  CHECK(npy(Tensor(DType::i8, {})).find("'descr': '|i1', 'fortran_order': False, 'shape': (), }") !=
        std::string::npos);
}

TEST_CASE("a network file declares probes", "[probe][network_file]") {
  const auto with_probe = [](const std::string& keys) { return testing::minimal + "[[probe]]\n" + keys; };
  const NetworkFile file =
      testing::parse(with_probe("value = \"s1\"\nphase = 1\nevery = true\nfile = \"s.npy\"\n[[probe]]\nvalue "
                                "= \"scores\"\nwhat = \"evaluate\"\n"));
  REQUIRE(file.probes.training.size() == 1);
  CHECK(to_string(file.probes.training[0].probe) == "s1@1:every");
  CHECK(file.probes.training[0].file == "s.npy");
  REQUIRE(file.probes.evaluation.size() == 1);
  CHECK(file.probes.evaluation[0].file == "probes.safetensors");
  const auto error = [&](const std::string& keys) { return testing::error_in(with_probe(keys)); };
  CHECK(error("phase = 1\n") == "net.toml:44: probe[0].value: expected a string, found nothing");
  CHECK(error("value = \"s1\"\nwhat = \"both\"\n") ==
        "net.toml:46: probe[0].what: expected \"train\" or \"evaluate\", found \"both\"");
  CHECK(error("value = \"f1\"\nphase = 1\n") == "net.toml:44: probe f1@1: only s and h are values of phases");
  CHECK(error("value = \"s2\"\n") == "net.toml:44: probe s2: expected a row 1 .. 1");
  CHECK(error("value = \"s1\"\nfile = \"s.txt\"\n") ==
        "net.toml:44: probe s1: expected a .npy or .safetensors file, found s.txt");
}

TEST_CASE("analyses agree with the states they are made from", "[probe]") {
  const Images images;
  Dataset data;
  data.train.x = images.x;
  data.train.classes = images.classes;
  data.classes = 3;
  data.code = images.code;
  NetworkFile file;
  file.network = small_network();
  file.data.batch_size = 7;
  file.data.shuffle = false;
  const auto run = [&](Analysis what) {
    Session session(file.network);
    BatchStream stream(file, data, 7);
    return analyse(what, session, file, data, stream, {1});
  };
  // The same phases by hand.
  Session session(file.network);
  Tensor y(DType::f32, {7, 3});
  for (std::int64_t b = 0; b < 7; ++b)
    y.matrix<float>().row(b) = images.code.matrix<float>().row(images.classes.data<std::int32_t>()[b]);
  State state = session.init(images.x, y);
  std::vector<RowMajor<float>> states;
  for (const auto& [filter, count] :
       {std::pair{Filter::forward, 1}, {Filter::all, 2}, {Filter::inference, 3}}) {
    for (int t = 0; t < count; ++t) {
      session.sweep(state, filter);
      states.push_back(state.values(1));
    }
  }
  const AnalysisTable flipped = run(Analysis::flips), still = run(Analysis::settled);
  REQUIRE(flipped.rows.size() == 5);
  REQUIRE(still.rows.size() == 5);
  for (std::size_t t = 0; t < 5; ++t) {
    const auto differs = (states[t].array() != states[t + 1].array()).eval();
    CHECK(flipped.rows[t][2] == fmt::format("{:.5f}", static_cast<double>(differs.count()) / 35));
    CHECK(still.rows[t][2] ==
          fmt::format("{:.5f}", static_cast<double>((!differs).rowwise().all().count()) / 7));
  }
  const AnalysisTable overlaps = run(Analysis::overlap);
  REQUIRE(overlaps.rows.size() == 3);
  CHECK(overlaps.rows[0][2] == "1.00000");
  CHECK(overlaps.rows[0][4] == fmt::format("{:.5f}", (states[0].array() * states[5].array()).sum() / 35));
  const AnalysisTable leak = run(Analysis::leak);
  REQUIRE(leak.rows.size() == 4);
  CHECK(leak.rows[3][0] == "evaluation");
  CHECK(leak.rows[3][1] == fmt::format("{:.4f}", static_cast<double>(session.hits(images.data(), 7, 7)) / 7));
  double shares = 0;
  const AnalysisTable histogram = run(Analysis::fields);
  for (const auto& row : histogram.rows) shares += std::stod(row[3]);
  CHECK(shares == Approx(2).margin(1e-3));  // both rows
  CHECK(to_text({{"a", "bb"}, {{"10", "2"}}, ""}) == " a  bb\n10   2\n");
  CHECK(to_csv({{"a", "bb"}, {{"10", "2"}}, ""}) == "a,bb\n10,2\n");
  CHECK(error_of([&] {
          BatchStream stream(file, data, 7);
          (void)analyse(Analysis::flips, session, file, data, stream, {0});
        }) == "steps: expected at least 1, found 0");
}

}  // namespace relaxon
