// What is compiled, when, and what a session says about it.
#include <catch2/catch.hpp>
#include <thread>

#include "core/file.hpp"
#include "core/init.hpp"
#include "frontends/cpp/relaxon.hpp"
#include "runtime/jit/code.hpp"
#include "tests/support/files.hpp"

namespace relaxon {
namespace {

constexpr std::int64_t classes = 3;
constexpr std::int64_t images = 21;

struct Setting {
  std::int64_t units = 20;
  double lr = 0.5, threshold = 1, weight_decay = 0.1;
  std::int64_t iterations = 4;
};

Network network_of(const Setting& s) {
  Network network;
  network.map = LayerMap({12, s.units, classes});
  network.map
      .add(1, 0,
           SparseFullyConnected{
               .strength = 2, .threshold = s.threshold, .sparsity = 0.3, .weight_decay = s.weight_decay})
      .add(1, 1, SparseRecurrentDiscrete{.j_d = 0.5, .threshold = s.threshold, .sparsity = 0.5})
      .add(2, 1, FullyConnected{.strength = 2, .threshold = 1})
      .add(2, 2, OutputLayer{});
  network.schedule = Schedule::dynamical(1, s.iterations, s.iterations, 2 * s.iterations);
  network.optimizer = Optimizer::sgd(s.lr);
  network.label = label_values(LabelMode::c_rescale, classes);
  network.seed = 5;
  return network;
}

LabelledData random_data() {
  constexpr RngLayout layout = RngLayout::partitionable;
  Tensor labels(DType::i32, {images});
  Tensor code(DType::f32, {classes, classes});
  const Values values = label_values(LabelMode::c_rescale, classes);
  for (std::int64_t i = 0; i < images; ++i)
    labels.data<std::int32_t>()[static_cast<std::size_t>(i)] = static_cast<std::int32_t>(i % classes);
  for (std::int64_t i = 0; i < classes * classes; ++i)
    code.data<float>()[static_cast<std::size_t>(i)] = i % (classes + 1) == 0 ? values.a : values.b;
  return {
      std::make_shared<const Tensor>(Tensor::of<float>({images, 12}, normal(key_of(1), images * 12, layout))),
      std::make_shared<const Tensor>(std::move(labels)), std::make_shared<const Tensor>(std::move(code))};
}

std::vector<std::int32_t> order() {
  std::vector<std::int32_t> all;
  for (std::int32_t i = 0; i < images; ++i) all.push_back(i);
  return all;
}

Session session_of(const Setting& setting, const jit::CodeCache& cache) {
  SessionOptions options;
  options.backend = Backend::jit;
  options.cache = cache;
  return Session(network_of(setting), options);
}

std::string digest_of(const Setting& setting, Backend backend) {
  SessionOptions options;
  options.backend = backend;
  options.cache = jit::CodeCache(std::nullopt);
  Session session(network_of(setting), options);
  session.train(random_data(), order(), 8);
  return session.digest();
}

}  // namespace

TEST_CASE("an epoch compiles once, whatever its batches", "[jit]") {
  Session session = session_of({}, jit::CodeCache(std::nullopt));
  const LabelledData data = random_data();
  session.train(data, order(), 8);  // the last batch is smaller
  CHECK(session.compile_report().compiles == 1);
  session.train(data, order(), 8);
  session.train(data, order(), 5);
  CHECK(session.compile_report().compiles == 1);
  session.hits(data, images, 8);
  session.hits(data, images, 3);
  CHECK(session.compile_report().compiles == 2);
  CHECK(session.compile_report().cache_hits == 0);
}

TEST_CASE("settings compile nothing, other shapes do and say why", "[jit]") {
  const testing::TemporaryFolder folder;
  const jit::CodeCache cache(folder.path());
  const LabelledData data = random_data();
  const auto report_of = [&](const Setting& setting) {
    Session session = session_of(setting, cache);
    session.train(data, order(), 8);
    return session.compile_report();
  };
  const CompileReport first = report_of({});
  CHECK(first.cache_hits == 0);
  REQUIRE(first.reasons.size() == 1);
  CHECK(first.reasons[0].ends_with("functions, compiled: not in the cache"));
  for (const Setting& setting : {Setting{}, Setting{.lr = 0.1}, Setting{.threshold = 2},
                                 Setting{.weight_decay = 0}, Setting{.iterations = 7}}) {
    const CompileReport report = report_of(setting);
    CHECK(report.compiles == 1);
    CHECK(report.cache_hits == 1);
    CHECK(report.reasons[0].ends_with("functions, found in the cache"));
  }
  const CompileReport wider = report_of({.units = 21});
  CHECK(wider.cache_hits == 0);
  CHECK(wider.reasons[0].ends_with("functions, compiled: not in the cache"));
}

TEST_CASE("a damaged cache changes nothing but the time", "[jit]") {
  const testing::TemporaryFolder folder;
  const jit::CodeCache cache(folder.path());
  const LabelledData data = random_data();
  const std::string expected = digest_of({}, Backend::kernels);
  for (int round = 0; round < 3; ++round) {
    Session session = session_of({}, cache);
    session.train(data, order(), 8);
    CHECK(session.digest() == expected);
    CHECK(session.compile_report().cache_hits == 0);
    for (const std::string& name : folder.names()) {
      const std::string bytes = read_file(folder.path() / name);
      testing::write_bytes(folder.path() / name,
                           round == 0 ? bytes.substr(0, bytes.size() / 2) : "x" + bytes);
    }
  }
}

TEST_CASE("code that can't be linked is made again", "[jit]") {
  const testing::TemporaryFolder folder;
  const jit::CodeCache cache(folder.path());
  const std::vector<jit::NamedOperation> operations{{"f", jit::Sign{20, {2, 0}}}};
  jit::compile(operations, Isa::x86_64, cache);
  REQUIRE(folder.names().size() == 1);
  // The entry is whole and its key right, but its code is none.
  const std::string entry = read_file(folder / folder.names()[0]);
  const std::size_t length = entry.find("generator");
  REQUIRE(length != std::string::npos);
  const std::string key =
      entry.substr(length, entry.find("sign units=20 by_lane=2 by_sample=0\n") + 36 - length);
  cache.store(key, "no object file");
  const jit::Compiled again = jit::compile(operations, Isa::x86_64, cache);
  CHECK_FALSE(again.report.from_cache);
  CHECK(again.report.why == "its entry in the cache can't be linked");
  CHECK(jit::compile(operations, Isa::x86_64, cache).report.from_cache);
}

TEST_CASE("sessions in several threads compile and run side by side", "[jit]") {
  const testing::TemporaryFolder folder;
  const std::string expected = digest_of({}, Backend::kernels);
  std::vector<std::string> digests(4);
  std::vector<std::thread> threads;
  for (std::string& digest : digests) {
    threads.emplace_back([&] {
      Session session = session_of({}, jit::CodeCache(folder.path()));
      session.train(random_data(), order(), 8);
      digest = session.digest();
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(digests == std::vector<std::string>(4, expected));
}

TEST_CASE("generated code can be read, and says what is not generated", "[jit]") {
  const std::vector<jit::NamedOperation> operations{{"0.sign.h1", jit::Sign{20, {2, 0}}}};
  CHECK(jit::emit(operations, Isa::x86_64, jit::Emit::llvm).find("define i64 @\"0.sign.h1\"") !=
        std::string::npos);
  CHECK(jit::emit(operations, Isa::x86_64, jit::Emit::assembly).find("0.sign.h1:") != std::string::npos);
}

}  // namespace relaxon
